"""Run directories: all output of a training, from which the run resumes and agents are loaded.

| file or folder | content |
| --- | --- |
| `run.json` | configuration, data statistics, hash of the data; versions, commit, machine |
| `checkpoints/` | the last three checkpoints and the one of lowest loss |
| `metrics.jsonl`, `tensorboard/` | a line and an event for each dispatch of updates |
| `results.jsonl` | a result row of each seed and checkpoint, once the training is complete |
| `lock` | the process that writes at the moment |
"""

import contextlib
import dataclasses
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import jax

from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.data import atomic_files, storage
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import configs
from jax_s4rl.training import checkpoints, config_io, distributed, loop, metrics, run_lock, update

ABOUT = "run.json"
CHECKPOINTS = "checkpoints"
RESULTS = "results.jsonl"


@dataclasses.dataclass(frozen=True)
class World:
    """Facts about the task of a run that acting needs."""

    env_id: str
    """Name of the environment."""
    env_kwargs: Mapping[str, Any]
    """Arguments of the environment."""
    max_steps: int
    """Longest episode, in steps."""
    lowest_return_to_go: float
    """Lowest return-to-go of all recorded steps."""
    best_return: float
    """Highest return of an episode in the data."""

    def make_env(self) -> gymnasium.Env:
        """Makes one environment."""
        return registry.make(self.env_id, disable_env_checker=True, **self.env_kwargs)


@dataclasses.dataclass(frozen=True)
class Description:
    """Description of a run; two runs with the same description train the same models."""

    dataset: str
    """Name of the dataset."""
    dataset_hash: str
    """Digest of the episodes of the dataset."""
    seeds: tuple[int, ...]
    """Seeds of the models that are trained together."""
    settings: decision_transformer.Settings
    """Settings of model and training."""
    model: configs.DecisionTransformerConfig
    """Shape of the model, with the statistics of the data."""
    world: World
    """Environment to act in, and the facts of the data that acting needs."""


def describe(
    task: tasks.Task,
    settings: decision_transformer.Settings,
    model: configs.DecisionTransformerConfig,
    seeds: tuple[int, ...],
) -> Description:
    """Describes a run that is about to start.

    Args:
        task: Task of the training, with its episodes.
        settings: Settings of model and training.
        model: Shape of the model.
        seeds: Seeds of the models that are trained together.

    Returns:
        The description.
    """
    best = float(task.record.episode_returns.max())
    world = World(
        task.env_id, dict(task.env_kwargs), task.max_steps, task.lowest_return_to_go, best
    )
    return Description(
        task.dataset, storage.content_hash(task.record), seeds, settings, model, world
    )


def read(folder: Path) -> Description:
    """Reads the description of a run that was started before.

    Args:
        folder: Run directory.

    Returns:
        The description.

    Raises:
        FileNotFoundError: If there is no run in the folder.
        ValueError: If the description is damaged, or another version of jax_s4rl wrote it.
    """
    return config_io.from_json(_read_about(folder)["configuration"])


@contextlib.contextmanager
def opened(
    folder: Path, description: Description, *, resume: bool, report: Callable[[str], None] = print
) -> Iterator["RunDirectory"]:
    """Opens a run directory for training.

    If several processes train together, only the first one reads and writes the folder.

    Args:
        folder: Run directory; made if it is not there.
        description: Description of the run.
        resume: Whether to continue a run in the folder, if there is one.
        report: Function that gets sentences about the run.

    Yields:
        The open run directory.

    Raises:
        ValueError: If another process writes into the folder, the folder holds a run and `resume`
            is False, or it holds a run with another description (the message names the fields).
    """
    if not distributed.is_first():
        yield RunDirectory(folder, description, None, report)
        return
    with run_lock.Lock(folder):
        _write_about(folder, description, resume)
        with checkpoints.Checkpoints(folder / CHECKPOINTS, description, report) as saved:
            run = RunDirectory(folder, description, saved, report)
            try:
                yield run
            finally:
                run.close()


