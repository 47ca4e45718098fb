"""Checks of HDF5 files of any origin, before their arrays are read."""

import math
import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jax_s4rl.data import untrusted

MAX_DEPTH = 32
# Bytes of an entry of texts or lists of different lengths, and HDF5's number of gzip.
ENTRY, GZIP = 16, 1
# Start of a collection of texts: signature, version 1, and its length in 8 bytes, which is also the
# size of the header of each text in it.
HEAP, HEAP_HEADER = b"GCOL\1\0\0\0", 16


def check(archive: Any, size: int, h5py: Any, *, has_pictures: bool = False) -> None:
    """Checks that a file holds all its arrays itself, in groups without circles.

    Args:
        archive: The open file.
        size: Its size in bytes.
        h5py: The package.
        has_pictures: Whether arrays may hold a list of bytes for each step, a packed picture.

    Raises:
        ValueError: If it links to other places, names other files, holds references, or declares
            arrays that are far larger than the file.
    """
    if archive.id.get_create_plist().get_sizes() != (8, 8):
        raise ValueError("its addresses are not of 8 bytes")
    limit = untrusted.largest_expansion(size)
    total = 0
    for name, dataset in _datasets(archive, "", MAX_DEPTH, set(), h5py):
        if dataset.is_virtual or dataset.external:
            raise ValueError(f"its array {name} lies in another file")
        listed = h5py.check_vlen_dtype(dataset.dtype)
        text = h5py.check_string_dtype(dataset.dtype)
        # A chunk is unpacked whole, even if the array is smaller.
        count = max(dataset.size or 0, math.prod(dataset.chunks or ()))
        # Of an empty array any number of rows may be declared, for which others would be made.
        total += max(count * dataset.dtype.itemsize, *dataset.shape or (0,), 0)
        if total <= limit and ((text and text.length is None) or (has_pictures and listed)):
            total += _listed_bytes(dataset, size)
        elif dataset.dtype.hasobject and not text:
            raise ValueError(f"its array {name} holds references or lists, no numbers")
        if total > limit:
            raise ValueError(
                f"its {size:,} bytes declare arrays of {total:,} bytes, {name} of shape "
                f"{dataset.shape} among them"
            )


def _listed_bytes(dataset: Any, size: int) -> int:
    """Counts the bytes of texts or lists of different lengths, before memory is taken for them.

    Each entry has 16 bytes: the length, and the place in the file. Many can refer to one place.
    """
    total = 0
    for part in _entries(dataset):
        lengths = np.frombuffer(part[: len(part) // ENTRY * ENTRY], np.uint8).reshape(-1, ENTRY)
        lengths = lengths[:, :4].copy().view("<u4")
        if lengths.max(initial=0) > size:
            raise ValueError(f"its array {dataset.name} has an entry longer than the file")
        total += int(lengths.sum(dtype=np.int64)) * max(1, dataset.dtype.itemsize // 8)
    return total


def _entries(dataset: Any) -> Iterator[bytes]:
    """Reads the entries of texts or lists as they are in the file."""
    plan = dataset.id.get_create_plist()
    if dataset.chunks is None:
        if (start := dataset.id.get_offset()) is None:
            # Nothing was written; or it lies in a place that h5py does not show.
            if dataset.id.get_storage_size():
                raise ValueError(f"its array {dataset.name} is stored in another way")
            return
        with open(dataset.file.filename, "rb") as file:
            file.seek(start)
            yield file.read(dataset.size * ENTRY)
        return
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    if filters not in ([], [GZIP]):
        raise ValueError(f"its array {dataset.name} is packed in another way")
    largest = math.prod(dataset.chunks) * ENTRY
    for number in range(dataset.id.get_num_chunks()):
        place = dataset.id.get_chunk_info(number).chunk_offset
        mask, part = dataset.id.read_direct_chunk(place)
        is_packed = filters and not mask
        yield zlib.decompressobj().decompress(part, largest) if is_packed else part


def check_heaps(path: str | Path) -> None:
    """Checks the chains of texts of variable length, in which HDF5 would look for the end for ever.

    Args:
        path: Path of the file; not empty.

    Raises:
        ValueError: If a chain does not end where it should.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = 0
        while (start := content.find(HEAP, end)) >= 0:
            end = start + int.from_bytes(content[start + 8 : start + HEAP_HEADER], "little")
            place = start + HEAP_HEADER
            while place <= end - HEAP_HEADER:
                # Each text has its number, and its length; the number 0 is free space, whose length
                # includes its header.
                header = content[place : place + HEAP_HEADER]
                length = int.from_bytes(header[8:], "little")
                is_free = header[:2] == b"\0\0"
                place += length if is_free else HEAP_HEADER + -(-length // 8) * 8
                if (is_free and length < HEAP_HEADER) or place > min(end, len(content)):
                    raise ValueError(f"its texts at byte {start} are damaged")
            end = max(end, start + HEAP_HEADER)


def _datasets(
    group: Any, path: str, depth: int, entered: set[Any], h5py: Any
) -> Iterator[tuple[str, Any]]:
    """Walks through a group and everything below it, along hard links alone."""
    address = h5py.h5o.get_info(group.id).addr
    if address in entered or not depth:
        raise ValueError(f"its group {path or '/'} is reached in two ways, or nested too deeply")
    entered.add(address)
    for name in group:
        where = f"{path}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"its name {where} is a link to another place or file")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _datasets(item, where, depth - 1, entered, h5py)
        elif isinstance(item, h5py.Dataset):
            yield where, item
