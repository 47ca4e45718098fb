"""Run directories: all output of a training, from which the run resumes and agents are loaded.

| file or folder | content |
| --- | --- |
| `run.json` | configuration, data statistics, data hash, options, versions, commit, machine |
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
import numpy as np

from jax_s4rl.agents import _about, decision_transformer, tasks
from jax_s4rl.collection import stored_environments
from jax_s4rl.data import actions, observations, spaces, storage
from jax_s4rl.models import configs
from jax_s4rl.training import (
    checkpoints,
    config_io,
    distributed,
    loop,
    metrics,
    optimizer,
    run_lock,
    update,
)

ABOUT = _about.NAME
CHECKPOINTS = _about.CHECKPOINTS
RESULTS = _about.RESULTS
# Metadata of fields that earlier runs lack; data and environment decide them.
ADDED = {config_io.ADDED: "0.2", config_io.DERIVED: True}


@dataclasses.dataclass(frozen=True)
class World:
    """Facts about the task of a run that acting needs."""

    env_id: str | None
    """Name of the environment; None if there is none, or a function made it."""
    env_kwargs: Mapping[str, Any]
    """Arguments of the environment."""
    max_steps: int
    """Longest episode, in steps."""
    lowest_return_to_go: float
    """Lowest return-to-go of all recorded steps."""
    best_return: float
    """Highest return of an episode in the data."""
    observation_space: Mapping[str, Any] | None = dataclasses.field(default=None, metadata=ADDED)
    """Observation space of the environment (`data.spaces.describe`); None in earlier runs."""
    action_space: Mapping[str, Any] | None = dataclasses.field(default=None, metadata=ADDED)
    """Action space of the environment; None in earlier runs."""
    num_episodes: int | None = dataclasses.field(default=None, metadata=ADDED)
    """Number of episodes that were trained on; None in earlier runs."""
    num_steps: int | None = dataclasses.field(default=None, metadata=ADDED)
    """Number of their steps; None in earlier runs."""
    lowest_return: float | None = dataclasses.field(default=None, metadata=ADDED)
    """Lowest return of an episode in the data; None in earlier runs."""

    def make_env(self, factory: Callable[[], gymnasium.Env] | None = None) -> gymnasium.Env:
        """Makes one environment.

        Args:
            factory: Function that makes it; None to make it by its name.

        Raises:
            ValueError: If the run has no environment that may be made without a function.
        """
        if factory is None and self.env_id is not None:
            stored_environments.check(self.env_id, self.env_kwargs)
        return tasks.make_env(self.env_id, self.env_kwargs, factory, self.max_steps)

    def encoders(
        self, factory: Callable[[], gymnasium.Env] | None = None
    ) -> tuple[observations.Encoder, actions.Encoder]:
        """Makes the conversions of the environment's observations and actions.

        Args:
            factory: Function that makes the environment, for runs that do not hold its spaces.
        """
        if self.observation_space is not None and self.action_space is not None:
            both = spaces.make(self.observation_space), spaces.make(self.action_space)
        else:
            with contextlib.closing(self.make_env(factory)) as env:
                both = env.observation_space, env.action_space
        return observations.encoder(both[0]), actions.encoder(both[1])


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
    observation, action = task.encoders
    world = World(
        task.env_id,
        dict(task.env_kwargs),
        task.max_steps,
        task.lowest_return_to_go,
        best,
        # As a file gives them back, with tuples for lists.
        config_io.from_json(spaces.describe(observation.space)),
        config_io.from_json(spaces.describe(action.space)),
        task.record.num_episodes,
        task.record.num_steps,
        float(task.record.episode_returns.min()),
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
        ValueError: If the description is damaged or was edited, or another version of jax_s4rl
            wrote it.
    """
    saved = _about.read(folder)["configuration"]
    try:
        description = config_io.from_json(saved)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{folder / ABOUT} is damaged ({error}); {_about.REMEDY}") from None
    if not isinstance(description, Description):
        raise ValueError(f"{folder / ABOUT} describes no run; {_about.REMEDY}")
    return description


def check_copy(folder: Path, copy: Mapping[str, Any]) -> None:
    """Compares the configuration of a run with the copy in one of its checkpoints.

    Args:
        folder: Run directory.
        copy: JSON of the configuration in a checkpoint.

    Raises:
        ValueError: If they differ; the error names the fields.
    """
    _about.check_copy(folder, _about.read(folder), copy)


def read_options(folder: Path) -> dict[str, Any]:
    """Reads the options that a run was last started with, beside its configuration.

    Args:
        folder: Run directory.

    Returns:
        The options by name; none if they were not saved.

    Raises:
        FileNotFoundError: If there is no run in the folder.
        ValueError: If the description is damaged.
    """
    return dict(_about.read(folder).get(_about.OPTIONS) or {})


