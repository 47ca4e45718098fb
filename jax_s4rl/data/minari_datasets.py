"""Minari data sets: writing and reading; Minari is imported only here, when it is used."""

import contextlib
import difflib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from jax_s4rl.data import (
    _hdf5_checks,
    _metadata,
    actions,
    observations,
    spaces,
    storage,
    trajectories,
    untrusted,
)

# Key of our own metadata in Minari's metadata.
METADATA = "jax_s4rl"
_AUTHOR = "jax_s4rl"
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
    content_hash = storage.content_hash(record)
    plain = _metadata.to_plain(metadata)
    described = _metadata.seal({"metadata": plain, "content_hash": content_hash})
    buffers = [
        _to_buffer(EpisodeBuffer, index, episode) for index, episode in enumerate(record.episodes())
    ]
    # Written into the metadata below: Minari drops reference scores that it is given if it is given
    # no environment to act in.
    scores = metadata.get("reference_scores") or {}
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
            author=_AUTHOR,
            author_email="unknown",
            code_permalink="unknown",
            description=name,
            jpeg_encoding=False,
        )
        dataset.storage.update_metadata(
            {METADATA: json.dumps(described, sort_keys=True), **known_scores}
        )
        if storage.content_hash(_encode_record(dataset, None, None)[0]) != content_hash:
            raise ValueError("it comes back with other types or numbers; convert it first")


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
            missing, it cannot be reached, actions cannot be encoded, or observations are
            dictionaries or tuples and `flatten` is False.
    """
    dataset = _open(dataset_id, download)
    space = dataset.observation_space
    if isinstance(space, gymnasium.spaces.Dict | gymnasium.spaces.Tuple) and not flatten:
        raise ValueError(
            f"got the observation space {space}, wanted one array; pass flatten=True to make it a "
            "vector"
        )
    record, metadata, _ = _encode(dataset, None, None)
    return record, metadata


def load_encoded(
    dataset_id: str,
    observation_space: Any = None,
    action_space: Any = None,
    *,
    download: bool = False,
) -> tuple[trajectories.Trajectories, dict[str, Any], tuple[Any, Any]]:
    """Reads a Minari data set with any spaces that can be encoded.

    Args:
        dataset_id: Minari's id, for instance `D4RL/pointmaze/umaze-v2`.
        observation_space: Observation space of the environment; that of the data set if None.
        action_space: Action space of the environment; that of the data set if None.
        download: Whether Minari may download the data set if it is not there.

    Returns:
        The episodes, their metadata, and the spaces by which they were encoded.

    Raises:
        ValueError: If there is no such data set, Minari or a package that it downloads with is
            missing, it cannot be reached, or a space cannot be encoded.
    """
    return _encode(_open(dataset_id, download), observation_space, action_space)


def _open(dataset_id: str, download: bool) -> Any:
    minari = _import_minari()
    folder = _folder(dataset_id)
    try:
        if download and not folder.exists():
            minari.download_dataset(dataset_id)
    except ImportError as error:
        raise ValueError(
            f"Minari cannot download {dataset_id!r} ({error}); {INSTALL_DOWNLOAD}"
        ) from None
    except Exception as error:
        # Its HTTP library has errors of its own kinds.
        raise ValueError(
            f"Minari could not download {dataset_id!r} ({type(error).__name__}: "
            f"{str(error)[:80]}); check the id and the network, or download it elsewhere with "
            "`minari download` and copy it here"
        ) from None
    if folder.exists():
        _check_files(dataset_id, folder)
    try:
        return minari.load_dataset(dataset_id)
    except Exception as error:
        # Damaged files raise errors of many kinds.
        local = list(minari.list_local_datasets())
        near = difflib.get_close_matches(dataset_id, local, n=3, cutoff=0.3)
        hint = f"did you mean {', '.join(near)}?" if near else "pass download=True, or check the id"
        raise ValueError(
            f"Minari has no data set {dataset_id!r} ({type(error).__name__}); {hint}"
        ) from None


def _folder(dataset_id: str) -> Path:
    from minari.storage import get_dataset_path

    return Path(get_dataset_path(dataset_id)) / "data"


def _check_files(dataset_id: str, folder: Path) -> None:
    """Checks the files of a data set before Minari reads them.

    Raises:
        ValueError: If Minari would make the environment that they name, whose module it would
            import, or if an array lies in another file or declares far more than its file holds.
    """
    about = folder / "metadata.json"
    untrusted.check_file(about, untrusted.MAX_JSON_BYTES)
    described = untrusted.parse_json(about.read_bytes(), about)
    names = ("observation_space", "action_space")
    if not isinstance(described, dict) or not all(isinstance(described.get(n), str) for n in names):
        raise ValueError(
            f"{about} describes no spaces, so that reading {dataset_id!r} would make its "
            "environment; fetch it again, or save it again with a newer Minari"
        )
    arrays = folder / "main_data.hdf5"
    if not arrays.exists():
        return
    import h5py

    size = untrusted.check_file(arrays)
    try:
        if size:
            _hdf5_checks.check_heaps(arrays)
        with h5py.File(arrays, "r") as archive:
            _hdf5_checks.check(archive, size, h5py, has_pictures=True)
    except untrusted.DAMAGE as error:
        raise ValueError(
            f"{arrays} is damaged ({untrusted.brief(error)}); fetch it again"
        ) from None


def _encode(
    dataset: Any, observation_space: Any, action_space: Any
) -> tuple[trajectories.Trajectories, dict[str, Any], tuple[Any, Any]]:
    stored = dataset.storage.metadata
    # Minari makes one data set of several without our metadata.
    is_combined = "combined_datasets" in stored
    if METADATA not in stored and stored.get("author") == {_AUTHOR} and not is_combined:
        raise ValueError(
            f"Minari's data set {dataset.id!r} lacks the metadata that it was saved with; save it "
            "again with save_minari"
        )
    try:
        record, used = _encode_record(dataset, observation_space, action_space)
        if METADATA not in stored:
            return record, _describe(dataset, stored), used
    except untrusted.DAMAGE as error:
        reason = untrusted.brief(error, untrusted.SENTENCE)
        raise ValueError(f"Minari's data set {dataset.id!r} cannot be read: {reason}") from None
    described = untrusted.parse_json(str(stored[METADATA]), dataset.id)
    if not _metadata.is_whole(described):
        raise ValueError(
            f"Minari's data set {dataset.id!r} has metadata of an earlier version, or that were "
            "edited; save it again with save_minari"
        )
    is_own_form = used == (dataset.observation_space, dataset.action_space)
    if is_own_form and storage.content_hash(record) != described["content_hash"]:
        raise ValueError(
            f"Minari's data set {dataset.id!r} has other arrays than those that were saved (their "
            "content hash differs); save it again with save_minari"
        )
    _metadata.check_types(described["metadata"], dataset.id)
    return record, described["metadata"], used


def _encode_record(
    dataset: Any, observation_space: Any, action_space: Any
) -> tuple[trajectories.Trajectories, tuple[Any, Any]]:
    used = (
        observation_space or dataset.observation_space,
        action_space or dataset.action_space,
    )
    encoders = observations.encoder(used[0]), actions.encoder(used[1])
    indices = np.asarray(dataset.episode_indices)
    seeds = [about.get("seed") for about in dataset.storage.get_episode_metadata(indices)]
    record = trajectories.from_episodes(
        _from_data(data, *encoders, seed)
        for data, seed in zip(dataset.iterate_episodes(), seeds, strict=True)
    )
    return record, used


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


def _from_data(
    data: Any, observation: observations.Encoder, action: actions.Encoder, seed: int | None
) -> trajectories.Episode:
    observed = observation.encode_all(data.observations)
    return trajectories.Episode(
        observations=observed[:-1],
        actions=action.encode_all(data.actions),
        rewards=np.asarray(data.rewards),
        terminations=np.asarray(data.terminations, bool),
        truncations=np.asarray(data.truncations, bool),
        final_observation=observed[-1],
        seed=-1 if seed is None else int(seed),
    )


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
