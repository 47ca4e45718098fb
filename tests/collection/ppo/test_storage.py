import dataclasses
import shutil

import jax
import numpy as np
import pytest

from jax_s4rl.collection import recording
from jax_s4rl.collection.ppo import storage, training
from jax_s4rl.data import storage as data_storage
from tests.collection import worlds
from tests.data import records

RUN = storage.Run("corridor", "Corridor", worlds.CONFIG, (("weak", 1.5),), replay_steps=96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("policies")
    storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=place)
    return place


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "train", refuse)


def test_what_was_trained_is_read_back_exactly(folder, no_training, tmp_path, monkeypatch):
    found = storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=folder)
    monkeypatch.undo()
    trained = storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=tmp_path)
    assert list(found.snapshots) == ["weak", "expert"]
    jax.tree.map(np.testing.assert_array_equal, found.snapshots, trained.snapshots)
    assert found.history == trained.history
    records.assert_same(found.replay, trained.replay)
    np.testing.assert_array_equal(found.replay_ends, trained.replay_ends)
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_a_stored_policy_acts(folder):
    policies = storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=folder)
    act = storage.behavior_of(policies, worlds.Corridor, "expert", greedy=True)
    record = recording.record_episodes(worlds.Corridor, act, 6, seed=0)
    assert record.episode_returns.mean() > 2.5


def test_another_training_is_not_taken_for_this_one(folder, no_training):
    other = dataclasses.replace(RUN, config=dataclasses.replace(worlds.CONFIG, learning_rate=1e-3))
    for run, seed in ((other, 0), (RUN, 1)):
        with pytest.raises(AssertionError, match="trained again"):
            storage.load_or_train(run, worlds.Corridor, seed=seed, folder=folder)


def test_a_damaged_file_is_named(folder, tmp_path):
    content = (folder / "corridor-seed0.npz").read_bytes()
    for damaged in (b"", content[:500]):
        (tmp_path / "corridor-seed0.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged .* delete it to train again"):
            storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=tmp_path)


def copy(folder, place):
    for file in folder.iterdir():
        shutil.copy(file, place)
    return place / "corridor-seed0.npz"


def test_edited_parameters_are_found_although_the_archive_is_whole(folder, tmp_path):
    path = copy(folder, tmp_path)
    arrays = dict(np.load(path))
    name = next(name for name in arrays if name.startswith("expert/parameters"))
    np.savez(path, **{**arrays, name: arrays[name] + 1})
    with pytest.raises(ValueError, match=r"content hash differs\); delete it to train again"):
        storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=tmp_path)


def test_episodes_of_another_training_are_found(folder, tmp_path):
    path = copy(folder, tmp_path)
    replay = path.with_name("corridor-seed0-replay.npz")
    record, about = data_storage.load_trajectories(replay)
    for change in ({"run": {}}, {"ends": [1]}, {"ends": "x"}):
        data_storage.save_trajectories(replay, record, {**about, **change})
        with pytest.raises(ValueError, match=r"replay\.npz belongs to another training"):
            storage.load_or_train(RUN, worlds.Corridor, seed=0, folder=tmp_path)


def test_a_strength_that_was_never_reached_is_said(tmp_path):
    run = dataclasses.replace(RUN, strengths=(("weak", 99.0),))
    with pytest.raises(ValueError, match=r"wanted 99\.0; take another seed"):
        storage.load_or_train(run, worlds.Corridor, seed=0, folder=tmp_path)
    assert not list(tmp_path.iterdir())
