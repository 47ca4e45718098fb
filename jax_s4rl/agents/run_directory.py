"""A run folder: all that a training leaves, and all that is needed to go on with it or to act with what it learned.

| in the folder | is |
| --- | --- |
| `run.json` | resolved configuration, data statistics and the hash of the data; versions, commit and machine |
| `checkpoints/` | the last three and the one of lowest loss |
| `metrics.jsonl`, `tensorboard/` | a line and an event for each dispatch of updates |
| `results.jsonl` | the result line of each seed, when the training is complete |
| `lock` | who is writing |
"""

import contextlib
import dataclasses
import functools
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np

from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.data import atomic_files, storage
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import result_rows, rollout
from jax_s4rl.models import configs, policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups
from jax_s4rl.training import checkpoints, config_io, distributed, loop, metrics, run_lock, update

ABOUT = "run.json"
CHECKPOINTS = "checkpoints"
RESULTS = "results.jsonl"


@dataclasses.dataclass(frozen=True)
class World:
    """What acting needs to know about the task that a run was trained on."""

    env_id: str
    """Name of the environment."""
    env_kwargs: Mapping[str, Any]
    """Its arguments."""
    max_steps: int
    """Longest episode."""
    lowest_return_to_go: float
    """The least that was still to be collected at any recorded step."""
    best_return: float
    """Highest return in the data."""

    def make_env(self) -> gymnasium.Env:
        """Makes one environment."""
        return registry.make(self.env_id, disable_env_checker=True, **self.env_kwargs)


@dataclasses.dataclass(frozen=True)
class Description:
    """What a run is: two runs with the same description learn the same."""

    dataset: str
    """Name of the data set."""
    dataset_hash: str
    """Digest of its episodes."""
    seeds: tuple[int, ...]
    """Seeds of the models that are trained together."""
    settings: decision_transformer.Settings
    """Of model and training."""
    model: configs.DecisionTransformerConfig
    """Shape of the model, with the statistics of the data."""
    world: World
    """Where it acts."""


def describe(
    task: tasks.Task,
    settings: decision_transformer.Settings,
    model: configs.DecisionTransformerConfig,
    seeds: tuple[int, ...],
) -> Description:
    """Describes a run that is about to start."""
    best = float(task.record.episode_returns.max())
    world = World(task.env_id, dict(task.env_kwargs), task.max_steps, task.lowest_return_to_go, best)
    return Description(task.dataset, storage.content_hash(task.record), seeds, settings, model, world)


def read(folder: Path) -> Description:
    """The description of a run that was started before.

    Raises:
      FileNotFoundError: there is no run in the folder.
      ValueError: its description is damaged, or of another version of jax_s4rl.
    """
    return config_io.from_json(_read_about(folder)["configuration"])


@contextlib.contextmanager
def opened(
    folder: Path, description: Description, *, resume: bool, report: Callable[[str], None] = print
) -> Iterator["RunFolder"]:
    """Opens a run folder for training; where several processes train, only the first one touches it.

    Args:
      folder: of the run; made if it is not there.
      description: of the run.
      resume: goes on with the run in the folder, if there is one.
      report: told in a sentence what is found.

    Yields:
      The folder.

    Raises:
      ValueError: another process is using it, it holds a run and `resume` is False, or a run with another description
        (the differing fields are named).
    """
    if not distributed.is_first():
        yield RunFolder(folder, description, None, report)
        return
    with run_lock.Lock(folder):
        _write_about(folder, description, resume)
        with checkpoints.Checkpoints(folder / CHECKPOINTS, description, report) as saved:
            run = RunFolder(folder, description, saved, report)
            try:
                yield run
            finally:
                run.close()


