"""Descriptions of datasets: types of their fields, the digest, and agreement with the arrays."""

import pytest

from jax_s4rl.data import _metadata, hdf5, storage
from tests.data import records

RECORD = records.make_record((3, 1), num_actions=2, observation_shape=(4,))
BOX = {"kind": "Box", "shape": [4], "dtype": "float32", "low": -9.0, "high": 9.0}
RIGHT = {
    "name": "mine",
    "env": {"id": "CartPole-v1", "kwargs": {"a": [1]}},
    "seed": 3,
    "policy": "random",
    "reference_scores": {"random": 1, "optimal": None, "kind": "exact"},
    "observation_space": BOX,
    "action_space": {"kind": "Discrete", "n": 2},
    "versions": {"numpy": "2"},
    "recipe": {},
    "own": [None, {"deep": 1}],
}
WRONG = [
    ("name", 3),
    ("name", ["a"]),
    ("env", "CartPole-v1"),
    ("env", {"kwargs": {}}),
    ("env", {"id": 3, "kwargs": {}}),
    ("env", {"id": "CartPole-v1", "kwargs": []}),
    ("env", {"id": "CartPole-v1", "kwargs": {}, "entry_point": "os:system"}),
    ("seed", True),
    ("seed", 1.5),
    ("seed", "../../x"),
    ("seed", 2**63),
    ("seed", [3]),
    ("policy", 3),
    ("policy", [{"behavior": "x"}]),
    ("policy", [{"behavior": "x", "mean_return": "1"}]),
    ("reference_scores", [1, 2]),
    ("reference_scores", {"random": "1"}),
    ("reference_scores", {"random": True}),
    ("reference_scores", {"kind": 3}),
    ("observation_space", "Box"),
    ("observation_space", {"kind": "Box"}),
    ("observation_space", {**BOX, "shape": [10**6, 10**6]}),
    ("action_space", {"kind": "Discrete", "n": -2}),
    ("versions", {"numpy": 2}),
    ("recipe", "x"),
]
NOT_FITTING = [
    ("observation_space", {**BOX, "shape": [5]}),
    ("action_space", {"kind": "Discrete", "n": 1}),
    ("action_space", {"kind": "Box", "shape": [2], "dtype": "float32", "low": 0, "high": 1}),
]
SAVERS = {
    "npz": lambda folder, about: storage.save_trajectories(folder / "one.npz", RECORD, about),
    "hdf5": lambda folder, about: hdf5.save_hdf5(folder / "one.hdf5", RECORD, about),
}


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
@pytest.mark.parametrize(("name", "value"), [*WRONG, *NOT_FITTING], ids=range(len(WRONG) + 3))
def test_fields_of_another_type_or_that_do_not_fit_are_not_saved(tmp_path, save, name, value):
    with pytest.raises(ValueError, match=r"wanted|no space|fit") as refused:
        save(tmp_path, {**RIGHT, name: value})
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "value"), WRONG, ids=range(len(WRONG)))
def test_fields_of_another_type_are_not_loaded_even_with_their_digest(
    tmp_path, monkeypatch, name, value
):
    monkeypatch.setattr(_metadata, "check_types", lambda *_: None)
    monkeypatch.setattr(_metadata, "check_arrays", lambda *_: None)
    storage.save_trajectories(tmp_path / "one.npz", RECORD, {**RIGHT, name: value})
    hdf5.save_hdf5(tmp_path / "one.hdf5", RECORD, {**RIGHT, name: value})
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"one\.npz|no space"):
        storage.load_trajectories(tmp_path / "one.npz")
    with pytest.raises(ValueError, match=r"one\.hdf5|no space"):
        hdf5.load_hdf5(tmp_path / "one.hdf5")


@pytest.mark.parametrize(("name", "value"), [("num_steps", 5), ("num_episodes", 1), *NOT_FITTING])
def test_what_arrays_say_otherwise_is_not_loaded(tmp_path, monkeypatch, name, value):
    sealed = _metadata.seal
    monkeypatch.setattr(_metadata, "seal", lambda about: sealed({**about, name: value}))
    monkeypatch.setattr(_metadata, "check_arrays", lambda *_: None)
    storage.save_trajectories(tmp_path / "one.npz", RECORD, RIGHT)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=rf"says that {name}|do not fit its arrays"):
        storage.load_trajectories(tmp_path / "one.npz")


def test_spaces_that_cannot_be_encoded_are_not_compared(tmp_path):
    nothing = {**BOX, "shape": [0]}
    storage.save_trajectories(tmp_path / "one.npz", RECORD, {**RIGHT, "observation_space": nothing})
    storage.load_trajectories(tmp_path / "one.npz")


def test_the_digest_covers_every_field():
    sealed = _metadata.seal(RIGHT)
    assert _metadata.is_whole(sealed)
    assert {name: sealed[name] for name in RIGHT} == RIGHT
    for name in RIGHT:
        assert not _metadata.is_whole({**sealed, name: "other"})
        assert not _metadata.is_whole({one: sealed[one] for one in sealed if one != name})
    assert not _metadata.is_whole({**sealed, "seed": 3.0})
    assert not _metadata.is_whole({**sealed, "more": 1})
    assert _metadata.seal(sealed) == sealed
