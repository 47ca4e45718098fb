"""Archives whose structure or sizes lie are refused before memory is taken for them."""

import io
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from jax_s4rl.data import _archives, storage
from tests.data import records

MEBIBYTE = 1 << 20


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text, version=(1, 0)):
    data = text.encode() + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(data)) + data


def declared(shape, dtype="<f8", order=False):
    return header(f"{{'descr': {dtype!r}, 'fortran_order': {order}, 'shape': {shape}, }}")


def write(path, members, method=zipfile.ZIP_STORED):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    return path


def bomb(path):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as member,
    ):
        member.write(declared((300 * MEBIBYTE,), "|u1"))
        for _ in range(300):
            member.write(bytes(MEBIBYTE))


def overlapping(path):
    """One member holds another one, as in a bomb whose members share their content."""
    inner = zipfile_of("b.npy", npy(np.zeros(50)))
    start = inner.find(b"PK\1\2")
    write(path, [("a.npy", npy(np.frombuffer(inner[:start], np.uint8)))])
    content = path.read_bytes()
    first, directory = (
        content.find(b"PK\3\4", 1),
        content.find(b"PK\1\2", content.rfind(b"a.npy") - 60),
    )
    entry = bytearray(inner[start : inner.find(b"PK\5\6")])
    entry[42:46] = first.to_bytes(4, "little")
    end = bytearray(content[-22:])
    end[8:12] = b"\2\0\2\0"
    entries = content[directory:-22] + entry
    end[12:16] = len(entries).to_bytes(4, "little")
    path.write_bytes(content[:directory] + entries + end)


def zipfile_of(name, data):
    file = io.BytesIO()
    write(file, [(name, data)])
    return file.getvalue()


def many(path):
    write(path, [(f"{number}.npy", b"") for number in range(_archives.MAX_MEMBERS + 1)])


def long_directory(path):
    write(path, [("x" * 60_000 + f"{number}.npy", b"") for number in range(40)])


BAD = {
    "zip bomb": (bomb, r"expand to .* more than 100 times"),
    "overlapping members": (overlapping, "reaches into the next one"),
    "many members": (many, "10,000 at most"),
    "long directory": (long_directory, "its directory has"),
    "double member": (
        lambda path: write(path, [("a.npy", npy(np.zeros(3)))] * 2),
        "wanted different names",
    ),
    "no array": (lambda path: write(path, [("a.txt", b"x")]), "is not an array"),
    "another method": (
        lambda path: write(path, [("a.npy", npy(np.zeros(9)))], zipfile.ZIP_BZIP2),
        "packed in another way",
    ),
    "objects": (
        lambda path: np.savez(path, a=np.array([{}], object)),
        "Python objects",
    ),
}
SHAPES = [
    "(10000000000,)",
    "(1000000, 1000000, 1000000)",
    "(-1,)",
    "(0, 10000000000000)",
    "(10000000000000, 0)",
    "(True,)",
    "(1.5,)",
    "None",
    "()" * 50,
    "(" * 3_000,
    "-" * 5_000 + "1",
    "[" * 90 + "]" * 90,
]


@pytest.mark.parametrize(("make", "sentence"), BAD.values(), ids=BAD)
def test_bad_archives_are_refused(tmp_path, make, sentence):
    make(tmp_path / "one.npz")
    tracemalloc.start()
    with pytest.raises(ValueError, match=sentence) as refused:
        storage.load_arrays(tmp_path / "one.npz")
    assert tracemalloc.get_traced_memory()[1] < 50 * MEBIBYTE
    tracemalloc.stop()
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_declared_shapes_have_to_fill_the_member(tmp_path, shape, method):
    write(tmp_path / "one.npz", [("a.npy", declared(shape) + bytes(16))], method)
    tracemalloc.start()
    with pytest.raises(ValueError, match="save plain arrays with numpy"):
        storage.load_arrays(tmp_path / "one.npz")
    assert tracemalloc.get_traced_memory()[1] < 50 * MEBIBYTE
    tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["|O", "|V0", "<U0", "M8[x]", "f99", "|S-1"])
def test_types_without_numbers_are_refused(tmp_path, dtype):
    write(tmp_path / "one.npz", [("a.npy", declared((2,), dtype) + bytes(16))])
    with pytest.raises(ValueError, match="save plain arrays with numpy"):
        storage.load_arrays(tmp_path / "one.npz")


def test_well_packed_arrays_of_others_are_read(tmp_path):
    large = np.zeros((20, MEBIBYTE), np.uint8)
    np.savez_compressed(tmp_path / "one.npz", large=large, small=np.arange(3))
    found = storage.load_arrays(tmp_path / "one.npz")
    assert found["large"].shape == large.shape
    assert found["small"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("in_memory", [True, False])
def test_compressed_pairs_are_refused(tmp_path, in_memory):
    path = tmp_path / "one.npz"
    storage.save_trajectories(path, records.make_record((3, 1)), {})
    arrays = storage.load_arrays(path)
    np.savez_compressed(path, **arrays)
    with pytest.raises(ValueError, match=r"member 'observations\.npy' is compressed"):
        storage.load_trajectories(path, in_memory=in_memory)


@pytest.mark.parametrize("order", ["C", "F"])
def test_members_are_read_and_mapped_at_their_place(tmp_path, order):
    array = np.asarray(np.arange(12.0).reshape(3, 4), order=order)
    np.savez(tmp_path / "one.npz", first=np.zeros(0), second=array)
    with (tmp_path / "one.npz").open("rb") as file:
        places = _archives.stored_members(file)
        for read in (_archives.read_member, _archives.map_member):
            np.testing.assert_array_equal(read(file, places["second"]), array)
            assert read(file, places["first"]).shape == (0,)
