import dataclasses

import numpy as np
import pytest

from jax_s4rl.data import trajectories
from tests.data import records


def test_episodes_come_back_as_they_went_in():
    record = records.make_record((3, 1, 5), action_size=2)
    records.assert_same(trajectories.from_episodes(record.episodes()), record)
    assert [len(episode.rewards) for episode in record.episodes()] == [3, 1, 5]
    assert record.episode(1).seed == 101
    np.testing.assert_array_equal(record.episode(2).observations, record.observations[4:9])


def test_numbers_by_hand():
    record = records.make_record((3, 1, 5))
    assert (record.num_steps, record.num_episodes, record.is_discrete) == (9, 3, True)
    assert record.episode_starts.tolist() == [0, 3, 4]
    sums = [record.rewards[:3].sum(), record.rewards[3], record.rewards[4:].sum()]
    np.testing.assert_allclose(record.episode_returns, sums, rtol=1e-6)


def test_select_and_concatenate_undo_each_other():
    record = records.make_record((3, 1, 5, 2))
    parts = [record.select([index]) for index in range(4)]
    records.assert_same(trajectories.concatenate(parts), record)
    records.assert_same(record.select([3, 1, 0, 2]).select([2, 1, 3, 0]), record)
    assert record.select([2, 2]).episode_lengths.tolist() == [5, 5]


def test_a_record_cannot_be_changed_by_accident():
    record = records.make_record()
    with pytest.raises(ValueError, match="read-only"):
        record.rewards[0] = 1.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rewards": np.full(9, np.nan, np.float32)}, "rewards value at row 0 that is not finite"),
        ({"actions": np.zeros(8, np.int32)}, "actions with 8 entries, wanted 9, one per step"),
        ({"actions": np.full(9, -1, np.int32)}, "discrete action -1"),
        ({"actions": np.zeros(9, np.int64)}, "actions of type int64, wanted int32"),
        ({"actions": np.zeros((9, 2, 2), np.float32)}, "flatten"),
        ({"rewards": np.zeros(9, np.float64)}, "rewards of type float64, wanted float32"),
        ({"episode_lengths": np.array([3, 1, 4])}, "adding up to 8"),
        ({"episode_lengths": np.array([4, 0, 5])}, "at least 1"),
        (
            {"episode_seeds": np.zeros(2, np.int64)},
            "episode_seeds with 2 entries, wanted 3, one per episode",
        ),
        ({"final_observations": np.zeros((3, 4), np.float32)}, "final observations of shape"),
        (
            {"observations": np.zeros((9, 0)), "final_observations": np.zeros((3, 0))},
            "at least one number for each step",
        ),
        ({"final_observations": np.zeros((3, 2), np.int32)}, "final_observations of type int32"),
        ({"terminations": np.arange(9) == 1}, "step 1 ends an episode in the middle"),
    ],
)
def test_what_is_no_record_is_refused_in_one_sentence(change, sentence):
    record = records.make_record((3, 1, 5))
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    with pytest.raises(ValueError, match=sentence):
        trajectories.Trajectories(**{**fields, **change})


def test_records_without_steps_or_of_unlike_spaces_are_refused():
    with pytest.raises(ValueError, match="no episodes"):
        trajectories.from_episodes([])
    with pytest.raises(ValueError, match="no trajectories"):
        trajectories.concatenate([])
    unlike = [records.make_record((2,)), records.make_record((2,), observation_shape=(3,))]
    with pytest.raises(ValueError, match="observations of different kinds"):
        trajectories.concatenate(unlike)
    with pytest.raises(ValueError, match="observations of different shapes"):
        trajectories.from_episodes([unlike[0].episode(0), unlike[1].episode(0)])


@pytest.mark.parametrize("indices", [[], [3], [-1]])
def test_episodes_that_are_not_there_cannot_be_selected(indices):
    with pytest.raises(ValueError, match="each from 0 to 2"):
        records.make_record((3, 1, 5)).select(indices)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rewards": np.full(3, 1e300)}, "rewards as large as"),
        ({"rewards": ["1", "2", "3"]}, "rewards of type"),
        ({"terminations": [0, 0, 0.5]}, "wanted flags, 0 or 1"),
        ({"truncations": ["a", "b", "c"]}, "truncations of type"),
        ({"observations": [["a"], ["b"], ["c"]]}, "observations of type"),
        ({"actions": [-1, 0, 1]}, "actions from 0 on"),
        ({"actions": 1e12 + np.arange(3.0)}, "subtract a constant"),
    ],
)
def test_values_of_episodes_are_not_cast_unseen(change, sentence):
    episode = records.make_record((3,), observation_shape=(1,)).episode(0)
    with pytest.raises(ValueError, match=sentence):
        trajectories.from_episodes([episode._replace(**change)])


def test_values_of_episodes_may_be_lists():
    episode = records.make_record((3,), action_size=2).episode(0)
    listed = episode._replace(
        **{
            name: getattr(episode, name).tolist()
            for name in ("observations", "actions", "rewards", "terminations", "truncations")
        }
    )
    found = trajectories.from_episodes([listed])
    np.testing.assert_array_equal(found.actions, episode.actions)
    np.testing.assert_array_equal(found.rewards, episode.rewards)
