"""Data sets on the disk: two files each.

A flat `.npz` holds the arrays and their description, as JSON in a member of its own: it is the data
set. The side file, a JSON beside it, is a copy of this description for people.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jax_s4rl.data import _archives, _metadata, atomic_files, trajectories, untrusted

ARRAY_NAMES = tuple(field.name for field in dataclasses.fields(trajectories.Trajectories))
METADATA_NAME = "jax_s4rl_metadata"
FORMAT_VERSION = 2
HASH_BLOCK = 1 << 24


class OldVersionError(ValueError):
    """A data set that an earlier version of this package wrote, without a hash of its metadata."""


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
            versions, reference scores. Anything else that JSON can hold.

    Returns:
        The metadata as written, with `format_version`, `num_steps`, `num_episodes`, `content_hash`
        and `digest` added.

    Raises:
        ValueError: If the path does not end in `.npz`, the metadata do not fit into JSON, or one of
            these fields has another type than it should or does not fit the episodes.
        OSError: If the disk refuses; no partly written file is left.
    """
    path = _check_name(path)
    counts = {"num_steps": record.num_steps, "num_episodes": record.num_episodes}
    hashed = {"format_version": FORMAT_VERSION, "content_hash": content_hash(record)}
    written = _metadata.seal({**metadata, **counts, **hashed})
    _metadata.check_arrays(written, record, "the metadata")
    text = (json.dumps(written, indent=2, sort_keys=True) + "\n").encode()
    arrays = {name: getattr(record, name) for name in ARRAY_NAMES}
    # JSON as bytes, which need no pickle.
    arrays[METADATA_NAME] = np.frombuffer(text, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Both files are complete on the disk before the first rename, which is the one that counts:
    # after a crash between the two, `load_trajectories` writes the side file again.
    with contextlib.ExitStack() as opened:
        new_arrays = opened.enter_context(
            atomic_files.written_beside(path, lambda file: np.savez(file, **arrays))
        )
        new_text = opened.enter_context(
            atomic_files.written_beside(side_file(path), lambda file: file.write(text))
        )
        os.replace(new_arrays, path)
        os.replace(new_text, side_file(path))
    # In the order of the file, as `load_trajectories` returns it.
    return json.loads(text)


def load_trajectories(
    path: str | Path, *, in_memory: bool = True
) -> tuple[trajectories.Trajectories, dict]:
    """Reads and checks a data set of `save_trajectories`.

    A side file that is missing, or was left by an interrupted write, is written again.

    Args:
        path: Path of the `.npz` file.
        in_memory: Whether to read the arrays; False maps them instead, for a record larger than the
            memory. The content hash is checked either way, which reads the file once.

    Returns:
        The record and its metadata.

    Raises:
        FileNotFoundError: If there is no such file.
        OldVersionError: If an earlier version of this package wrote it.
        ValueError: If a file is empty, truncated, or edited, or holds pickled objects.

    Warns:
        UserWarning: If the side file belonged to another data set, or cannot be written.
    """
    path = _check_name(path)
    with _opened(path) as file:
        places = _places(file, path)
        text, metadata = _description(file, path, places)
        read = _archives.read_member if in_memory else _archives.map_member
        try:
            record = trajectories.Trajectories(
                **{name: read(file, places[name]) for name in ARRAY_NAMES}
            )
        except _archives.DAMAGE as error:
            raise _damaged(path, error) from None
    actual_hash = content_hash(record)
    if actual_hash != metadata["content_hash"]:
        raise ValueError(
            f"{path} has content hash {actual_hash[:12]}..., wanted "
            f"{metadata['content_hash'][:12]}...; it was edited or damaged: delete it and generate "
            "the data set again"
        )
    _metadata.check_arrays(metadata, record, path)
    _restore_side_file(path, text)
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
    size = untrusted.check_file(path)
    try:
        with Path(path).open("rb") as file:
            return _archives.read_all(file)
    except _archives.DAMAGE as error:
        what = "is damaged, not an .npz file, or holds Python objects" if size else "is empty"
        raise ValueError(
            f"{path} {what} ({untrusted.brief(error)}); save plain arrays with numpy.savez"
        ) from None


def is_dataset(path: str | Path) -> bool:
    """Returns whether an `.npz` file is, or was, a data set rather than arrays of another origin.

    Args:
        path: Path of the file.

    Returns:
        Whether the file describes itself, or has a side file. False if it cannot be read.
    """
    if side_file(path).exists():
        return True
    try:
        untrusted.check_file(path)
        with Path(path).open("rb") as file:
            return METADATA_NAME in _archives.names(file)
    except _archives.DAMAGE:
        return False


def load_metadata(path: str | Path) -> dict:
    """Reads only the description of a data set.

    Args:
        path: Path of the `.npz` file.

    Returns:
        The metadata.

    Raises:
        FileNotFoundError: If there is no such file.
        OldVersionError: If an earlier version of this package wrote it.
        ValueError: If the file is damaged, or not a data set.
    """
    path = _check_name(path)
    with _opened(path) as file:
        return _description(file, path, _places(file, path))[1]


def side_file(path: str | Path) -> Path:
    """Returns the path of the JSON beside an `.npz` file."""
    return Path(path).with_suffix(".json")


def content_hash(record: trajectories.Trajectories) -> str:
    """Computes the SHA-256 of the names, types, shapes and bytes of all arrays."""
    return hash_arrays({name: getattr(record, name) for name in ARRAY_NAMES})


def hash_arrays(arrays: Mapping[str, Any]) -> str:
    """Computes the SHA-256 of names, types, shapes and bytes of arrays, in their order.

    Args:
        arrays: Arrays of NumPy or JAX by name.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, given in arrays.items():
        array = np.asanyarray(given)  # keeps a mapped array mapped
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        rows = np.atleast_1d(array)
        # Block by block, so that a mapped array need not fit into the memory.
        count = max(1, HASH_BLOCK // max(1, rows[:1].nbytes))
        for start in range(0, len(rows), count):
            # As bytes: types that JAX adds, such as bfloat16, have no buffer.
            digest.update(np.ascontiguousarray(rows[start : start + count]).view(np.uint8).data)
    return digest.hexdigest()


def _check_name(path: str | Path) -> Path:
    if Path(path).suffix != ".npz":
        raise ValueError(f"got the data set path {path}, wanted one that ends in .npz; rename it")
    return Path(path)


def _opened(path: Path) -> BinaryIO:
    if not path.exists():
        raise FileNotFoundError(f"there is no data set {path}; generate it, or check the name")
    if not untrusted.check_file(path):
        raise ValueError(f"{path} is empty; delete it and generate the data set again")
    return path.open("rb")


def _places(file: BinaryIO, path: Path) -> dict[str, _archives.Member]:
    """Finds the arrays of a data set, and only those."""
    try:
        places = _archives.stored_members(file)
    except _archives.DAMAGE as error:
        raise _damaged(path, error) from None
    if METADATA_NAME not in places and _is_of_version_1(side_file(path)):
        raise OldVersionError(
            f"{path} has format version 1, this version reads {FORMAT_VERSION}; generate the data "
            "set again, with jax-s4rl make-dataset or save_trajectories"
        )
    if places.keys() != {*ARRAY_NAMES, METADATA_NAME}:
        raise _damaged(path, ValueError(f"it holds the arrays {', '.join([*places][:20])}"))
    return places


def _description(
    file: BinaryIO, path: Path, places: Mapping[str, _archives.Member]
) -> tuple[bytes, dict[str, Any]]:
    """Reads and checks the description within a data set."""
    place = places[METADATA_NAME]
    if place.dtype != np.uint8 or len(place.shape) != 1:
        raise _damaged(path, ValueError("its description is not a text"))
    if place.shape[0] > untrusted.MAX_JSON_BYTES:
        raise _damaged(path, ValueError("its description is too long"))
    text = _archives.read_member(file, place).tobytes()
    metadata = untrusted.parse_json(text, path)
    if isinstance(metadata, dict) and metadata.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {metadata.get('format_version')}, this version reads "
            f"{FORMAT_VERSION}; generate the data set again, or update jax_s4rl"
        )
    if not _metadata.is_whole(metadata) or "content_hash" not in metadata:
        raise _damaged(path, ValueError("the digest of its description differs"))
    _metadata.check_types(metadata, path)
    return text, metadata


def _restore_side_file(path: Path, text: bytes) -> None:
    """Writes the side file again if it is missing, or belongs to what was here before.

    Args:
        path: Path of the data set.
        text: Its description.

    Raises:
        ValueError: If the side file was edited.
    """
    side = side_file(path)
    with contextlib.suppress(FileNotFoundError):
        untrusted.check_file(side, untrusted.MAX_JSON_BYTES)
        found = side.read_bytes()
        if found == text:
            return
        wanted = untrusted.canonical(untrusted.parse_json(text, path))
        described = untrusted.parse_json(found, side)
        if untrusted.canonical(described) == wanted:
            return
        if not _metadata.is_whole(described) and not _is_of_version_1(side):
            raise ValueError(
                f"{side} was edited or damaged: it differs from the description in {path.name}; "
                "delete it, and it is written again"
            )
        warnings.warn(
            f"{side} described what was here before {path.name}; it was written again",
            stacklevel=3,
        )
    try:
        atomic_files.write_whole(side, lambda file: file.write(text))
    except OSError as error:
        warnings.warn(
            f"{side} is missing or old, and cannot be written ({error.strerror}); the data are "
            "whole without it",
            stacklevel=3,
        )


def _is_of_version_1(side: Path) -> bool:
    """Returns whether a side file is one of version 1, whose fields no digest covers."""
    try:
        untrusted.check_file(side, untrusted.MAX_JSON_BYTES)
        described = untrusted.parse_json(side.read_bytes(), side)
    except (OSError, ValueError):
        return False
    return (
        isinstance(described, dict)
        and described.get("format_version") == 1
        and "content_hash" in described
        and _metadata.DIGEST not in described
    )


def _damaged(path: Path, error: BaseException) -> ValueError:
    return ValueError(
        f"{path} is damaged or not a data set ({untrusted.brief(error)}); delete it and generate "
        "it again"
    )
