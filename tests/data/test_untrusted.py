"""Hostile and damaged files: the same data, or one sentence; never other data, code, or a hang."""

import json
import os
import resource
import warnings
from pathlib import Path

import numpy as np
import pytest

from jax_s4rl.data import d4rl, hdf5, storage, untrusted
from tests.data import records
from tests.faults import mutations

RECORD = records.make_record((3, 1, 5), num_actions=2, observation_shape=(4,))
METADATA = {
    "name": "mine",
    "env": {"id": "CartPole-v1", "kwargs": {}},
    "observation_space": {"kind": "Box", "shape": [4], "dtype": "float32", "low": -9, "high": 9},
    "action_space": {"kind": "Discrete", "n": 2},
    "seed": 3,
    "policy": [{"behavior": "uniform", "mean_return": 1.5}],
    "reference_scores": {"random": 1.0, "optimal": 2.5, "kind": "exact"},
    "versions": {"numpy": "2.0"},
}
# Mebibytes that loading a file of a few kilobytes may add to the largest memory of the process.
MOST_MEMORY = 200


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.fixture
def files(tmp_path):
    storage.save_trajectories(tmp_path / "one.npz", RECORD, METADATA)
    hdf5.save_hdf5(tmp_path / "one.hdf5", RECORD, METADATA)
    return tmp_path


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("kind", "name"), [("npz", "one.npz"), ("json", "one.json"), ("hdf5", "one.hdf5")]
)
def test_a_mutation_gives_the_same_data_or_a_sentence(files, kind, name, seed):
    load = hdf5.load_hdf5 if kind == "hdf5" else storage.load_trajectories
    path = files / ("one.hdf5" if kind == "hdf5" else "one.npz")
    _, right = load(path)
    whole = {file: file.read_bytes() for file in files.iterdir()}
    before, refused = peak_memory(), 0
    for way, damaged in mutations.mutations((files / name).read_bytes(), kind, seed, 80):
        for file, content in whole.items():
            file.write_bytes(content)
        (files / name).write_bytes(damaged)
        found = outcome(load, path)
        if isinstance(found, str):
            refused += 1
            assert is_sentence(found, files), (way, found)
        else:
            records.assert_same(found[0], RECORD)
            assert untrusted.canonical(found[1]) == untrusted.canonical(right), way
    assert refused > 40
    assert peak_memory() - before < MOST_MEMORY


