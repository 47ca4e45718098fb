"""One data set, two files: a flat `.npz` with the arrays, and a JSON beside it that says what they are."""

import contextlib
import dataclasses
import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jax_s4rl.data import atomic_files, trajectories

ARRAY_NAMES = tuple(field.name for field in dataclasses.fields(trajectories.Trajectories))
FORMAT_VERSION = 1
HASH_BLOCK = 1 << 24
ZIP_HEADER_SIZE = 30


def save_trajectories(path: str | Path, record: trajectories.Trajectories, metadata: Mapping[str, Any]) -> dict:
    """Writes `<name>.npz` and `<name>.json`; an old pair stays whole until the new one is complete on the disk.

    The same record and metadata give the same bytes: no clock and no machine enters the files.

    Args:
        path: The `.npz` file; its folder is made.
        record: What to store.
        metadata: What to say about it: environment id and arguments, spaces, policy, seed, versions, reference scores.
            Anything JSON can hold.

    Returns:
        The metadata as written, with `format_version`, `num_steps`, `num_episodes` and `content_hash` added.

    Raises:
        ValueError: If the path does not end in `.npz`, or the metadata do not fit into JSON.
        OSError: If the disk refuses; nothing half-written is left.
    """
    path = _check_name(path)
    counts = {"num_steps": record.num_steps, "num_episodes": record.num_episodes}
    written = {**metadata, "format_version": FORMAT_VERSION, **counts, "content_hash": content_hash(record)}
    try:
        text = json.dumps(written, indent=2, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the metadata do not fit into JSON ({error}); give plain numbers, strings and lists"
        ) from None
    arrays = {name: getattr(record, name) for name in ARRAY_NAMES}
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as opened:
        new_arrays = opened.enter_context(atomic_files.written_beside(path, lambda file: np.savez(file, **arrays)))
        new_text = opened.enter_context(
            atomic_files.written_beside(side_file(path), lambda file: file.write(text.encode()))
        )
        os.replace(new_arrays, path)
        os.replace(new_text, side_file(path))
    return json.loads(text)


def load_trajectories(path: str | Path, *, in_memory: bool = True) -> tuple[trajectories.Trajectories, dict]:
    """Reads what `save_trajectories` wrote, and checks it.

    Args:
        path: The `.npz` file; its `.json` lies beside it.
        in_memory: False maps the arrays instead of reading them, for a record larger than the memory. The content hash
            is checked either way, which reads the file once.

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
    except (zipfile.BadZipFile, EOFError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no data set ({error}); delete it and generate it again") from None
    record = trajectories.Trajectories(**arrays)
    found = content_hash(record)
    if found != metadata["content_hash"]:
        raise ValueError(
            f"{path} has content hash {found[:12]}..., its side file says {str(metadata['content_hash'])[:12]}...; one "
            "of the two was edited: delete both and generate the data set again"
        )
    return record, metadata


def load_metadata(path: str | Path) -> dict:
    """Reads the side file of a data set alone.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not JSON, or of another format.
    """
    side = side_file(_check_name(path))
    if not side.exists():
        raise FileNotFoundError(f"there is no side file {side}, which says what the data set is; generate both again")
    try:
        metadata = json.loads(side.read_text())
    except ValueError as error:
        raise ValueError(f"{side} is empty, truncated or no JSON ({error}); delete it and generate it again") from None
    if not isinstance(metadata, dict) or "content_hash" not in metadata:
        raise ValueError(f"{side} has no content_hash; it is not the side file of a data set")
    if metadata.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{side} has format version {metadata.get('format_version')}, this version reads {FORMAT_VERSION}; "
            "generate the data set again"
        )
    return metadata


def side_file(path: str | Path) -> Path:
    """Names the JSON that lies beside an `.npz`."""
    return Path(path).with_suffix(".json")


def content_hash(record: trajectories.Trajectories) -> str:
    """Digests names, types, shapes and bytes of all arrays with SHA-256, block by block."""
    digest = hashlib.sha256()
    for name in ARRAY_NAMES:
        array = getattr(record, name)
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        rows = max(1, HASH_BLOCK // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return digest.hexdigest()


def _check_name(path: str | Path) -> Path:
    if Path(path).suffix != ".npz":
        raise ValueError(f"got the data set path {path}, wanted one that ends in .npz")
    return Path(path)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in ARRAY_NAMES}


def _map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Maps each array where it lies in the archive: `numpy.savez` stores its members one after the other, raw."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.getinfo(f"{name}.npy") for name in ARRAY_NAMES}
    with path.open("rb") as file:
        return {name: _map_member(file, path, member) for name, member in members.items()}


def _map_member(file: BinaryIO, path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("its arrays are compressed and cannot be mapped; read it with in_memory=True")
    file.seek(member.header_offset)
    header = file.read(ZIP_HEADER_SIZE)
    name_size, extra_size = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    file.seek(member.header_offset + ZIP_HEADER_SIZE + name_size + extra_size)
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, fortran_order, dtype = readers[version](file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    order = "F" if fortran_order else "C"
    return np.memmap(path, dtype=dtype, mode="r", offset=file.tell(), shape=shape, order=order)
