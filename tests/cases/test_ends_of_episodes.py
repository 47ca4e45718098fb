"""Kind: data that do not say where episodes end, or that say it in some other way.

Public reports: Diffusion-Policies-for-Offline-RL#6 (an episode of 768,445 steps), D4RL#40.
"""

import warnings

import numpy as np
import pytest

from tests.cases import worlds

STEPS = 3000


@pytest.mark.parametrize("flags", [None, np.zeros(STEPS, bool), np.zeros((STEPS, 1))])
@pytest.mark.parametrize("longest", [1, 7, 1000, 2999])
def test_data_without_an_end_are_spoken_of_and_the_advice_works(flags, longest):
    with pytest.warns(UserWarning, match="pass max_episode_steps"):
        assert worlds.load(STEPS, terminals=flags).num_episodes == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record = worlds.load(STEPS, terminals=flags, max_episode_steps=longest)
    assert record.episode_lengths.max() == longest
    assert record.episode_lengths.min() == (STEPS % longest or longest)
    assert record.episode_returns.sum() == STEPS
    assert not record.terminations.any()
    assert record.truncations.sum() == record.num_episodes - 1
    # What followed a cut is known.
    ends = np.cumsum(record.episode_lengths)[:-1]
    np.testing.assert_array_equal(record.final_observations[:-1, 0], 2 * ends)


@pytest.mark.parametrize("ends", [[10], [0], [0, 1, 2], [5, 2998], [1000, 2000]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_breaks_are_found_and_split_at(ends, dtype):
    observed = np.arange(2 * STEPS).reshape(STEPS, 2).astype(dtype)
    following = np.roll(observed, -1, axis=0)
    following[[*ends, STEPS - 1]] = 77
    arrays = {"observations": observed, "next_observations": following, "terminals": None}
    with pytest.raises(ValueError, match='pass split="breaks"'):
        worlds.load(STEPS, **arrays)
    record = worlds.load(STEPS, **arrays, split="breaks")
    assert (np.cumsum(record.episode_lengths)[:-1] - 1).tolist() == ends
    assert (record.final_observations == 77).all()


def test_flags_and_a_longest_length_work_together():
    record = worlds.load(9, terminals=np.arange(9) == 4, max_episode_steps=3)
    assert record.episode_lengths.tolist() == [3, 2, 3, 1]
    assert np.flatnonzero(record.terminations).tolist() == [4]
    assert np.flatnonzero(record.truncations).tolist() == [2, 7]


def test_shuffled_steps_are_refused():
    order = np.random.default_rng(0).permutation(STEPS)
    observed = np.arange(2 * STEPS).reshape(STEPS, 2)
    arrays = {"observations": observed[order], "next_observations": (observed + 2)[order]}
    for split in ("flags", "breaks"):
        with pytest.raises(ValueError, match="the steps are out of order"):
            worlds.load(STEPS, **arrays, terminals=None, split=split)
    back = np.argsort(order)
    arrays = {name: values[back] for name, values in arrays.items()}
    assert worlds.load(STEPS, **arrays, terminals=np.arange(STEPS) == 99).num_episodes == 2
