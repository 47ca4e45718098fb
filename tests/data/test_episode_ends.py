"""Where episodes end."""

import numpy as np
import pytest

from jax_s4rl.data import _episode_ends


@pytest.mark.parametrize(
    "ids",
    [
        [0, 0, 5, 5, 5, 9],
        [0.0, 0.0, 1.5, 1.5, 1.5, 2.0],
        list("aabbbc"),
        np.array(["run/1"] * 2 + ["run/2"] * 3 + ["x"], object),
        np.array([0, 0, 1, 1, 1, 2], np.uint8)[:, None],
        [2**63, 2**63, 1, 1, 1, 0],
    ],
    ids=str,
)
def test_ids_of_every_kind_change_between_episodes(ids):
    assert np.flatnonzero(_episode_ends.changes("ids", ids, 6)).tolist() == [1, 4]


def test_files_that_were_joined_may_use_ids_again():
    ids = [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert np.flatnonzero(_episode_ends.changes("ids", ids, 9)).tolist() == [2, 5]


def test_shuffled_ids_are_refused_and_the_advice_works():
    ids = np.array([0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"np.argsort"):
        _episode_ends.changes("ids", ids, 6)
    order = np.argsort(ids, kind="stable")
    assert np.flatnonzero(_episode_ends.changes("ids", ids[order], 6)).tolist() == [2]


@pytest.mark.parametrize("ids", [[0, 1], [np.nan] * 6, [[0, 1]] * 6, list("ab")], ids=str)
def test_ids_that_are_not_one_for_each_step_are_refused(ids):
    with pytest.raises(ValueError, match=r"^got ids of shape"):
        _episode_ends.changes("ids", ids, 6)


@pytest.mark.parametrize(
    ("longest", "wanted"),
    [(None, []), (1, [0, 1, 3, 4]), (2, [1, 4]), (3, []), (4, []), (99, [])],
)
def test_episodes_longer_than_the_longest_are_cut(longest, wanted):
    """Two episodes of three steps; the end of the second has no flag."""
    ends = np.array([False, False, True, False, False, False])
    assert np.flatnonzero(_episode_ends.cuts(ends, longest)).tolist() == wanted


def test_a_longest_length_below_one_is_refused():
    with pytest.raises(ValueError, match="wanted at least 1"):
        _episode_ends.cuts(np.zeros(3, bool), 0)


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.float32)])
def test_observations_of_two_types_are_compared_in_the_shorter_one(dtypes):
    values = np.arange(6)[:, None] * 0.1
    observed, following = values.astype(dtypes[0]), np.roll(values, -1, 0).astype(dtypes[1])
    ends = np.arange(6) == 5
    assert not _episode_ends.breaks(observed, following, ends, "flags").any()


def test_breaks_end_episodes_if_the_caller_says_so():
    observed = np.arange(6)[:, None]
    following = observed + 1
    following[2] = 99
    ends = np.arange(6) == 5
    with pytest.raises(ValueError, match=r'step 2 are not .* pass split="breaks"'):
        _episode_ends.breaks(observed, following, ends, "flags")
    found = _episode_ends.breaks(observed, following, ends, "breaks")
    assert np.flatnonzero(found).tolist() == [2]


def test_steps_out_of_order_are_no_breaks():
    order = np.random.default_rng(0).permutation(20)
    with pytest.raises(ValueError, match="out of order"):
        _episode_ends.breaks(order[:, None], order[:, None] + 1, np.zeros(20, bool), "breaks")
