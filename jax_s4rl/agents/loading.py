"""Loads a task from data of any common form, with or without an environment."""

import contextlib
import dataclasses
import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from jax_s4rl.agents import contract, tasks
from jax_s4rl.collection import datasets, stored_environments
from jax_s4rl.data import (
    actions,
    d4rl,
    hdf5,
    minari_datasets,
    observations,
    player,
    storage,
    trajectories,
)
from jax_s4rl.data import spaces as data_spaces
from jax_s4rl.envs import registry

MINARI = "minari:"
HDF5_ENDINGS = (".hdf5", ".h5")
PICKLE_ENDINGS = (".pkl", ".pickle", ".p")
FORMS = (
    "a name of `jax-s4rl make-dataset --list`, a file that ends in .npz, .hdf5 or .h5, "
    '"minari:ID", a dictionary of arrays, a list with one dictionary for each episode, or a record'
)

Data = str | Path | Mapping[str, Any] | Sequence[Any] | trajectories.Trajectories
"""Recorded episodes: a dataset's name, a file, arrays by name, or a record."""
_Spaces = tuple[gymnasium.Space | None, gymnasium.Space | None]
Env = str | Callable[[], gymnasium.Env]
"""Environment: an id, "module:function", or a function that makes one."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """How data are read that say less than a record holds."""

    observation_space: gymnasium.Space | None = None
    """Observation space, if there is no environment; found from the data if None."""
    action_space: gymnasium.Space | None = None
    """Action space, if there is no environment; found from the data if None."""
    max_episode_steps: int | None = None
    """Longest episode, in steps; longer ones are cut."""
    split: str = d4rl.FLAGS
    """Where episodes end: at "flags", or also at "breaks" (see `data.d4rl.from_d4rl`)."""
    download: bool = False
    """Whether a Minari dataset may be downloaded."""


def load(
    data: Data,
    env: Env | None = None,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    reading: Reading | None = None,
) -> tasks.Task:
    """Loads a task from data of any common form, and checks that all its parts fit.

    Args:
        data: A dataset's name, a path, "minari:ID", arrays by name (D4RL's or Gymnasium's names),
            a list with such arrays for each episode, episodes, or a record.
        env: Environment to act in; None for that which the data name, if any.
        env_kwargs: Arguments of the environment.
        reading: How data are read that say less than a record holds.

    Returns:
        The task; without an environment, it can be trained but not acted in.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the data cannot be read, or do not fit the environment.

    Warns:
        UserWarning: If the environment that the data name cannot be made here.
    """
    reading = reading or Reading()
    if isinstance(data, str) and env is None and _is_named(data):
        return tasks.load(data)
    env_id, factory = (None, None) if env is None else registry.find(env)
    if factory is not None and env_kwargs:
        factory = registry.bind(str(env), factory, env_kwargs)
    given = _Given(env_id, dict(env_kwargs or {}), factory)
    spaces: _Spaces = (reading.observation_space, reading.action_space)
    if env is not None:
        with contextlib.closing(given.make()) as made:
            player.check_interface(made)
            spaces = made.observation_space, made.action_space
    found = _read(data, spaces, reading)
    _check_named(found.metadata)
    if env is None:
        given = _named_env(found.metadata)
    default = str(data) if isinstance(data, str | Path) else "own data"
    task = _task(found, str(found.metadata.get("name") or default), given)
    contract.check(task)
    return task


def read(data: Data, reading: Reading | None = None) -> trajectories.Trajectories:
    """Reads data of any common form, without an environment.

    Args:
        data: Episodes, as `load` takes them.
        reading: How data are read that say less than a record holds.

    Returns:
        The encoded record.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the data cannot be read.
    """
    reading = reading or Reading()
    return _read(data, (reading.observation_space, reading.action_space), reading).record


class _Found(NamedTuple):
    """Data that were read: an encoded record, what they say of themselves, and their spaces."""

    record: trajectories.Trajectories
    metadata: Mapping[str, Any]
    spaces: tuple[gymnasium.Space, gymnasium.Space]


@dataclasses.dataclass(frozen=True)
class _Given:
    """An environment: by its id, by a function, or none."""

    env_id: str | None = None
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    factory: Callable[[], gymnasium.Env] | None = None

    def make(self) -> gymnasium.Env:
        return tasks.make_env(self.env_id, self.kwargs, self.factory, None)


def _task(found: _Found, name: str, given: _Given) -> tasks.Task:
    scores = found.metadata.get("reference_scores") or {}
    if given.env_id is not None or given.factory is not None:
        return tasks.describe(
            found.record, name, given.env_id, given.kwargs, scores=scores, factory=given.factory
        )
    action = actions.encoder(found.spaces[1])
    return tasks.Task(
        env_id=None,
        env_kwargs={},
        dataset=name,
        record=found.record,
        num_actions=action.num_actions,
        max_steps=int(found.record.episode_lengths.max()),
        random_return=tasks.score_of(scores, "random"),
        optimal_return=tasks.score_of(scores, "optimal"),
        observation_space=found.spaces[0],
        action_space=found.spaces[1],
    )


def _read(data: Data, spaces: _Spaces, reading: Reading) -> _Found:
    if isinstance(data, str | Path):
        return _read_named(str(data), spaces, reading)
    if isinstance(data, trajectories.Trajectories):
        return _of_record(data, {}, spaces)
    if isinstance(data, Mapping):
        return _of_arrays(data, spaces, reading, {})
    if not isinstance(data, Sequence) or not len(data):
        raise ValueError(f"got data of type {type(data).__name__}; give {FORMS}")
    if all(isinstance(one, trajectories.Episode) for one in data):
        return _of_record(trajectories.from_episodes(data), {}, spaces)
    if all(isinstance(one, Mapping) for one in data):
        return _of_list(data, spaces, {})
    raise ValueError(f"got a list of {type(data[0]).__name__}; give {FORMS}")


def _read_named(name: str, spaces: _Spaces, reading: Reading) -> _Found:
    if name.startswith(MINARI):
        read = minari_datasets.load_encoded(
            name.removeprefix(MINARI), *spaces, download=reading.download
        )
        return _Found(*read)
    if _is_named(name):
        return _of_record(*datasets.load(name), spaces)
    path, ending = Path(name), Path(name).suffix.lower()
    if ending in HDF5_ENDINGS and hdf5.is_saved(path):
        return _of_record(*hdf5.load_hdf5(path), spaces)
    if ending in HDF5_ENDINGS:
        arrays, metadata = hdf5.load_arrays(path)
        if isinstance(arrays, list):
            return _of_list(arrays, spaces, metadata)
        return _of_arrays(arrays, spaces, reading, metadata)
    if ending == ".npz" and storage.is_dataset(path):
        return _of_record(*storage.load_trajectories(path), spaces)
    if ending == ".npz":
        return _of_arrays(storage.load_arrays(path), spaces, reading, {})
    if ending in PICKLE_ENDINGS:
        raise ValueError(
            f"{path} is a pickle, which can run any code when read; if you trust it, pass what "
            "jax_s4rl.data.d4rl.load_pickle(path, allow_pickle=True) returns"
        )
    if path.is_dir() or ending:
        what = "a folder" if path.is_dir() else f"no kind of data file that is read ({ending})"
        raise ValueError(f"{path} is {what}; give {FORMS}")
    near = difflib.get_close_matches(name, datasets.names(), n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise ValueError(f"there is no data set {name!r}; {hint}give {FORMS}")


def _of_record(
    record: trajectories.Trajectories, metadata: Mapping[str, Any], spaces: _Spaces
) -> _Found:
    """Completes a record, whose arrays are encoded already."""
    saved = [metadata.get(f"{name}_space") for name in ("observation", "action")]
    named = [data_spaces.make(one) if isinstance(one, Mapping) else None for one in saved]
    observation = spaces[0] or named[0] or observations.infer_space(record.observations)
    action = spaces[1] or named[1] or actions.infer_space(record.actions)
    return _Found(record, metadata, (observation, action))


def _of_arrays(
    arrays: Mapping[str, Any], spaces: _Spaces, reading: Reading, metadata: Mapping[str, Any]
) -> _Found:
    flat = d4rl.known(arrays)
    observation = spaces[0] or observations.infer_space(flat["observations"])
    action = spaces[1] or actions.infer_space(flat["actions"])
    record = d4rl.from_d4rl(
        arrays,
        last_observation="repeat",
        observation_space=observation,
        action_space=action,
        max_episode_steps=reading.max_episode_steps,
        split=reading.split,
    )
    return _Found(record, metadata, (observation, action))


def _of_list(
    episodes: Sequence[Mapping[str, Any]], spaces: _Spaces, metadata: Mapping[str, Any]
) -> _Found:
    flat = [d4rl.known(one) for one in episodes]

    def together(name: str) -> np.ndarray:
        # All episodes, because one alone may not hold the largest action.
        return np.concatenate([np.asarray(one[name]) for one in flat])

    observation = spaces[0] or observations.infer_space(together("observations"))
    action = spaces[1] or actions.infer_space(together("actions"))
    record = d4rl.from_list(
        episodes, last_observation="repeat", observation_space=observation, action_space=action
    )
    return _Found(record, metadata, (observation, action))


def _named_env(metadata: Mapping[str, Any]) -> _Given:
    """Returns the environment that the data name, if it can be made here."""
    named = metadata.get("env")
    try:
        if (found := stored_environments.of_metadata(metadata)) is None:
            return _Given()
        given = _Given(*found)
        given.make().close()
    except Exception as error:
        # Whatever an environment's packages raise: the data can be trained on without it.
        env_id = named.get("id") if isinstance(named, Mapping) else named
        warnings.warn(
            f"the environment {str(env_id)[:80]!r} that the data name cannot be made here "
            f"({error}); training goes on without it: pass env= to act in one",
            stacklevel=4,
        )
        return _Given()
    return given


def _check_named(metadata: Mapping[str, Any]) -> None:
    """Checks a file that says that it was recorded by a recipe of this package.

    Raises:
        ValueError: If its environment or scores are not those of the recipe.
    """
    name = str(metadata.get("name"))
    if "recipe" not in metadata or not _is_named(name):
        return
    if wrong := {"env", "reference_scores"}.intersection(datasets.differences(metadata, name)):
        raise ValueError(
            f"got data with the name {name!r} and another {' and '.join(sorted(wrong))} than this "
            "version gives it; make them again with jax-s4rl make-dataset, or give them another "
            "name"
        )


def _is_named(name: str) -> bool:
    return name in datasets.names()
