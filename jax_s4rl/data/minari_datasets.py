"""Minari data sets: writing and reading; Minari is imported only here, when it is used."""

import contextlib
import difflib
import json
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from jax_s4rl.data import spaces, trajectories

# Key of our own metadata in Minari's metadata.
METADATA = "jax_s4rl"
INSTALL_DOWNLOAD = "install what it downloads with: pip install 'minari[hf]'"
INSTALL = "install the extra: pip install 'jax-s4rl[minari]'"


def save_minari(
    dataset_id: str,
    record: trajectories.Trajectories,
    metadata: Mapping[str, Any],
    *,
    observation_space: Any,
    action_space: Any,
    env_spec: Any = None,
) -> None:
    """Writes a local Minari data set; refuses a record that Minari cannot keep exactly.

    Args:
        dataset_id: Minari's id, for instance `jax_s4rl/cartpole-mixed-v0`; no local data set may
            have it yet.
        record: The episodes.
        metadata: Description of the episodes; `reference_scores` become Minari's.
        observation_space: Observation space of the environment.
        action_space: Action space of the environment.
        env_spec: Gymnasium's specification, so that Minari can make the environment again.

    Raises:
        ValueError: If the id is malformed or taken, the spaces do not fit the record, or Minari
            cannot be imported.
        OSError: If the disk refuses; no partly written data set is left.
    """
    minari = _import_minari()
    from minari.data_collector import EpisodeBuffer

    if dataset_id in minari.list_local_datasets():
        raise ValueError(
            f"there is a local Minari data set {dataset_id} already; delete it, or choose another "
            "version"
        )
    spaces.check_fit(record, observation_space, action_space)
    buffers = [
        _to_buffer(EpisodeBuffer, index, episode) for index, episode in enumerate(record.episodes())
    ]
    # Written into the metadata below: Minari drops reference scores that it is given if it is given
    # no environment to act in.
    scores = metadata.get("reference_scores", {})
    references = {"ref_min_score": scores.get("random"), "ref_max_score": scores.get("optimal")}
    known_scores = {name: float(score) for name, score in references.items() if score is not None}
    name = str(metadata.get("name", "unknown"))
    with _whole_or_nothing(dataset_id), warnings.catch_warnings():
        # Minari warns about a missing environment, which a record does not need.
        warnings.simplefilter("ignore", UserWarning)
        dataset = minari.create_dataset_from_buffers(
            dataset_id,
            buffers,
            env=env_spec,
            observation_space=observation_space,
            action_space=action_space,
            algorithm_name=name,
            author="jax_s4rl",
            author_email="unknown",
            code_permalink="unknown",
            description=name,
            jpeg_encoding=False,
        )
        dataset.storage.update_metadata(
            {METADATA: json.dumps(dict(metadata), sort_keys=True), **known_scores}
        )


@contextlib.contextmanager
def _whole_or_nothing(dataset_id: str) -> Iterator[None]:
    """Removes a data set that could not be written whole."""
    from minari.storage import get_dataset_path

    try:
        yield
    except (ValueError, AssertionError) as error:
        shutil.rmtree(get_dataset_path(dataset_id), ignore_errors=True)
        raise ValueError(f"Minari refuses the data set {dataset_id}: {error}") from None
    except BaseException:
        # Also after an interruption, or if the disk is full.
        shutil.rmtree(get_dataset_path(dataset_id), ignore_errors=True)
        raise


