"""HDF5 files: D4RL's layout, flat arrays under its names, and Minari's, a group an episode."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jax_s4rl import _extras
from jax_s4rl.data import (
    _hdf5_checks,
    _metadata,
    atomic_files,
    d4rl,
    storage,
    trajectories,
    untrusted,
)

# Attributes of files of `save_hdf5`.
METADATA, CONTENT_HASH, DIGEST = ATTRIBUTES = ("metadata", "content_hash", "digest")
EPISODE = re.compile(r"episode_\d+")
TUPLE_PART = re.compile(r"_index_\d+")
# Since this version, all of HDF5's own structures have checksums.
LIBRARY_VERSION = ("v110", "v110")


def save_hdf5(
    path: str | Path, record: trajectories.Trajectories, metadata: Mapping[str, Any]
) -> None:
    """Writes an HDF5 file that D4RL's own loaders read.

    An old file stays whole until the new one is complete. Arrays have checksums, and the file holds
    the content hash of the record and a digest of the metadata, which `load_hdf5` compares.

    Args:
        path: Path of the file.
        record: The episodes.
        metadata: Description of the episodes, as JSON; kept in an attribute of the file.

    Raises:
        ValueError: If the metadata do not fit into JSON, or have a field of another type than it
            should, or that does not fit the episodes.
        OSError: If the disk refuses.
    """
    h5py = _import_h5py()

    plain = _metadata.to_plain(metadata)
    _metadata.check_arrays(plain, record, "the metadata")
    text = json.dumps(plain, sort_keys=True)
    content_hash = storage.content_hash(record)

    def write(file: Any) -> None:
        with h5py.File(file, "w", libver=LIBRARY_VERSION) as archive:
            digest = _digest(text, content_hash)
            for name, value in zip(ATTRIBUTES, (text, content_hash, digest), strict=True):
                # Texts of fixed length, which lie within the attribute, under its checksum.
                archive.attrs.create(name, np.bytes_(value))
            for name, array in d4rl.to_d4rl(record).items():
                archive.create_dataset(name, data=array, fletcher32=True)

    atomic_files.write_whole(Path(path), write)


def load_hdf5(
    path: str | Path, *, last_observation: str = "required"
) -> tuple[trajectories.Trajectories, dict[str, Any]]:
    """Reads an HDF5 file of D4RL, of Minari, or of `save_hdf5`.

    Args:
        path: Path of the file.
        last_observation: Rule for files without `next_observations`; see `d4rl.from_d4rl`.

    Returns:
        The episodes and their metadata. Those of `save_hdf5` are the same as saved, types included.

    Raises:
        FileNotFoundError: If there is no such file.
        OldVersionError: If an earlier version of this package wrote it.
        ValueError: If the file is empty, truncated, damaged, or holds something else.
    """
    arrays, metadata, content_hash = _load(path)
    if content_hash is None:
        convert: Any = d4rl.from_list if isinstance(arrays, list) else d4rl.from_d4rl
        return convert(arrays, last_observation=last_observation), metadata
    try:
        record = _saved_record(arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _damaged(path, error) from None
    if storage.content_hash(record) != content_hash:
        raise _damaged(path, ValueError("its content hash is not that of its arrays"))
    _metadata.check_arrays(metadata, record, path)
    return record, metadata


def load_arrays(
    path: str | Path,
) -> tuple[dict[str, Any] | list[dict[str, Any]], dict[str, Any]]:
    """Reads the arrays of an HDF5 file as they are.

    Args:
        path: Path of the file.

    Returns:
        D4RL's flat arrays by name, or, of Minari's layout, such arrays for each episode; and the
        metadata of `save_hdf5`, if there are some.

    Raises:
        FileNotFoundError: If there is no such file.
        OldVersionError: If an earlier version of this package wrote it.
        ValueError: If the file is empty, truncated, damaged, or not HDF5.
    """
    return _load(path)[:2]


def is_saved(path: str | Path) -> bool:
    """Returns whether `save_hdf5` wrote a file.

    Args:
        path: Path of the file.

    Returns:
        Whether the file says so. False if it cannot be read.
    """
    h5py = _import_h5py()

    try:
        untrusted.check_file(path)
        with h5py.File(path, "r") as archive:
            return DIGEST in archive.attrs
    except untrusted.DAMAGE:
        return False


def _load(
    path: str | Path,
) -> tuple[dict[str, Any] | list[dict[str, Any]], dict[str, Any], str | None]:
    """Reads arrays, metadata, and the content hash of a file of `save_hdf5`."""
    h5py = _import_h5py()

    size = untrusted.check_file(path)
    try:
        if size:
            _hdf5_checks.check_heaps(path)
        with h5py.File(path, "r") as archive:
            _hdf5_checks.check(archive, size, h5py)
            metadata, content_hash = _read_metadata(archive, path)
            names = [name for name in archive if EPISODE.fullmatch(name)]
            if names and content_hash is None:
                names.sort(key=lambda name: int(name.rpartition("_")[2]))
                trees = [_tree(archive[name], h5py) for name in names]
                return [_minari_episode(tree) for tree in trees], metadata, None
            flat: dict[str, np.ndarray] = {}
            archive.visititems(lambda name, item: _collect(flat, name, item, h5py))
            return flat, metadata, content_hash
    except storage.OldVersionError:
        raise
    except untrusted.DAMAGE as error:
        raise _damaged(path, error) from None


def _read_metadata(archive: Any, path: str | Path) -> tuple[dict[str, Any], str | None]:
    """Reads the attributes of `save_hdf5`; a file of another origin has no metadata."""
    names = [name for name in ATTRIBUTES if name in archive.attrs]
    if names == [METADATA] and d4rl.EPISODE_SEEDS in archive:
        raise storage.OldVersionError(
            f"{path} was written by an earlier version, which kept no hashes; write it again with "
            "save_hdf5"
        )
    if DIGEST not in names and CONTENT_HASH not in names:
        return {}, None
    texts = [_read_attribute(archive.attrs, name) for name in (METADATA, CONTENT_HASH)]
    if _read_attribute(archive.attrs, DIGEST) != _digest(*texts):
        raise ValueError("the digest of its metadata differs")
    metadata = untrusted.parse_json(texts[0], path)
    _metadata.check_types(metadata, path)
    return metadata, texts[1]


def _read_attribute(attributes: Any, name: str) -> str:
    found = attributes.get_id(name)
    if found.shape != () or found.dtype.kind != "S":
        raise ValueError(f"its attribute {name} is not a text of fixed length")
    return bytes(attributes[name]).decode()


def _digest(text: str, content_hash: str) -> str:
    return hashlib.sha256(f"{content_hash}\n{text}".encode()).hexdigest()


def _saved_record(flat: Any) -> trajectories.Trajectories:
    """Makes the record of `save_hdf5` again, with every array as it is."""
    numbers = flat[d4rl.EPISODE_IDS]
    last = np.flatnonzero(np.append(numbers[1:] != numbers[:-1], True))
    starts = np.append(0, last[:-1] + 1)
    return trajectories.Trajectories(
        observations=flat["observations"],
        actions=flat["actions"],
        rewards=flat["rewards"],
        terminations=flat["terminals"],
        truncations=flat["timeouts"],
        episode_lengths=(last - starts + 1).astype(np.int64),
        final_observations=flat["next_observations"][last],
        episode_seeds=flat[d4rl.EPISODE_SEEDS][starts],
    )


def _damaged(path: str | Path, error: BaseException) -> ValueError:
    what = untrusted.brief(error, 400)
    return ValueError(f"{path} is empty, truncated or not an HDF5 file ({what}); fetch it again")


def _collect(flat: dict[str, np.ndarray], name: str, item: Any, h5py: Any) -> None:
    if isinstance(item, h5py.Dataset) and item.shape:
        flat[name] = _values_of(item, h5py)


def _tree(group: Any, h5py: Any) -> Any:
    """Reads a group and everything below it; Minari marks the parts of tuples by `_index_0`."""
    if isinstance(group, h5py.Dataset):
        return _values_of(group, h5py)
    tree = {name: _tree(group[name], h5py) for name in group}
    if tree and all(TUPLE_PART.fullmatch(name) for name in tree):
        return tuple(tree[f"_index_{number}"] for number in range(len(tree)))
    return tree


def _values_of(dataset: Any, h5py: Any) -> Any:
    """Reads a dataset; texts are stored as bytes."""
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    return (dataset.asstr() if is_text else dataset)[()]


def _minari_episode(tree: dict[str, Any]) -> dict[str, Any]:
    """Converts an episode of Minari, with one observation more than steps, to D4RL's names."""
    needed = ("observations", "actions", "rewards", "terminations", "truncations")
    missing = [name for name in needed if name not in tree]
    if missing:
        raise ValueError(
            f"an episode has {', '.join(tree)} without {', '.join(missing)} of Minari's layout"
        )
    steps = len(tree["rewards"])

    def cut(part: Any, start: int) -> Any:
        if isinstance(part, dict):
            return {name: cut(value, start) for name, value in part.items()}
        if isinstance(part, tuple):
            return tuple(cut(value, start) for value in part)
        return part[start : start + steps]

    known = {name: tree[name] for name in needed[1:]}
    following = {"next_observations": cut(tree["observations"], 1)}
    return {"observations": cut(tree["observations"], 0), **following, **known}


def _import_h5py() -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise _extras.missing(error, "hdf5", "reading and writing HDF5") from None
    return h5py
