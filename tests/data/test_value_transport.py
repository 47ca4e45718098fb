"""Value transport on reads by hand: runs, ties, the threshold, the period, and empty rows."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.data import value_transport
from tests.data import records

# A period of two steps.
RULE = value_transport.Rule(discount=0.5)


def reads_of(*strengths, times=0, weights=1.0):
    """One head that always reads one row."""
    shape = (len(strengths), 1, 1)
    return value_transport.Reads(
        np.array(strengths, float)[:, None], np.full(shape, times), np.full(shape, weights)
    )


def steps_of_head(reads, head):
    return value_transport.transport_times(
        reads.strengths[:, head], reads.times[:, head], reads.weights[:, head], RULE
    )


def steps_of(*strengths):
    return steps_of_head(reads_of(*strengths), 0)


@pytest.mark.parametrize(
    ("discount", "period"), [(0.92, 12), (0.99, 100), (0.9, 10), (0.5, 2), (0.0, 1), (1.0, 25)]
)
def test_the_period_is_the_horizon_of_the_discount(discount, period):
    assert value_transport.Rule(discount=discount).period == period


@pytest.mark.parametrize(
    ("strengths", "steps"),
    [
        ((0, 0, 0, 0, 5), [4]),  # a run at the end counts
        ((0, 0, 0, 3, 5, 4, 0, 0), [4]),  # the largest of a run
        ((0, 0, 0, 3, 1, 4, 6, 0), [3, 6]),  # two runs
        ((0, 0, 0, 4, 4, 4), [3]),  # the first of equal ones
        ((0, 0, 0, 2, 2, 2), []),  # the threshold itself is not above it
        ((9, 9, 9, 0, 0, 0), []),  # reads inside of the period
        ((9, 9, 9, 3, 0, 0), [3]),  # a run begins where the row is old enough
    ],
)
def test_steps_of_transport(strengths, steps):
    assert steps_of(*strengths) == steps


def test_a_young_main_row_is_no_candidate():
    strengths, times = np.full((5, 1), 9.0), np.tile([0, 4], (5, 1, 1))
    weights = np.tile([0.4, 0.6], (5, 1, 1))
    reads = value_transport.Reads(strengths, times, weights)
    assert not value_transport.transport(reads, np.ones(5), RULE).any()
    heavy = reads._replace(weights=weights[..., ::-1])
    # Only the old row is paid.
    np.testing.assert_allclose(
        value_transport.transport(heavy, np.ones(5), RULE), [0.9 * 0.6, 0, 0, 0, 0]
    )


def test_empty_rows_are_not_paid():
    for empty in (-1, 7):
        assert not value_transport.transport(
            reads_of(*[9] * 5, times=empty), np.ones(5), RULE
        ).any()
    times = np.tile([0, -1, 4], (5, 1, 1))
    reads = value_transport.Reads(np.full((5, 1), 9.0), times, np.tile([0.5, 0.3, 0.2], (5, 1, 1)))
    found = value_transport.transport(reads, np.full(5, 2.0), RULE)
    np.testing.assert_allclose(found, [0.9 * 0.5 * 2, 0, 0, 0, 0])


def test_heads_and_rows_of_one_step_add_up():
    times = np.zeros((4, 2, 2), int)
    weights = np.tile([0.25, 0.5], (4, 2, 1))
    reads = value_transport.Reads(np.full((4, 2), 9.0), times, weights)
    values = np.array([0.0, 0.0, 0.0, -2.0])
    # Negative values are transported as well.
    np.testing.assert_allclose(
        value_transport.transport(reads, values, RULE), [2 * 0.9 * 0.75 * -2, 0, 0, 0]
    )


def test_the_heaviest_rows_alone_are_paid():
    times = np.tile([0, 1, 2], (6, 1, 1))
    weights = np.tile([0.2, 0.5, 0.3], (6, 1, 1))
    strengths = np.array([0, 0, 0, 0, 0, 9.0])[:, None]
    rule = dataclasses.replace(RULE, most_rows=2, share=1.0)
    found = value_transport.transport(
        value_transport.Reads(strengths, times, weights), np.ones(6), rule
    )
    np.testing.assert_allclose(found, [0, 0.5, 0.3, 0, 0, 0])


def test_what_is_paid_is_at_most_a_share_of_the_values():
    rng = np.random.default_rng(0)
    for _ in range(50):
        weights = rng.dirichlet(np.ones(4), (30, 3))
        times = rng.integers(-3, 30, (30, 3, 4))
        strengths, values = rng.gamma(2.0, size=(30, 3)), rng.random(30)
        reads = value_transport.Reads(strengths, times, weights)
        found = value_transport.transport(reads, values, RULE)
        most = 0.9 * sum(values[steps_of_head(reads, head)].sum() for head in range(3))
        assert 0 <= found.sum() <= most + 1e-12


def test_the_strength_of_attention_is_its_share_on_old_steps():
    rng = np.random.default_rng(1)
    weights = np.tril(rng.random((8, 8)))[:, None]
    weights /= weights.sum(axis=2, keepdims=True)
    reads = value_transport.attention_reads(weights, RULE)
    for step in range(8):
        assert reads.strengths[step, 0] == pytest.approx(weights[step, 0, : max(step - 2, 0)].sum())


def test_relabelled_episodes_differ_in_their_rewards_alone():
    record = records.make_record((6, 2, 5))
    reads = [reads_of(*strengths) for strengths in ((0,) * 5 + (9,), (9, 9), (0, 0, 0, 9, 0))]
    values = np.arange(record.num_steps, dtype=float)
    found = value_transport.relabel(record, reads, values, RULE)
    extra = found.rewards - record.rewards
    # The values of the last step of the first episode, and of the fourth of the third.
    np.testing.assert_allclose(extra[[0, 8]], [0.9 * 5, 0.9 * 11], rtol=1e-5)
    assert np.count_nonzero(extra) == 2
    records.assert_same(dataclasses.replace(found, rewards=record.rewards), record)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rewards": np.zeros(14, np.float32)}, "has only rewards of 0"),
        ({"actions": np.zeros(14, np.int32)}, "has one action only"),
        ({}, "a value for each step"),
    ],
)
def test_what_cannot_be_relabelled_is_refused(change, sentence):
    record = dataclasses.replace(records.make_record((6, 3, 5)), **change)
    with pytest.raises(ValueError, match=sentence):
        value_transport.relabel(record, [], np.zeros(14))


def test_arrays_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="of one episode"):
        value_transport.transport(reads_of(1, 2, 3)._replace(strengths=np.ones((2, 1))), np.ones(3))


@pytest.mark.parametrize(
    "wrong", [{"discount": 1.5}, {"share": -0.1}, {"threshold": float("nan")}, {"most_rows": 0}]
)
def test_choices_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        value_transport.Rule(**wrong)