def load_minari(
    dataset_id: str, *, download: bool = False, flatten: bool = False
) -> tuple[trajectories.Trajectories, dict[str, Any]]:
    """Reads a Minari data set.

    Args:
        dataset_id: Minari's id, for instance `D4RL/pointmaze/umaze-v2`.
        download: Whether Minari may download the data set if it is not there.
        flatten: Whether to flatten observations that are dictionaries or tuples into one vector.

    Returns:
        The episodes (float actions and rewards become float32) and their metadata.

    Raises:
        ValueError: If there is no such data set, Minari or a package that it downloads with is
            missing, or observations are dictionaries or tuples and `flatten` is False.
    """
    minari = _import_minari()
    try:
        dataset = minari.load_dataset(dataset_id, download=download)
    except ImportError as error:
        raise ValueError(
            f"Minari cannot download {dataset_id!r} ({error}); {INSTALL_DOWNLOAD}"
        ) from None
    except (FileNotFoundError, ValueError, KeyError, OSError) as error:
        local = list(minari.list_local_datasets())
        near = difflib.get_close_matches(dataset_id, local, n=3, cutoff=0.3)
        hint = f"did you mean {', '.join(near)}?" if near else "pass download=True, or check the id"
        raise ValueError(
            f"Minari has no data set {dataset_id!r} ({type(error).__name__}); {hint}"
        ) from None
    flat = _flattener(dataset.observation_space, flatten)
    indices = np.asarray(dataset.episode_indices)
    seeds = [about.get("seed") for about in dataset.storage.get_episode_metadata(indices)]
    record = trajectories.from_episodes(
        _from_data(data, flat, seed)
        for data, seed in zip(dataset.iterate_episodes(), seeds, strict=True)
    )
    stored = dataset.storage.metadata
    metadata = json.loads(stored[METADATA]) if METADATA in stored else _describe(dataset, stored)
    return record, metadata


def _to_buffer(buffer: Any, index: int, episode: trajectories.Episode) -> Any:
    return buffer(
        id=index,
        seed=None if episode.seed < 0 else int(episode.seed),
        observations=np.concatenate([episode.observations, episode.final_observation[None]]),  # pyright: ignore[reportArgumentType]
        actions=episode.actions,
        rewards=episode.rewards.tolist(),
        terminations=episode.terminations.tolist(),
        truncations=episode.truncations.tolist(),
        infos={},
    )


def _from_data(data: Any, flat: Any, seed: int | None) -> trajectories.Episode:
    observations = flat(data.observations)
    return trajectories.Episode(
        observations=observations[:-1],
        actions=np.asarray(data.actions),
        rewards=np.asarray(data.rewards),
        terminations=np.asarray(data.terminations, bool),
        truncations=np.asarray(data.truncations, bool),
        final_observation=observations[-1],
        seed=-1 if seed is None else int(seed),
    )


def _flattener(space: Any, flatten: bool) -> Any:
    """Makes the function that converts Minari's observations of an episode to one array."""
    import gymnasium

    if not isinstance(space, gymnasium.spaces.Dict | gymnasium.spaces.Tuple):
        return np.asarray
    if not flatten:
        raise ValueError(
            f"got the observation space {space}, wanted one array; pass flatten=True to make it a "
            "vector"
        )
    return lambda tree: np.array(
        [gymnasium.spaces.flatten(space, row) for row in _rows(space, tree)]
    )


def _rows(space: Any, tree: Any) -> Iterable[Any]:
    """Splits a tree of arrays over time into one tree per step, as the space samples them."""
    if isinstance(tree, Mapping):
        columns = {name: list(_rows(space[name], part)) for name, part in tree.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if isinstance(tree, tuple):
        return list(
            zip(
                *(_rows(part, column) for part, column in zip(space, tree, strict=True)),
                strict=True,
            )
        )
    return list(tree)


def _describe(dataset: Any, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Makes metadata in our form for a data set that `save_minari` did not write."""
    source = {
        name: str(stored[name])
        for name in ("algorithm_name", "author", "minari_version")
        if name in stored
    }
    spec = dataset.env_spec
    env = {"id": spec.id, "kwargs": dict(spec.kwargs)} if spec is not None else None
    scores = {
        ours: float(stored[theirs])
        for ours, theirs in (("random", "ref_min_score"), ("optimal", "ref_max_score"))
        if stored.get(theirs) is not None
    }
    return {"name": dataset.id, "env": env, "reference_scores": scores, "source": source}


def _import_minari() -> Any:
    try:
        import minari
    except ImportError as error:
        raise ValueError(f"Minari cannot be imported ({error}); {INSTALL}") from None
    return minari
