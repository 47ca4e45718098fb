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


HUGE = [-1e18, 1e18, -2.93e20, 1e30, -3e38]


@pytest.mark.parametrize("sentinel", HUGE)
@pytest.mark.parametrize("at", range(12))
def test_one_huge_reward_changes_no_other_episode_and_nothing_behind_it(sentinel, at):
    rewards = np.ones(12, np.float32)
    rewards[at] = sentinel
    found = returns.returns_to_go(rewards, np.array([4, 4, 4]))
    wanted = np.tile([4.0, 3.0, 2.0, 1.0], 3)
    first = 4 * (at // 4)
    np.testing.assert_allclose(found[first : at + 1], sentinel, rtol=1e-6)
    others = np.delete(np.arange(12), np.arange(first, at + 1))
    np.testing.assert_array_equal(found[others], wanted[others])


def test_many_small_rewards_add_up():
    rewards = np.full(1_000_000, 0.1, np.float32)
    found = returns.returns_to_go(rewards, np.array([1_000_000]))
    assert found[0] == pytest.approx(float(rewards.astype(np.float64).sum()), rel=1e-6)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float16, np.float64])
def test_rewards_of_any_type_add_up(dtype):
    rewards = np.ones(300, dtype)
    assert returns.returns_to_go(rewards, np.array([300]))[0] == 300


def test_returns_beyond_float32_are_refused():
    with pytest.raises(ValueError, match=r"add up to 6e\+38 .* rescale"):
        returns.returns_to_go(np.full(2, 3e38, np.float32), np.array([2]))


@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_values_telescope(discount):
    lengths = np.array([5, 1, 8])
    rewards = np.random.default_rng(0).normal(size=14).astype(np.float32)
    values = returns.values_after(rewards, lengths, discount)
    is_last = np.isin(np.arange(14), np.cumsum(lengths) - 1)
    assert (values[is_last] == 0).all()
    # r_t + d V_t = V_{t-1}, for every step but the first of an episode.
    follows = np.flatnonzero(~is_last) + 1
    np.testing.assert_allclose(
        rewards[follows] + discount * values[follows], values[follows - 1], rtol=1e-5, atol=1e-6
    )


def test_values_without_a_discount_are_returns_to_go_behind_the_step():
    rewards, lengths = np.arange(6, dtype=np.float32), np.array([4, 2])
    values = returns.values_after(rewards, lengths, 1.0)
    np.testing.assert_array_equal(values, returns.returns_to_go(rewards, lengths) - rewards)


def test_a_discount_beyond_one_is_refused():
    with pytest.raises(ValueError, match=r"discount is 1\.5; choose a number from 0 to 1"):
        returns.values_after(np.ones(2), np.array([2]), 1.5)
