"""Data sets on the disk: two files each.

A flat `.npz` holds the arrays, and the side file, a JSON beside it, describes them.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jax_s4rl.data import atomic_files, trajectories

ARRAY_NAMES = tuple(field.name for field in dataclasses.fields(trajectories.Trajectories))
FORMAT_VERSION = 1
HASH_BLOCK = 1 << 24
ZIP_HEADER_SIZE = 30
# Errors of reading a damaged archive: its structure, headers, sizes or flags are wrong.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def save_trajectories(
    path: str | Path, record: trajectories.Trajectories, metadata: Mapping[str, Any]
) -> dict:
    """Writes `<name>.npz` and `<name>.json`.

    An old pair stays whole until the new one is complete on the disk. The same record and metadata
    give the same bytes: the files hold no time and no name of a machine.

    Args:
        path: Path of the `.npz` file; its folder is made.
        record: Episodes to store.
        metadata: Description of the episodes: environment id and arguments, spaces, policy, seed,
            versions, reference scores. Anything JSON can hold.

    Returns:
        The metadata as written, with `format_version`, `num_steps`, `num_episodes` and
        `content_hash` added.

    Raises:
        ValueError: If the path does not end in `.npz`, or the metadata do not fit into JSON.
        OSError: If the disk refuses; no partly written file is left.
    """
    path = _check_name(path)
    counts = {"num_steps": record.num_steps, "num_episodes": record.num_episodes}
    written = {
        **metadata,
        "format_version": FORMAT_VERSION,
        **counts,
        "content_hash": content_hash(record),
    }
    try:
        text = json.dumps(written, indent=2, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the metadata do not fit into JSON ({error}); give plain numbers, strings and lists"
        ) from None
    arrays = {name: getattr(record, name) for name in ARRAY_NAMES}
    path.parent.mkdir(parents=True, exist_ok=True)
    # Both files are complete on the disk before the first rename. A crash between the two renames
    # leaves a new `.npz` with an old side file; `load_trajectories` refuses this pair by its hash.
    with contextlib.ExitStack() as opened:
        new_arrays = opened.enter_context(
            atomic_files.written_beside(path, lambda file: np.savez(file, **arrays))
        )
        new_text = opened.enter_context(
            atomic_files.written_beside(side_file(path), lambda file: file.write(text.encode()))
        )
        os.replace(new_arrays, path)
        os.replace(new_text, side_file(path))
    return json.loads(text)


def load_trajectories(
    path: str | Path, *, in_memory: bool = True
) -> tuple[trajectories.Trajectories, dict]:
    """Reads and checks a data set of `save_trajectories`.

    Args:
        path: Path of the `.npz` file; its `.json` lies beside it.
        in_memory: Whether to read the arrays; False maps them instead, for a record larger than the
            memory. The content hash is checked either way, which reads the file once.

    Returns:
        The record and its metadata.

    Raises:
        FileNotFoundError: If one of the two files is missing.
        ValueError: If a file is empty, truncated, or edited, or holds pickled objects.
    """
    path = _check_name(path)
    metadata = load_metadata(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no data set {path}; generate it, or check the name")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty; delete it and generate the data set again")
    try:
        arrays = _read_arrays(path) if in_memory else _map_arrays(path)
    except DAMAGE as error:
        raise ValueError(
            f"{path} is damaged or not a data set ({error}); delete it and generate it again"
        ) from None
    record = trajectories.Trajectories(**arrays)
    actual_hash = content_hash(record)
    stored_hash = metadata["content_hash"]
    if actual_hash != stored_hash:
        raise ValueError(
            f"{path} has content hash {actual_hash[:12]}..., its side file says "
            f"{str(stored_hash)[:12]}...; one of the two was edited: delete both and generate the "
            "data set again"
        )
    return record, metadata


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Reads an `.npz` file of any origin, for instance one with D4RL's names.

    Args:
        path: Path of the file.

    Returns:
        Its arrays by name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds pickled objects.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}; check the name")
    try:
        with Path(path).open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            return {name: archive[name] for name in archive.files}
    except (*DAMAGE, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged, not an .npz file, or holds Python objects ({error}); save plain "
            "arrays with numpy.savez"
        ) from None


def load_metadata(path: str | Path) -> dict:
    """Reads only the side file of a data set.

    Args:
        path: Path of the `.npz` file.

    Returns:
        The metadata.

    Raises:
        FileNotFoundError: If there is no side file.
        ValueError: If the side file is not JSON, or has another format.
    """
    side = side_file(_check_name(path))
    if not side.exists():
        raise FileNotFoundError(
            f"there is no side file {side}, which describes the data set; generate both again"
        )
    try:
        metadata = json.loads(side.read_text())
    except ValueError as error:
        raise ValueError(
            f"{side} is empty, truncated or not JSON ({error}); delete it and generate it again"
        ) from None
    if not isinstance(metadata, dict) or "content_hash" not in metadata:
        raise ValueError(
            f"{side} has no content_hash, so it is not the side file of a data set; check the name"
        )
    if metadata.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{side} has format version {metadata.get('format_version')}, this version reads "
            f"{FORMAT_VERSION}; generate the data set again"
        )
    return metadata


def side_file(path: str | Path) -> Path:
    """Returns the path of the JSON beside an `.npz` file."""
    return Path(path).with_suffix(".json")


def content_hash(record: trajectories.Trajectories) -> str:
    """Computes the SHA-256 of the names, types, shapes and bytes of all arrays."""
    digest = hashlib.sha256()
    for name in ARRAY_NAMES:
        array = getattr(record, name)
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        # Block by block, so that a mapped array need not fit into the memory.
        rows = max(1, HASH_BLOCK // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return digest.hexdigest()


def _check_name(path: str | Path) -> Path:
    if Path(path).suffix != ".npz":
        raise ValueError(f"got the data set path {path}, wanted one that ends in .npz; rename it")
    return Path(path)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in ARRAY_NAMES}


def _map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Maps each array at its place in the archive; `numpy.savez` does not compress its members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.getinfo(f"{name}.npy") for name in ARRAY_NAMES}
    with path.open("rb") as file:
        return {name: _map_member(file, path, member) for name, member in members.items()}


def _map_member(file: BinaryIO, path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(
            "its arrays are compressed and cannot be mapped; read it with in_memory=True"
        )
    # The local header stands in front of the array. Its extra field may be longer or shorter than
    # the one in the archive's directory, so both lengths are read here (bytes 26 to 29).
    file.seek(member.header_offset)
    header = file.read(ZIP_HEADER_SIZE)
    name_size, extra_size = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    file.seek(member.header_offset + ZIP_HEADER_SIZE + name_size + extra_size)
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, fortran_order, dtype = readers[version](file)
    if dtype.hasobject:
        # Their bytes would be mapped as addresses of objects.
        raise ValueError("it holds pickled objects")
    order = "F" if fortran_order else "C"
    return np.memmap(path, dtype=dtype, mode="r", offset=file.tell(), shape=shape, order=order)