@contextlib.contextmanager
def open_for_training(
    folder: Path,
    description: Description,
    *,
    resume: bool,
    report: Callable[[str], None] = print,
    options: Mapping[str, Any] | None = None,
) -> Iterator["RunDirectory"]:
    """Opens a run directory for training.

    If several processes train together, only the first one reads and writes the folder. A resumed
    run may get more updates than before; everything else in its description has to be the same.

    Args:
        folder: Run directory; made if it is not there.
        description: Description of the run.
        resume: Whether to continue a run in the folder, if there is one.
        report: Function that gets sentences about the run.
        options: Options of a command that a resumed run remembers, by name (see `read_options`);
            those that were saved before if None.

    Yields:
        The open run directory.

    Raises:
        ValueError: If another process writes into the folder, the folder holds a run and `resume`
            is False, or it holds a run with another description (the message names the fields).
        OSError: If the disk refuses; a note says how to resume.
    """
    if not distributed.is_first():
        yield RunDirectory(folder, description, None, report)
        return
    with run_lock.Lock(folder):
        if (folder / ABOUT).exists() and not resume and not _about.is_begun(folder):
            report(f"the run in {folder} ended before its first checkpoint; a new one replaces it")
        planned, before = _about.write(folder, description, resume=resume, options=options)
        # All checkpoints of a run hold the length that was planned first, so that they stay
        # readable if the run is made longer.
        first = _about.with_updates(description, planned)
        with checkpoints.Checkpoints(folder / CHECKPOINTS, first, report) as saved:
            run = RunDirectory(folder, description, saved, report, before)
            try:
                yield run
            except OSError as error:
                if saved.steps:
                    error.add_note(f"after that, resume with: {run.resume_command}")
                raise
            finally:
                run.close()


class RunDirectory:
    """A run directory that is open for training; made by `open_for_training`.

    Args:
        folder: Run directory.
        description: Description of the run.
        saved: Checkpoints of the run; None in all processes but the first.
        report: Function that gets sentences about the run.
        updates_before: Number of updates that the run was to have when it was last started; None
            for a new run.
    """

    def __init__(
        self,
        folder: Path,
        description: Description,
        saved: checkpoints.Checkpoints | None,
        report: Callable[[str], None],
        updates_before: int | None = None,
    ):
        self.folder, self.description, self.report = folder, description, report
        self._checkpoints, self._metrics = saved, None
        self.updates_before = updates_before
        # Mean loss of each dispatch since the last checkpoint that was due, by its last update.
        self._losses: dict[int, float] = {}

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
        if saved is None and self._checkpoints is not None and self.updates_before is not None:
            self.report(
                f"{self.folder} has no checkpoint; the run begins again at its first update"
            )
        # Only the first process reads checkpoints; the others get its states.
        state = distributed.from_first(saved.state if saved is not None else fresh, fresh)
        # All seeds have made the same number of updates.
        start = int(state.step[0])
        if self._checkpoints is not None:
            self._metrics = metrics.Metrics(self.folder, start, self.report)
            self._losses = metrics.losses(self.folder)
            settings = json.dumps(config_io.identity(self.description.settings), indent=2)
            self._metrics.describe("settings", f"```json\n{settings}\n```")
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
            means = dispatch.means()
            self._metrics.write(
                dispatch.step, means, dispatch.seconds, shown=self._rates(dispatch.step)
            )
            self._losses[dispatch.step] = float(np.mean(means["loss"]))

    def save(self, dispatch: loop.Dispatch, *, since: int | None) -> None:
        """Makes a checkpoint, which is written in the background.

        The best checkpoint has the lowest mean loss since the one before it.

        Args:
            dispatch: Result of the last dispatch.
            since: Update from which on losses count. None for a checkpoint that is made because the
                run is stopped: it is never the best, so that a run that was stopped and resumed
                has the same best one as a run that was not.

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
            if since is None:
                self._checkpoints.save(dispatch.step, state, loss=checkpoints.NEVER_BEST)
                return
            own = [loss for step, loss in self._losses.items() if step > since]
            self._checkpoints.save(dispatch.step, state, loss=sum(own) / max(len(own), 1))
            self._losses = {}

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

    def _rates(self, step: int) -> dict[str, float]:
        settings = self.description.settings
        return optimizer.rates(settings.optimization, settings.num_updates, step)

    @property
    def resume_command(self) -> str:
        """Command that resumes this run."""
        words = ["--folder", str(self.folder), *_named(self.description.world), "--resume"]
        return f"jax-s4rl train {shlex.join(words)}"


def _named(world: World) -> list[str]:
    """Returns options that name an environment which a run directory alone must not name."""
    if world.env_id is None:
        return []
    try:
        stored_environments.check(world.env_id, world.env_kwargs)
    except ValueError:
        kwargs = ["--env-kwargs", json.dumps(dict(world.env_kwargs))] if world.env_kwargs else []
        return ["--env", world.env_id, *kwargs]
    return []
