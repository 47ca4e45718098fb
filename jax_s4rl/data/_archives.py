"""Arrays in `.npz` archives: structure and sizes are checked before anything is read."""

import math
import os
import tokenize
import zipfile
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from jax_s4rl.data import untrusted

MAX_MEMBERS = 10_000
# Bytes of the directory of an archive: names of all its members, with 46 bytes each.
MAX_DIRECTORY = 1 << 21
SUFFIX = ".npy"
LOCAL_HEADER_SIZE = 30
END_SIZE, MAX_COMMENT = 22, 1 << 16
# What is raised at a damaged archive: `tokenize` and the syntax are those of NumPy's headers.
DAMAGE = (*untrusted.DAMAGE, zipfile.BadZipFile, tokenize.TokenError, SyntaxError)


class Member(NamedTuple):
    """Place of an array in an uncompressed archive."""

    offset: int
    """First byte of its numbers."""
    shape: tuple[int, ...]
    dtype: np.dtype
    order: Any
    """Order of its axes in memory, "C" or "F"."""


def stored_members(file: BinaryIO) -> dict[str, Member]:
    """Finds all arrays of an archive that `numpy.savez` wrote.

    Args:
        file: The open archive.

    Returns:
        Places of the arrays by name.

    Raises:
        ValueError: If the archive is damaged, or an array is compressed or holds objects.
        Exception: Others of `DAMAGE`, if the archive is damaged.
    """
    places = {}
    with _open(file) as archive:
        for info, start in _check_archive(archive, file):
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ValueError(f"its member {info.filename!r} is compressed")
            file.seek(start)
            shape, order, dtype = _read_header(file, start + info.file_size)
            places[info.filename.removesuffix(SUFFIX)] = Member(file.tell(), shape, dtype, order)
    return places


def names(file: BinaryIO) -> list[str]:
    """Returns the names of all arrays of an archive, which is not read further."""
    with _open(file) as archive:
        return [name.removesuffix(SUFFIX) for name in archive.namelist()]


def read_member(file: BinaryIO, member: Member) -> np.ndarray:
    """Reads an array into the memory."""
    file.seek(member.offset)
    flat = np.fromfile(file, member.dtype, math.prod(member.shape))
    return flat.reshape(member.shape, order=member.order)


def map_member(file: BinaryIO, member: Member) -> np.ndarray:
    """Maps an array at its place in the file; an empty one, which cannot be mapped, is read."""
    if not math.prod(member.shape):
        return read_member(file, member)
    place: Any = file
    return np.memmap(
        place, member.dtype, "r", offset=member.offset, shape=member.shape, order=member.order
    )


def read_all(file: BinaryIO) -> dict[str, np.ndarray]:
    """Reads all arrays of an archive of any origin, compressed ones too.

    Args:
        file: The open archive.

    Returns:
        The arrays by name.

    Raises:
        ValueError: If the archive is damaged, an array holds objects, or the arrays expand to far
            more than the file.
        Exception: Others of `DAMAGE`, if the archive is damaged.
    """
    arrays = {}
    with _open(file) as archive:
        for info, _ in _check_archive(archive, file):
            with archive.open(info) as stream:
                _read_header(stream, info.file_size)
            with archive.open(info) as stream:
                array = np.lib.format.read_array(stream, allow_pickle=False)
                # The checksum is compared at the end of a member.
                stream.read(1)
            arrays[info.filename.removesuffix(SUFFIX)] = array
    return arrays


def _open(file: BinaryIO) -> zipfile.ZipFile:
    """Opens an archive, unless its directory, which is then read whole, is too large."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - END_SIZE - MAX_COMMENT)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise ValueError("it is not an archive, or its end is missing")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    # Archives over 4 GB say it in another record, to which 20 bytes in front of the end point.
    if at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7":
        file.seek(int.from_bytes(tail[at - 12 : at - 4], "little"))
        directory = int.from_bytes(file.read(56)[40:48], "little")
    if directory > MAX_DIRECTORY:
        raise ValueError(f"its directory has {directory:,} bytes, wanted {MAX_DIRECTORY:,} at most")
    return zipfile.ZipFile(file)


def _check_archive(archive: zipfile.ZipFile, file: BinaryIO) -> list[tuple[zipfile.ZipInfo, int]]:
    """Checks names, sizes and places of all members.

    Returns:
        The members, each with the place of its content.
    """
    infos = archive.infolist()
    size = file.seek(0, os.SEEK_END)
    names = [info.filename for info in infos]
    if len(infos) > MAX_MEMBERS or len(set(names)) < len(names):
        raise ValueError(f"it has {len(infos)} members, wanted different names, 10,000 at most")
    if strange := [name for name in names if not name.endswith(SUFFIX)]:
        raise ValueError(f"its member {strange[0]!r} is not an array")
    expanded = sum(info.file_size for info in infos)
    if expanded > untrusted.largest_expansion(size):
        times = untrusted.MAX_EXPANSION
        raise ValueError(
            f"its {size:,} bytes expand to {expanded:,}, more than {times} times as many"
        )
    for info in infos:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or (
            info.flag_bits & 1
        ):
            raise ValueError(f"its member {info.filename!r} is encrypted, or packed in another way")
    # From back to front: each member ends before the next one starts.
    placed, end = [], min(size, archive.start_dir)
    for info in sorted(infos, key=lambda one: one.header_offset, reverse=True):
        start = _content_start(file, info)
        if start + info.compress_size > end:
            raise ValueError(f"its member {info.filename!r} reaches into the next one")
        placed.append((info, start))
        end = info.header_offset
    return placed[::-1]


def _content_start(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Finds the content of a member behind its own header.

    The extra field of this header may be longer or shorter than the one in the archive's directory,
    so both lengths are read here (bytes 26 to 29).
    """
    file.seek(info.header_offset)
    header = file.read(LOCAL_HEADER_SIZE)
    name_size, extra_size = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    # Bit 11 says in which code the name is written.
    name = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
    if header[:4] != b"PK\3\4" or file.read(name_size) != name:
        raise ValueError(f"its member {info.filename!r} is not where its directory says")
    return info.header_offset + LOCAL_HEADER_SIZE + name_size + extra_size


def _read_header(stream: Any, end: int) -> tuple[tuple[int, ...], str, np.dtype]:
    """Reads shape, order and type of an array; its numbers have to fill the member exactly.

    Args:
        stream: Open file at the start of the member.
        end: Place in the stream at which the member ends.

    Returns:
        Shape, order and type; the stream stands behind the header.
    """
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, is_fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    size = end - stream.tell()
    # An empty array may claim any number of rows, for which other arrays would then be made.
    is_possible = min(shape, default=0) >= 0 and max(shape, default=0) <= max(size, 1 << 20)
    if not dtype.itemsize or not is_possible or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"an array of shape {shape} and type {dtype} is declared for {size} bytes")
    return shape, "F" if is_fortran else "C", dtype
