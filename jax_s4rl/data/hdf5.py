"""D4RL's HDF5 files: flat arrays under D4RL's names, and metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jax_s4rl import _extras
from jax_s4rl.data import atomic_files, d4rl, trajectories

METADATA = "metadata"


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
    """Reads an HDF5 file of D4RL, or of `save_hdf5`.

    Args:
        path: Path of the file.
        last_observation: Rule for files without `next_observations`; see `d4rl.from_d4rl`.

    Returns:
        The episodes and their metadata.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated, or holds something else.
    """
    h5py = _import_h5py()

    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}; check the name")
    flat: dict[str, np.ndarray] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape:
            flat[name] = item[...]

    try:
        with h5py.File(path, "r") as archive:
            metadata = json.loads(str(archive.attrs.get(METADATA, "{}")))
            archive.visititems(collect)
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{path} is empty, truncated or not an HDF5 file ({error}); fetch it again"
        ) from None
    return d4rl.from_d4rl(flat, last_observation=last_observation), metadata


def _import_h5py() -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise _extras.missing(error, "hdf5", "reading and writing HDF5") from None
    return h5py