class RunFolder:
    """A run folder that is open for training; made by `opened`.

    Args:
      folder: of the run.
      description: of the run.
      saved: its checkpoints; None in all processes but the first.
      report: told in a sentence what is found.
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
        """Goes on where the newest checkpoint was made.

        Args:
          train_state: the states before the first update, on the devices.

        Returns:
          The states of the checkpoint on the devices, or those given if there is none, and the updates made.

        Raises:
          ValueError: the checkpoint does not fit.
        """
        num_seeds = len(self.description.seeds)
        fresh = update.collect(train_state, num_seeds)
        found = self._checkpoints.restore(fresh) if self._checkpoints is not None else None
        state = distributed.from_first(found.state if found is not None else fresh, fresh)
        start = int(state.step[0])
        if self._checkpoints is not None:
            self._metrics = metrics.Metrics(self.folder, start, self.report)
        if not start:
            return train_state, 0
        self.report(f"going on after update {start}")
        return update.place([jax.tree.map(lambda x, n=n: x[n], state) for n in range(num_seeds)]), start

    def write(self, dispatch: loop.Dispatch) -> None:
        """Writes the metrics of a dispatch."""
        if self._metrics is not None:
            self._losses.append(dispatch.loss)
            self._metrics.write(dispatch.step, dispatch.means(), dispatch.seconds)

    def save(self, dispatch: loop.Dispatch) -> None:
        """Makes a checkpoint, to be written in the background; the mean loss since the last one is its worth."""
        state = update.collect(dispatch.train_state, len(self.description.seeds))
        if self._checkpoints is not None and self._metrics is not None:
            # First the lines, then the checkpoint: what lies behind a checkpoint is never lost.
            self._metrics.secure()
            self._checkpoints.save(dispatch.step, state, loss=sum(self._losses) / max(len(self._losses), 1))
            self._losses = []

    def complete(self) -> float:
        """Returns the seconds of all updates, those before resuming included, once the last checkpoint is written."""
        if self._checkpoints is not None:
            self._checkpoints.wait()
        return self._metrics.seconds if self._metrics is not None else 0.0

    def write_results(self, rows: list[dict[str, Any]]) -> None:
        """Writes the result lines, in place of older ones."""
        result_rows.write_rows(self.folder / RESULTS, rows)

    def close(self) -> None:
        """Writes what is left of the metrics."""
        if self._metrics is not None:
            self._metrics.close()

    @property
    def resume_command(self) -> str:
        """What goes on with this run."""
        return f"python -m jax_s4rl.cli.train --folder {shlex.quote(str(self.folder))} --resume"


def _write_about(folder: Path, description: Description, resume: bool) -> None:
    here = {"versions": result_rows.versions(), "commit": result_rows.commit(), "machine": result_rows.machine()}
    about = {"configuration": config_io.to_json(description), **here, "resumed": []}
    if (folder / ABOUT).exists():
        if not resume:
            raise ValueError(f"{folder} already holds a run; go on with it by --resume, or choose another folder")
        saved = _read_about(folder)
        config_io.check_same(*(_compared(each["configuration"]) for each in (saved, about)), where=str(folder))
        about = {**saved, "resumed": [*saved["resumed"], here]}
    text = json.dumps(about, indent=2, allow_nan=False) + "\n"
    atomic_files.write_whole(folder / ABOUT, lambda file: file.write(text.encode()))


def _compared(described: dict[str, Any]) -> dict[str, Any]:
    """A description without what stands in it twice, so that each difference is named once."""
    return described | {"model": {name: value for name, value in described["model"].items() if name != "model"}}


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / ABOUT
    if not path.exists():
        raise FileNotFoundError(f"there is no run in {folder} (no {ABOUT}); check the name")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); restore it, or train again in another folder") from None


@dataclasses.dataclass(frozen=True)
class Run:
    """A training as it was saved.

    Attributes:
      description: what it is.
      step: updates that the parameters have behind them.
      params: of the models, with a leading axis of seeds.
    """

    description: Description
    step: int
    params: Any

    def params_of(self, number: int) -> Any:
        """Parameters of one of the models, by its place among the seeds."""
        return jax.tree.map(lambda x: x[number], self.params)

    def act(
        self, targets: np.ndarray | Sequence[float], *, greedy: np.ndarray | bool, seed: int, number: int = 0
    ) -> rollout.Rollout:
        """Acts one episode for each target, in the environment that the data came from.

        Args:
          targets: return asked for at the start of each episode.
          greedy: for each episode or all, whether the likeliest action is taken or one is sampled.
          seed: of environments and samples.
          number: which of the models acts, by its place among the seeds.

        Returns:
          The episodes and times.
        """
        world = self.description.world
        return rollout.rollout(
            world.make_env,
            policy.Policy(
                self.description.model, world.max_steps, decision_transformer.memory(self.description.settings)
            ),
            self.params_of(number),
            targets,
            greedy=greedy,
            seed=seed,
            lowest_target=world.lowest_return_to_go,
        )


def load(folder: str | Path, *, best: bool = False) -> Run:
    """Loads a run; it may still be training.

    Args:
      folder: of the run; nothing else is needed.
      best: the checkpoint with the lowest loss instead of the newest.

    Returns:
      The run.

    Raises:
      FileNotFoundError: there is no run, or no checkpoint yet.
      ValueError: the run is damaged, or of another version of jax_s4rl.
    """
    description = read(Path(folder))
    init = functools.partial(network.init, description.model)
    params = jax.eval_shape(lambda key: groups.strip(init(key)), jax.random.key(0))
    num_seeds = len(description.seeds)
    stacked = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_seeds, *x.shape), x.dtype), params)
    like: Any = update.TrainState(stacked, None, None, None)  # pyright: ignore[reportArgumentType]
    found = checkpoints.load(Path(folder) / CHECKPOINTS, like, best=best)
    return Run(description, found.step, found.state.params)