def outcome(load, path):
    """What was loaded, or the message with which it was refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load(path)
    except (ValueError, OSError) as error:
        return str(error)


def is_sentence(message, path):
    return str(path) in message and "\n" not in message and len(message) < 1_000


@pytest.mark.parametrize(
    "write",
    [
        lambda path, flat: np.savez_compressed(path.with_suffix(".npz"), **flat),
        lambda path, flat: np.savez(path.with_suffix(".npz"), **flat),
        lambda path, flat: as_hdf5(path.with_suffix(".hdf5"), flat),
        lambda path, flat: as_minari(path.with_suffix(".hdf5")),
    ],
    ids=["npz, compressed", "npz", "D4RL's HDF5", "Minari's HDF5"],
)
def test_a_mutation_of_a_foreign_file_is_read_or_refused_by_a_sentence(tmp_path, write):
    write(tmp_path / "one", d4rl.to_d4rl(RECORD))
    (path,) = tmp_path.iterdir()
    kind = path.suffix[1:]
    load = hdf5.load_arrays if kind == "hdf5" else storage.load_arrays
    before = peak_memory()
    for way, damaged in mutations.mutations(path.read_bytes(), kind, 0, 200):
        path.write_bytes(damaged)
        found = outcome(load, path)
        assert not isinstance(found, str) or is_sentence(found, path), (way, found)
    assert peak_memory() - before < MOST_MEMORY


def as_hdf5(path, flat):
    import h5py

    with h5py.File(path, "w") as archive:
        for name, array in flat.items():
            archive.create_dataset(name, data=array, compression="gzip")
        archive["metadata/algorithm"] = "SAC"


def as_minari(path):
    import h5py

    with h5py.File(path, "w") as archive:
        for number, one in enumerate(RECORD.episodes()):
            group = archive.create_group(f"episode_{number}")
            group["observations/at"] = np.append(one.observations, one.final_observation[None], 0)
            group["observations/word"] = ["ab"] * (len(one.rewards) + 1)
            for name in ("actions", "rewards", "terminations", "truncations"):
                group[name] = getattr(one, name)


READERS = {
    "load_trajectories": storage.load_trajectories,
    "load_metadata": storage.load_metadata,
    "load_arrays": storage.load_arrays,
    "load_hdf5": hdf5.load_hdf5,
    "load_pickle": lambda path: d4rl.load_pickle(path, allow_pickle=True),
}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_is_no_plain_file_is_refused_before_it_is_opened(tmp_path, make, read):
    path = tmp_path / "one.npz"
    make(path)
    with pytest.raises(ValueError, match=r"one\.npz is (a folder|a pipe or a device)"):
        read(path)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", ["none.npz", "file/none.npz", "a\0b.npz", "x" * 300 + ".npz"])
def test_paths_without_a_file_are_named(tmp_path, read, name):
    (tmp_path / "file").touch()
    with pytest.raises((ValueError, OSError), match=r"none\.npz|a.+b\.npz|xxx\.npz"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    "value",
    [
        "../../outside",
        "/etc/passwd",
        "..",
        ".",
        "",
        "~root",
        "a\0b",
        "two\nlines",
        "é/ü 漢",
        "\ud800",
        ".hidden",
        "-option",
        "x" * 10_000,
        "C:\\x",
        True,
        1.5,
        float("nan"),
        -1,
        10**400,
        None,
        ["..", "/"],
        {"a": "/"},
    ],
    ids=lambda value: repr(value)[:20].encode("ascii", "replace").decode(),
)
def test_names_of_files_stay_in_their_folder(tmp_path, value):
    name = untrusted.file_name(value)
    assert name.isascii()
    assert 0 < len(name) <= untrusted.MAX_NAME_LENGTH
    assert not name.startswith((".", "-"))
    path = (tmp_path / name).resolve()
    assert path.parent == tmp_path
    path.touch()


def test_long_names_stay_different():
    names = {untrusted.file_name("x" * 500 + end) for end in "abc"}
    assert len(names) == 3
    assert untrusted.file_name("cartpole/mixed-seed0") == "cartpole-mixed-seed0"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("NaN", "NaN, which is not JSON"),
        ('{"a": -Infinity}', "-Infinity, which is not JSON"),
        ("1e999", "too large"),
        ("9" * 5_000, "not JSON"),
        ('"\\ud800"', "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested too deeply, wanted at most 64 levels"),
        (" " * (untrusted.MAX_JSON_BYTES + 1), "wanted at most"),
    ],
    ids=range(11),
)
def test_what_is_not_plain_json_is_refused(text, sentence):
    with pytest.raises(ValueError, match=rf"one\.json .*{sentence}") as refused:
        untrusted.parse_json(text, "one.json")
    assert len(str(refused.value)) < 300


def test_the_canonical_text_tells_types_apart():
    same = [{"a": 1, "b": [2.5]}, json.loads('{"b":[2.50], "a":1}')]
    assert len({untrusted.canonical(one) for one in same}) == 1
    assert len({untrusted.canonical(one) for one in (1, 1.0, True, "1", [1])}) == 5


def test_large_files_are_refused_by_their_size(tmp_path):
    path = Path(tmp_path / "one.json")
    path.write_bytes(bytes(100))
    assert untrusted.check_file(path, 100) == 100
    with pytest.raises(ValueError, match="100 bytes, wanted at most 99"):
        untrusted.check_file(path, 99)


def test_a_digest_covers_everything_but_its_own_field():
    about = {"step": 10, "configuration": {"mean": [0.1]}, "loss": 0.5}
    seal = untrusted.digest(about, "seal")
    assert untrusted.digest(about | {"seal": seal}, "seal") == seal
    assert untrusted.digest(about | {"loss": 0.25}, "seal") != seal
    with pytest.raises(ValueError, match="Out of range float"):
        untrusted.digest({"loss": float("nan")}, "seal")


def test_the_message_of_an_error_is_one_short_line():
    assert untrusted.brief(ValueError(f"\n{'x' * 300}\nmore")) == "x" * 200
    assert untrusted.brief(KeyError()) == "KeyError"
