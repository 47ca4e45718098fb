"""Kind: numbers that 32 bits do not hold: stamps, ids, cents, sentinels, long sums.

Public reports: jax-ml/jax#18385, FinRL#77 (a return of -2.93e+20 in one episode).
"""

import numpy as np
import pytest

from jax_s4rl.data import returns, windows
from tests.cases import worlds

RISING = {
    "ids": np.arange(6) * 2**33,
    "ids beyond 53 bits": np.arange(6) * (2**58 + 1),
    "ids beyond 63 bits": np.arange(6, dtype=np.uint64) * np.uint64(2**61 + 1),
    "cents": np.array([0, 5_000_000_000, 6_000_000_000, 10**10, 10**11, 10**12]),
    "large floats": np.arange(6) * 1e30,
    "around 31 bits": 2**31 - 2_500_000 + 1_000_000 * np.arange(6),
    "around 32 bits": (2**32 - 6 + np.arange(6)) * 1_000_003 - 2**32 * 1_000_003,
}


@pytest.mark.parametrize("values", RISING.values(), ids=RISING)
def test_rising_numbers_rise_on_the_device(values):
    column = np.stack([values, np.arange(6, dtype=values.dtype)], axis=1)
    held = np.asarray(windows.make_store(worlds.load(observations=column)).observations)[:, 0]
    assert (np.diff(held.astype(np.float64)) > 0).all()
    np.testing.assert_allclose(held.astype(float), values.astype(float), rtol=1e-6)


STAMPS = {
    "milliseconds": 1_700_000_000_000 + np.arange(6),
    "nanoseconds": 1_700_000_000_000_000_000 + 1000 * np.arange(6),
    "behind 63 bits": np.uint64(2**63) + np.arange(6, dtype=np.uint64),
    "seconds as floats": 1.7e9 + np.arange(6.0),
    "negative": -(2**40) - np.arange(6),
}


@pytest.mark.parametrize("values", STAMPS.values(), ids=STAMPS)
def test_stamps_are_refused_and_the_advice_works(values):
    column = np.stack([np.arange(6, dtype=values.dtype), values], axis=1)
    with pytest.raises(ValueError, match=r"in feature 1 .* subtract a constant"):
        windows.make_store(worlds.load(observations=column))
    with pytest.raises(ValueError, match="subtract a constant"):
        worlds.load(observations=column, observation_space=worlds.Box(-np.inf, np.inf, (2,)))
    column[:, 1] -= column[:, 1].min()
    held = windows.make_store(worlds.load(observations=column)).observations
    np.testing.assert_array_equal(held, column)


def test_a_stamp_that_never_changes_is_no_loss():
    column = np.stack([np.full(6, 1_700_000_000_000), np.arange(6)], axis=1)
    assert windows.make_store(worlds.load(observations=column)).observations.shape == (6, 2)


@pytest.mark.parametrize("sentinel", [-1e18, 1e18, -2.93e20, -3e37])
@pytest.mark.parametrize("at", range(6))
def test_a_sentinel_changes_no_other_episode(sentinel, at):
    rewards = np.ones(6)
    rewards[at] = sentinel
    record = worlds.load(rewards=rewards)
    found = returns.returns_to_go(record.rewards, record.episode_lengths)
    other = slice(3, 6) if at < 3 else slice(0, 3)
    assert found[other].tolist() == [3, 2, 1]
    assert record.episode_returns[1 - at // 3] == 3
    behind = np.arange(at + 1, 3 * (at // 3 + 1))
    np.testing.assert_array_equal(found[behind], 3 - behind % 3)


@pytest.mark.parametrize("reward", [1e300, -1e300, np.inf, np.nan, 3.3e38])
def test_rewards_that_float32_does_not_hold_are_refused(reward):
    with pytest.raises(ValueError, match=r"rescale|drop or repair"):
        worlds.load(rewards=np.array([1, 1, reward, 1, 1, 1]))


def test_a_policy_follows_a_sentinel_as_the_data_say():
    class Crash(worlds.World):
        def step(self, action):
            observation, _, *rest = super().step(action)
            return observation, -1e18 if self.clock == 3 else 1.0, *rest

    record, _ = worlds.act(Crash)
    assert record.rewards[:6].tolist() == [1, 1, np.float32(-1e18), 1, 1, 1]
