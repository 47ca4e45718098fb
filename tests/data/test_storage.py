import contextlib
import json
import mmap
import os
import secrets
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jax_s4rl.data import storage
from tests.data import records

METADATA = {"env": {"id": "CartPole-v1", "kwargs": {}}, "seed": 3, "policy": "random"}


@pytest.fixture
def saved(tmp_path):
    record = records.make_record((3, 1, 5))
    path = tmp_path / "folder" / "one.npz"
    storage.save_trajectories(path, record, METADATA)
    return record, path


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("action_size", [None, 2])
def test_a_record_comes_back_bit_for_bit(tmp_path, action_size, in_memory):
    record = records.make_record((3, 1, 5), action_size=action_size, observation_shape=(2, 3))
    written = storage.save_trajectories(tmp_path / "one.npz", record, METADATA)
    found, metadata = storage.load_trajectories(tmp_path / "one.npz", in_memory=in_memory)
    records.assert_same(found, record)
    assert metadata == written
    assert metadata.items() >= {**METADATA, "num_steps": 9, "num_episodes": 3}.items()


def test_mapped_arrays_stay_on_the_disk(saved):
    record, _ = storage.load_trajectories(saved[1], in_memory=False)
    owner = record.observations
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap.mmap)


def test_the_same_record_gives_the_same_bytes(saved, tmp_path):
    record, path = saved
    storage.save_trajectories(tmp_path / "two.npz", record, METADATA)
    assert (tmp_path / "two.npz").read_bytes() == path.read_bytes()
    assert (tmp_path / "two.json").read_bytes() == storage.side_file(path).read_bytes()


def test_the_hash_sees_values_types_and_names():
    record = records.make_record((3, 1))
    hashes = {storage.content_hash(records.make_record((3, 1), seed=seed)) for seed in range(3)}
    assert len(hashes) == 3
    assert storage.content_hash(records.make_record((3, 1))) == storage.content_hash(record)
    assert storage.content_hash(record.select([1, 0])) != storage.content_hash(record)
    # The same bytes, with another meaning.
    zeros = np.zeros((2, 6), np.float32)
    meanings = [("a", zeros), ("b", zeros), ("a", zeros.view(np.int32)), ("a", zeros.reshape(3, 4))]
    assert len({storage.hash_arrays({name: array}) for name, array in meanings}) == 4


def test_the_hash_is_the_same_in_blocks_of_any_size(monkeypatch):
    record = records.make_record((3, 4))
    wanted = storage.content_hash(record)
    for size in (1, 24, 1000):
        monkeypatch.setattr(storage, "HASH_BLOCK", size)
        assert storage.content_hash(record) == wanted


def test_a_full_disk_leaves_the_old_files_whole(saved, monkeypatch):
    record, path = saved
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        storage.save_trajectories(path, record.select([0]), METADATA)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


@pytest.mark.parametrize("in_memory", [True, False])
def test_edited_bytes_are_found(saved, in_memory):
    _, path = saved
    content = bytearray(path.read_bytes())
    at = content.find(np.asarray(saved[0].rewards).tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"content hash .* edited or damaged"):
        storage.load_trajectories(path, in_memory=in_memory)


def test_a_data_set_under_the_name_of_another_brings_its_own_description(saved):
    record, path = saved
    other = path.with_name("two.npz")
    storage.save_trajectories(other, record.select([0]), {**METADATA, "seed": 4})
    os.replace(other, path)
    with pytest.warns(UserWarning, match=r"one\.json described what was here before"):
        found, metadata = storage.load_trajectories(path)
    records.assert_same(found, record.select([0]))
    assert metadata["seed"] == 4
    assert json.loads(storage.side_file(path).read_text()) == metadata


@pytest.mark.parametrize("new", [False, True])
def test_a_kill_between_the_two_renames_leaves_one_whole_pair(saved, new):
    """The process is killed by SIGKILL at the second rename, over an old pair or over none."""
    record, path = saved
    if new:
        path.unlink()
        storage.side_file(path).unlink()
    code = (
        "import os, sys; from jax_s4rl.data import storage; from tests.data import records; "
        "move, moved = os.replace, []; "
        "os.replace = lambda *names: os.kill(os.getpid(), 9) if moved else "
        "(moved.append(1), move(*names)); "
        "record = records.make_record((3, 1, 5)).select([1]); "
        "storage.save_trajectories(sys.argv[1], record, {'seed': 8})"
    )
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False, cwd=root)
    assert killed.returncode == -9
    assert len(list(path.parent.glob(".one.json.*"))) == 1
    with contextlib.nullcontext() if new else pytest.warns(UserWarning, match="written again"):
        found, metadata = storage.load_trajectories(path)
    records.assert_same(found, record.select([1]))
    assert metadata["seed"] == 8
    assert storage.load_trajectories(path)[1] == metadata
    assert {file.name for file in path.parent.iterdir()} == {"one.npz", "one.json"}


