import numpy as np
import pytest

from jax_s4rl.data import returns

# The stored sequence is rounded once, the acting rule once a step: float32 rounding of sums of
# about 30 in 40 steps.
ROUNDING = 1e-4


def naive(rewards, lengths):
    found, start = [], 0
    for length in lengths:
        found += [
            sum(float(r) for r in rewards[t : start + length]) for t in range(start, start + length)
        ]
        start += length
    return np.array(found)


def test_acting_on_an_episodes_own_rewards_gives_back_the_stored_sequence():
    lengths = np.array([40, 1, 17])
    rewards = np.random.default_rng(0).normal(0, 5, lengths.sum()).astype(np.float32)
    stored = returns.returns_to_go(rewards, lengths)
    start = 0
    for length in lengths:
        target = stored[start]
        for t in range(start, start + length):
            np.testing.assert_allclose(target, stored[t], atol=ROUNDING)
            target = returns.next_target(target, rewards[t])
        np.testing.assert_allclose(target, 0, atol=ROUNDING)
        start += length


def test_whole_numbers_are_exact_in_data_and_acting():
    lengths = np.array([500, 3])
    rewards = np.ones(503, np.float32)
    stored = returns.returns_to_go(rewards, lengths)
    assert stored.dtype == np.float32
    target = stored[0]
    for t in range(500):
        assert target == stored[t]
        target = returns.next_target(target, rewards[t])
    assert target == 0


def test_agrees_with_the_sum_written_out():
    lengths = np.array([5, 9, 1, 2])
    rewards = np.random.default_rng(1).normal(size=17).astype(np.float32)
    np.testing.assert_allclose(
        returns.returns_to_go(rewards, lengths), naive(rewards, lengths), rtol=1e-6, atol=1e-6
    )


def test_small_rewards_survive_beside_a_long_record():
    rewards = np.full(200_000, 0.1, np.float32)
    stored = returns.returns_to_go(rewards, np.full(20_000, 10))
    np.testing.assert_allclose(stored.reshape(-1, 10)[-1], naive(rewards[:10], [10]), rtol=1e-6)


def test_lengths_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="add up to 3 steps but there are 4 rewards"):
        returns.returns_to_go(np.ones(4), np.array([1, 2]))
