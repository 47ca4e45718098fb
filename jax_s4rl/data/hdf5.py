"""HDF5 files: D4RL's layout, flat arrays under its names, and Minari's, a group an episode."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jax_s4rl import _extras
from jax_s4rl.data import atomic_files, d4rl, trajectories

METADATA = "metadata"
EPISODE = re.compile(r"episode_\d+")
TUPLE_PART = re.compile(r"_index_\d+")


def save_hdf5(
    path: str | Path, record: trajectories.Trajectories, metadata: Mapping[str, Any]
) -> None:
    """Writes an HDF5 file that D4RL's own loaders read.

    An old file stays whole until the new one is complete.

    Args:
        path: Path of the file.
        record: The episodes.
        metadata: Description of the episodes, as JSON; kept in an attribute of the file.

    Raises:
        ValueError: If the metadata hold a number that does not fit into JSON.
        TypeError: If the metadata hold another value that does not fit into JSON.
        OSError: If the disk refuses.
    """
    h5py = _import_h5py()

    text = json.dumps(dict(metadata), sort_keys=True, allow_nan=False)

    def write(file: Any) -> None:
        with h5py.File(file, "w") as archive:
            archive.attrs[METADATA] = text
            for name, array in d4rl.to_d4rl(record).items():
                archive.create_dataset(name, data=array)

    atomic_files.write_whole(Path(path), write)


def load_hdf5(
    path: str | Path, *, last_observation: str = "required"
) -> tuple[trajectories.Trajectories, dict[str, Any]]:
    """Reads an HDF5 file of D4RL, of Minari, or of `save_hdf5`.

    Args:
        path: Path of the file.
        last_observation: Rule for files without `next_observations`; see `d4rl.from_d4rl`.

    Returns:
        The episodes and their metadata.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated, or holds something else.
    """
    arrays, metadata = load_arrays(path)
    if isinstance(arrays, list):
        return d4rl.from_list(arrays, last_observation=last_observation), metadata
    return d4rl.from_d4rl(arrays, last_observation=last_observation), metadata


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
        ValueError: If the file is empty, truncated, or not HDF5.
    """
    h5py = _import_h5py()

    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}; check the name")
    try:
        with h5py.File(path, "r") as archive:
            metadata = json.loads(str(archive.attrs.get(METADATA, "{}")))
            names = [name for name in archive if EPISODE.fullmatch(name)]
            if names:
                names.sort(key=lambda name: int(name.rpartition("_")[2]))
                return [_minari_episode(_tree(archive[name], h5py)) for name in names], metadata
            flat: dict[str, np.ndarray] = {}
            archive.visititems(lambda name, item: _collect(flat, name, item, h5py))
            return flat, metadata
    except (OSError, RuntimeError, ValueError) as error:
        # HDF5's own messages go over several lines.
        what = " ".join(str(error).split())
        raise ValueError(
            f"{path} is empty, truncated or not an HDF5 file ({what}); fetch it again"
        ) from None


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