def test_a_missing_side_file_is_written_again(saved):
    path = saved[1]
    before = storage.side_file(path).read_bytes()
    storage.side_file(path).unlink()
    storage.load_trajectories(path)
    assert storage.side_file(path).read_bytes() == before


def test_a_side_file_that_cannot_be_written_does_not_matter(saved, monkeypatch):
    path = saved[1]
    storage.side_file(path).unlink()

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(secrets, "token_hex", refuse)  # of the temporary name
    with pytest.warns(UserWarning, match=r"cannot be written \(Read-only file system\)"):
        storage.load_trajectories(path)


def test_files_of_version_1_say_how_to_make_them_again(saved):
    record, path = saved
    np.savez(path, **{name: getattr(record, name) for name in storage.ARRAY_NAMES})
    about = {**METADATA, "format_version": 1, "content_hash": storage.content_hash(record)}
    storage.side_file(path).write_text(json.dumps(about))
    for load in (storage.load_trajectories, storage.load_metadata):
        with pytest.raises(
            storage.OldVersionError, match=r"version 1, .*make-dataset or save_traj"
        ):
            load(path)
    storage.save_trajectories(path, record, METADATA)
    storage.side_file(path).write_text(json.dumps(about))
    with pytest.warns(UserWarning, match="written again"):
        storage.load_trajectories(path)


def test_a_data_set_is_told_from_other_arrays(saved, tmp_path):
    path = saved[1]
    assert storage.is_dataset(path)
    storage.side_file(path).unlink()
    assert storage.is_dataset(path)
    np.savez(tmp_path / "mine.npz", rewards=np.zeros(3))
    assert not storage.is_dataset(tmp_path / "mine.npz")
    assert not storage.is_dataset(tmp_path / "none.npz")


@pytest.mark.parametrize("in_memory", [True, False])
def test_empty_truncated_and_missing_files_are_told_apart(saved, in_memory):
    _, path = saved
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged or not a data set"):
        storage.load_trajectories(path, in_memory=in_memory)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        storage.load_trajectories(path, in_memory=in_memory)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="there is no data set"):
        storage.load_trajectories(path, in_memory=in_memory)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty, truncated or not JSON"),
        ("{}", "was edited or damaged"),
        ('{"content_hash": "0"}', "was edited or damaged"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_side_file_is_named(saved, text, sentence):
    storage.side_file(saved[1]).write_text(text)
    with pytest.raises(ValueError, match=rf"one\.json .*{sentence}"):
        storage.load_trajectories(saved[1])


def test_white_space_in_the_side_file_is_harmless(saved):
    record, path = saved
    side = storage.side_file(path)
    side.write_text(json.dumps(json.loads(side.read_text()), indent=7))
    before = side.read_bytes()
    records.assert_same(storage.load_trajectories(path)[0], record)
    assert side.read_bytes() == before


@pytest.mark.parametrize("in_memory", [True, False])
def test_pickled_objects_are_refused(saved, in_memory):
    record, path = saved
    arrays = {name: getattr(record, name) for name in storage.ARRAY_NAMES}
    np.savez(path, **{**arrays, "observations": np.array([{}] * record.num_steps, dtype=object)})
    with pytest.raises(ValueError, match=r"pickle|Object arrays"):
        storage.load_trajectories(path, in_memory=in_memory)


def test_names_and_metadata_without_meaning_are_refused(saved, tmp_path):
    record, _ = saved
    with pytest.raises(ValueError, match=r"ends in \.npz"):
        storage.save_trajectories(tmp_path / "one.hdf5", record, METADATA)
    with pytest.raises(ValueError, match="do not fit into JSON"):
        storage.save_trajectories(tmp_path / "one.npz", record, {"seed": np.float32(1)})
    assert not list(tmp_path.glob("one*"))


def test_the_side_file_is_plain_json(saved):
    assert json.loads(storage.side_file(saved[1]).read_text())["env"]["id"] == "CartPole-v1"


def test_arrays_of_others_are_read(tmp_path):
    np.savez_compressed(tmp_path / "mine.npz", observations=np.zeros((3, 2)), rewards=np.ones(3))
    found = storage.load_arrays(tmp_path / "mine.npz")
    assert {name: array.shape for name, array in found.items()} == {
        "observations": (3, 2),
        "rewards": (3,),
    }


def test_what_is_no_file_of_arrays_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        storage.load_arrays(tmp_path / "none.npz")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("a,b\n1,2\n")
    (tmp_path / "folder.npz").mkdir()
    np.savez(tmp_path / "objects.npz", observations=np.array([{}], object))
    with (tmp_path / "single.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    for path in tmp_path.iterdir():
        sentence = "is a folder" if path.is_dir() else "save plain arrays with numpy"
        with pytest.raises(ValueError, match=sentence):
            storage.load_arrays(path)
