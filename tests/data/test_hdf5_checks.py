"""HDF5 files that name other files, link in circles, or declare far more than they hold."""

import tracemalloc

import h5py
import numpy as np
import pytest

from jax_s4rl.data import d4rl, hdf5, storage
from tests.data import records

RECORD = records.make_record((3, 1))


def external(archive):
    archive.create_dataset("extra", (10,), "u1", external=[("/etc/hostname", 0, 10)])


def virtual(archive):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "a", (3,))
    archive.create_virtual_dataset("extra", layout)


def circle(archive):
    group = archive.create_group("infos/more")
    group["loop"] = archive["infos"]


def deep(archive):
    archive["/".join("a" * 40)] = 1


def references(archive):
    archive.create_dataset("extra", data=np.array([archive.ref]), dtype=h5py.ref_dtype)


def lists(archive):
    archive.create_dataset("extra", (2,), h5py.vlen_dtype(np.int32))


def shared_text(archive):
    """A text that many entries refer to; the bytes of the first entry are copied to all."""
    texts = archive.create_dataset("infos/text", (4_000,), h5py.string_dtype())
    texts[0] = "x" * 100_000


BAD = {
    "external storage": (external, "lies in another file"),
    "virtual dataset": (virtual, "lies in another file"),
    "external link": (
        lambda archive: archive.__setitem__("extra", h5py.ExternalLink("/etc/x", "a")),
        "is a link to another",
    ),
    "soft link": (
        lambda archive: archive.__setitem__("extra", h5py.SoftLink("/rewards")),
        "is a link to another",
    ),
    "soft link to nothing": (
        lambda archive: archive.__setitem__("extra", h5py.SoftLink("/none")),
        "is a link to another",
    ),
    "circle": (circle, "reached in two ways"),
    "depth": (deep, "nested too deeply"),
    "references": (references, "references or lists"),
    "lists": (lists, "references or lists"),
    "rows never written": (
        lambda archive: archive.create_dataset("extra", (10**12,), "f8", chunks=(1_000,)),
        "declare arrays of 8,000,000,0",
    ),
    "many rows of nothing": (
        lambda archive: archive.create_dataset("extra", (10**15, 0), "f8", maxshape=(None, None)),
        "declare arrays",
    ),
    "a large chunk": (
        lambda archive: archive.create_dataset(
            "extra", (1,), "f8", maxshape=(None,), chunks=(10**8,), compression="gzip"
        ),
        "declare arrays",
    ),
}


def write(path, more=lambda archive: None, **options):
    with h5py.File(path, "w", **options) as archive:
        for name, array in d4rl.to_d4rl(RECORD).items():
            archive[name] = array
        more(archive)
    return path


@pytest.mark.parametrize("options", [{}, {"libver": "latest"}], ids=["old", "latest"])
@pytest.mark.parametrize(("more", "sentence"), BAD.values(), ids=BAD)
def test_bad_files_are_refused(tmp_path, more, sentence, options):
    path = write(tmp_path / "one.hdf5", more, **options)
    tracemalloc.start()
    with pytest.raises(ValueError, match=sentence) as refused:
        hdf5.load_hdf5(path)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert str(path) in str(refused.value)


def test_entries_that_share_one_text_are_counted(tmp_path):
    path = write(tmp_path / "one.hdf5", shared_text)
    with h5py.File(path) as archive:
        start = archive["infos/text"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[start : start + 16 * 4_000] = content[start : start + 16] * 4_000
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"declare arrays of 400,\d+,\d+ bytes"):
        hdf5.load_hdf5(path)


def test_an_entry_longer_than_the_file_is_refused(tmp_path):
    path = write(tmp_path / "one.hdf5", lambda archive: archive.__setitem__("infos/w", ["a"] * 3))
    with h5py.File(path) as archive:
        start = archive["infos/w"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[start : start + 4] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match="entry longer than the file"):
        hdf5.load_hdf5(path)


def test_a_chain_of_texts_without_an_end_is_refused(tmp_path):
    path = write(tmp_path / "one.hdf5", lambda archive: archive.__setitem__("infos/w", ["ab"] * 3))
    content = bytearray(path.read_bytes())
    at = content.find(b"GCOL")
    content[at + 16 : at + 18] = bytes(2)
    content[at + 24 : at + 32] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"texts at byte {at} are damaged"):
        hdf5.load_hdf5(path)


@pytest.mark.parametrize("options", [{}, {"chunks": (2,)}, {"chunks": (2,), "compression": "gzip"}])
def test_texts_are_read_however_they_are_stored(tmp_path, options):
    words = ["ab", "", "c" * 3_000, "d"]
    path = write(
        tmp_path / "one.hdf5",
        lambda archive: archive.create_dataset("infos/w", data=words, **options),
    )
    assert hdf5.load_arrays(path)[0]["infos/w"].tolist() == words


@pytest.mark.parametrize("name", [hdf5.METADATA, hdf5.CONTENT_HASH, hdf5.DIGEST])
@pytest.mark.parametrize("change", ["removed", "other", "another type"])
def test_attributes_of_our_own_files_are_under_a_digest(tmp_path, name, change):
    path = tmp_path / "one.hdf5"
    hdf5.save_hdf5(path, RECORD, {"seed": 3})
    with h5py.File(path, "a") as archive:
        old = archive.attrs[name]
        if change == "removed":
            del archive.attrs[name]
        else:
            archive.attrs[name] = old.replace(b"3", b"4") + b" " if change == "other" else 3.0
    with pytest.raises(ValueError, match=r"one\.hdf5"):
        hdf5.load_hdf5(path)


@pytest.mark.parametrize("name", ["observations", "rewards", "infos/episode_seeds"])
def test_arrays_of_our_own_files_keep_numbers_and_types(tmp_path, name):
    path = tmp_path / "one.hdf5"
    for change in (lambda array: array + 1, lambda array: array.astype(np.float64)):
        hdf5.save_hdf5(path, RECORD, {"seed": 3})
        with h5py.File(path, "a") as archive:
            array = change(archive[name][()])
            del archive[name]
            archive[name] = array
        with pytest.raises(ValueError, match=r"content hash|of type float"):
            hdf5.load_hdf5(path)


@pytest.mark.parametrize("values", records.OBSERVATIONS.values(), ids=records.OBSERVATIONS)
def test_every_type_of_observations_comes_back(tmp_path, values):
    record = records.of_observations(values)
    hdf5.save_hdf5(tmp_path / "one.hdf5", record, {})
    records.assert_same(hdf5.load_hdf5(tmp_path / "one.hdf5")[0], record)


def test_files_of_version_1_say_how_to_make_them_again(tmp_path):
    more = lambda archive: archive.attrs.__setitem__("metadata", '{"seed": 3}')  # noqa: E731
    path = write(tmp_path / "one.hdf5", more)
    with pytest.raises(storage.OldVersionError, match="write it again with save_hdf5"):
        hdf5.load_hdf5(path)
    assert not hdf5.is_saved(path)
    assert not hdf5.is_saved(tmp_path / "none.hdf5")