class RunDirectory:
    """A run directory that is open for training; made by `opened`.

    Args:
        folder: Run directory.
        description: Description of the run.
        saved: Checkpoints of the run; None in all processes but the first.
        report: Function that gets sentences about the run.
    """

    def __init__(
        self,
        folder: Path,
        description: Description,
        saved: checkpoints.Checkpoints | None,
        report: Callable[[str], None],
    ):
        self.folder, self.description, self.report = folder, description, report
        self._checkpoints, self._metrics = saved, None
        self._losses: list[float] = []

    def restore(self, train_state: update.TrainState) -> tuple[update.TrainState, int]:
        """Restores the states of the newest checkpoint.

        Args:
            train_state: States before the first update, on the devices.

        Returns:
            The states of the checkpoint, on the devices, and the number of updates made; without a
            checkpoint, the given states and 0.

        Raises:
            ValueError: If the checkpoint does not fit the run.
        """
        num_seeds = len(self.description.seeds)
        fresh = update.collect(train_state, num_seeds)
        saved = self._checkpoints.restore(fresh) if self._checkpoints is not None else None
        # Only the first process reads checkpoints; the others get its states.
        state = distributed.from_first(saved.state if saved is not None else fresh, fresh)
        # All seeds have made the same number of updates.
        start = int(state.step[0])
        if self._checkpoints is not None:
            self._metrics = metrics.Metrics(self.folder, start, self.report)
        if not start:
            return train_state, 0
        self.report(f"going on after update {start}")
        return update.place(
            [jax.tree.map(lambda x, n=n: x[n], state) for n in range(num_seeds)]
        ), start

    def write(self, dispatch: loop.Dispatch) -> None:
        """Writes the metrics of a dispatch.

        Args:
            dispatch: Result of the dispatch.
        """
        if self._metrics is not None:
            self._losses.append(dispatch.loss)
            self._metrics.write(dispatch.step, dispatch.means(), dispatch.seconds)

    def save(self, dispatch: loop.Dispatch) -> None:
        """Makes a checkpoint, which is written in the background.

        Its loss, by which the best checkpoint is chosen, is the mean loss since the last one.

        Args:
            dispatch: Result of the last dispatch.

        Raises:
            FloatingPointError: If a number in the state is not finite.
            OSError: If this or the previous write failed.
        """
        # In every process: collecting states from the devices of all processes is a joint step.
        state = update.collect(dispatch.train_state, len(self.description.seeds))
        if self._checkpoints is not None and self._metrics is not None:
            # Metrics before the checkpoint: a run that resumes from a checkpoint needs the metrics
            # of all updates before it.
            self._metrics.secure()
            self._checkpoints.save(
                dispatch.step, state, loss=sum(self._losses) / max(len(self._losses), 1)
            )
            self._losses = []

    def complete(self) -> float:
        """Waits for the last checkpoint and returns the seconds of all updates.

        Returns:
            Wall-clock time of the updates, those before the run was resumed included; 0 in all
            processes but the first.
        """
        if self._checkpoints is not None:
            self._checkpoints.wait()
        return self._metrics.seconds if self._metrics is not None else 0.0

    def close(self) -> None:
        """Writes the remaining metrics and closes their files."""
        if self._metrics is not None:
            self._metrics.close()

    @property
    def resume_command(self) -> str:
        """Command that resumes this run."""
        return f"jax-s4rl train --folder {shlex.quote(str(self.folder))} --resume"


def _write_about(folder: Path, description: Description, resume: bool) -> None:
    """Writes `run.json`, or adds a resumption to it if it describes the same run."""
    provenance = {
        "versions": result_rows.versions(),
        "commit": result_rows.commit(),
        "machine": result_rows.machine(),
    }
    about = {"configuration": config_io.to_json(description), **provenance, "resumed": []}
    if (folder / ABOUT).exists():
        if not resume:
            raise ValueError(
                f"{folder} already holds a run; resume it with --resume, or choose another folder"
            )
        saved = _read_about(folder)
        config_io.check_same(
            _without_duplicates(saved["configuration"]),
            _without_duplicates(about["configuration"]),
            where=str(folder),
        )
        about = {**saved, "resumed": [*saved["resumed"], provenance]}
    text = json.dumps(about, indent=2, allow_nan=False) + "\n"
    # Replaced as a whole, so that a killed process cannot leave half a description.
    atomic_files.write_whole(folder / ABOUT, lambda file: file.write(text.encode()))


def _without_duplicates(configuration: dict[str, Any]) -> dict[str, Any]:
    """Removes the choices for the model that the settings hold too.

    A message about differences then names each of them once.
    """
    model = {name: value for name, value in configuration["model"].items() if name != "model"}
    return configuration | {"model": model}


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / ABOUT
    if not path.exists():
        raise FileNotFoundError(f"there is no run in {folder} (no {ABOUT}); check the name")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); restore it, or train again in another folder"
        ) from None
