"""One-hot vectors become the place of their one, and nothing else is taken for one."""

import jax
import numpy as np
import pytest

from jax_s4rl.data import one_hot

SIZES = (4, 1, 2)


def test_every_row_of_parts_is_told_apart():
    rows = np.array(
        [
            [*place, flag, *pair]
            for place in [*np.eye(4), np.zeros(4)]
            for flag in (0, 1)
            for pair in ((0, 0), (1, 0), (0, 1))
        ],
        np.float32,
    )
    one_hot.check(rows, SIZES)
    packed = np.asarray(jax.jit(lambda rows: one_hot.pack(rows, SIZES))(rows))
    assert len(np.unique(packed, axis=0)) == len(rows)
    limits = [count or 2 for count in one_hot.categories(SIZES)]
    assert (packed < np.array(limits)).all()
    assert packed.max(axis=0).tolist() == [4, 1, 2]


def test_parts_of_one_number_may_hold_anything():
    rows = np.array([[0.5, -3.0]], np.float32)
    one_hot.check(rows, (1, 1))
    np.testing.assert_array_equal(one_hot.pack(rows, (1, 1)), rows)


@pytest.mark.parametrize("part", [[1, 1], [0.5, 0], [2, 0], [-1, 1]])
def test_other_vectors_are_refused(part):
    with pytest.raises(ValueError, match=r"part 1 of \(1, 2\) is no one-hot vector in every row"):
        one_hot.check(np.array([[9, 0, 1], [9, *part]], np.float32), (1, 2))


@pytest.mark.parametrize("sizes", [(2,), (3, 0), (2, 2)])
def test_lengths_have_to_sum_up(sizes):
    with pytest.raises(ValueError, match="give lengths of at least 1 that sum up to it"):
        one_hot.check(np.zeros((1, 3), np.float32), sizes)
