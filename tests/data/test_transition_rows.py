"""Rows hold the record's own transitions, stop tokens behind terminations, and no other episode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import transition_rows
from tests.data import records

STOP = 99
# The first episode is terminated, the second truncated, the third cut in recording.
RECORD = records.make_record((3, 2, 4))
TOKENS = np.arange(2 * RECORD.num_steps).reshape(-1, 2)
STORE = transition_rows.make_store(TOKENS, RECORD)


@pytest.mark.parametrize("action_size", [None, 2])
def test_columns_are_those_of_the_record(action_size):
    record = records.make_record((3, 1), action_size=action_size)
    values = np.arange(4, dtype=np.float32)
    found = transition_rows.columns(record, record.rewards, values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :2], record.observations)
    np.testing.assert_array_equal(found[:, 2:-2], record.actions.reshape(4, -1))
    np.testing.assert_array_equal(found[:, -2], record.rewards)
    np.testing.assert_array_equal(found[:, -1], values)


def test_rows_end_with_stop_tokens_or_are_masked():
    rows = transition_rows.gather(STORE, jnp.array([1, 3, 7]), 4, STOP)
    stop = [STOP, STOP]
    assert rows.tokens.tolist() == [
        [[2, 3], [4, 5], stop, stop],
        [[6, 7], [8, 9], stop, stop],
        [[14, 15], [16, 17], stop, stop],
    ]
    # Behind a termination all is known, behind a limit nothing.
    assert rows.mask.tolist() == [
        [True, True, True, True],
        [True, True, False, False],
        [True, True, False, False],
    ]


def test_rows_begin_at_every_step_as_often():
    draw = transition_rows.make_draw(2, STOP)
    rows = jax.jit(draw)(jax.random.split(jax.random.key(0), 9_000), STORE)
    counts = np.bincount(np.asarray(rows.tokens[:, 0, 0]) // 2, minlength=9)
    # Each 1,000 times, with a standard deviation of 30.
    assert (abs(counts - 1_000) < 150).all()


def test_equal_choices_share_a_function():
    assert transition_rows.make_draw(3, 5) is transition_rows.make_draw(3, 5)
