import pickle

import numpy as np
import pytest

from jax_s4rl.data import d4rl
from tests.data import records


def bare(record):
    """The dictionary as D4RL's older files have it."""
    names = ("observations", "actions", "rewards", "terminals", "timeouts")
    return {name: array for name, array in d4rl.to_d4rl(record).items() if name in names}


@pytest.mark.parametrize("lengths", [(3, 1, 5), (4, 2, 3, 6), (1,)])
@pytest.mark.parametrize("action_size", [None, 2])
def test_round_trips_lose_nothing(lengths, action_size):
    """The third episode of each record was cut: no flag stands at its end."""
    record = records.make_record(lengths, action_size=action_size, observation_shape=(2, 3))
    records.assert_same(d4rl.from_d4rl(d4rl.to_d4rl(record)), record)
    records.assert_same(d4rl.from_list(d4rl.to_list(record)), record)


def test_d4rl_names_by_hand():
    record = records.make_record((3, 1))
    found = d4rl.to_d4rl(record)
    np.testing.assert_array_equal(found["next_observations"][:2], record.observations[1:3])
    np.testing.assert_array_equal(found["next_observations"][[2, 3]], record.final_observations)
    assert found["terminals"].tolist() == [False, False, True, False]
    assert found["timeouts"].tolist() == [False, False, False, True]
    assert found["infos/episode_ids"].tolist() == [0, 0, 0, 1]
    assert found["infos/episode_seeds"].tolist() == [100, 100, 100, 101]


def test_old_files_are_split_at_their_flags_and_the_last_episode_is_kept():
    record = records.make_record((3, 2, 5))
    with pytest.raises(ValueError, match='last_observation="repeat"'):
        d4rl.from_d4rl(bare(record))
    found = d4rl.from_d4rl(bare(record), last_observation="repeat")
    assert found.episode_lengths.tolist() == [3, 2, 5]
    assert found.episode_seeds.tolist() == [-1, -1, -1]
    np.testing.assert_array_equal(found.final_observations, record.observations[[2, 4, 9]])
    assert not found.terminations[-1]


def test_float64_arrays_of_others_are_taken():
    flat = {
        name: array.astype(np.float64)
        for name, array in bare(records.make_record((3, 2), action_size=2)).items()
    }
    found = d4rl.from_d4rl(flat, last_observation="repeat")
    assert (found.actions.dtype, found.rewards.dtype, found.terminations.dtype) == (
        np.float32,
        np.float32,
        bool,
    )
    assert found.observations.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rewards": None}, "without rewards"),
        ({"actions": np.zeros(3, np.int32)}, "wanted one entry per step"),
        (
            {"next_observations": np.zeros((4, 2), np.float32)},
            "next_observations of step 0 are not",
        ),
        ({"next_observations": np.zeros((3, 2), np.float32)}, "next_observations of shape"),
        ({"rewards": np.array([0, np.nan, 0, 0])}, "rewards value at row 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, sentence):
    flat = {**d4rl.to_d4rl(records.make_record((3, 1))), **change}
    with pytest.raises(ValueError, match=sentence):
        d4rl.from_d4rl({name: array for name, array in flat.items() if array is not None})


def test_entries_of_a_list_are_single_episodes():
    two = d4rl.to_d4rl(records.make_record((3, 2)))
    with pytest.raises(ValueError, match="entry 0 holds 2 episodes"):
        d4rl.from_list([two])
    with pytest.raises(ValueError, match="no trajectories"):
        d4rl.from_list([])


def test_pickles_are_read_only_when_the_caller_says_so(tmp_path):
    record = records.make_record((3, 2, 5))
    path = tmp_path / "hopper.pkl"
    d4rl.save_pickle(path, record)
    with pytest.raises(ValueError, match="allow_pickle=True"):
        d4rl.load_pickle(path)
    records.assert_same(d4rl.load_pickle(path, allow_pickle=True), record)


def test_damaged_and_missing_pickles_are_named(tmp_path):
    path = tmp_path / "one.pkl"
    with pytest.raises(FileNotFoundError, match="there is no file"):
        d4rl.load_pickle(path, allow_pickle=True)
    d4rl.save_pickle(path, records.make_record((3,)))
    for content in (b"", path.read_bytes()[:50]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="empty, truncated or not a pickle"):
            d4rl.load_pickle(path, allow_pickle=True)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="holds a dict"):
        d4rl.load_pickle(path, allow_pickle=True)
