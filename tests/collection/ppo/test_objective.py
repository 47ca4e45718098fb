"""Objective of PPO: advantages against a loop, ends told apart, and the clipped value by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.collection.ppo import network, objective

ROUNDING = 1e-5
DISCOUNT, LAMBDA = 0.9, 0.8


def make_outcomes(length=12, num_envs=3):
    rng = np.random.default_rng(0)
    ends = rng.random((length, num_envs)) < 0.3
    by_world = rng.random((length, num_envs)) < 0.5
    return objective.Outcomes(
        jnp.asarray(rng.normal(size=(length, num_envs)), jnp.float32),
        jnp.asarray(ends & by_world),
        jnp.asarray(ends & ~by_world),
    )


def advantages_by_hand(outcomes, values, next_values):
    """The sum of discounted errors up to the episode's end, written out forwards."""
    rewards, terminated = np.float64(outcomes.rewards), np.asarray(outcomes.terminations)
    ended = terminated | np.asarray(outcomes.truncations)
    found = np.zeros(rewards.shape)
    for start, env in np.ndindex(*rewards.shape):
        weight = 1.0
        for t in range(start, len(rewards)):
            after = 0.0 if terminated[t, env] else next_values[t, env]
            found[start, env] += weight * (rewards[t, env] + DISCOUNT * after - values[t, env])
            weight *= DISCOUNT * LAMBDA
            if ended[t, env]:
                break
    return found


def test_advantages_agree_with_the_sum_written_out():
    outcomes = make_outcomes()
    assert outcomes.terminations[:-1].any()
    assert outcomes.truncations[:-1].any()
    values, next_values = np.random.default_rng(1).normal(size=(2, 12, 3)).astype(np.float32)
    found = objective.advantages(
        outcomes, jnp.asarray(values), jnp.asarray(next_values), DISCOUNT, LAMBDA
    )
    np.testing.assert_allclose(
        found, advantages_by_hand(outcomes, values, next_values), rtol=ROUNDING, atol=ROUNDING
    )


def test_a_clock_bootstraps_from_the_last_observation_and_a_world_does_not():
    one = jnp.ones((1, 1))
    for terminated, truncated, wanted in (
        (False, True, 1 + DISCOUNT * 5 - 2),
        (True, False, 1 - 2),
    ):
        flags = jnp.full((1, 1), terminated), jnp.full((1, 1), truncated)
        found = objective.advantages(
            objective.Outcomes(one, *flags), 2 * one, 5 * one, DISCOUNT, LAMBDA
        )
        np.testing.assert_allclose(found, wanted, rtol=ROUNDING)


@pytest.mark.parametrize(
    ("limit", "wanted"),
    # Values moved from 1 to 3 and from 1 to 0, targets are 4 and 4: errors 1 and 16. Values moved
    # by no more than a half are 1.5 and 0.5, with errors 6.25 and 12.25; the larger ones count.
    [(None, (1 + 16) / 4), (0.5, (6.25 + 16) / 4)],
)
def test_the_larger_error_of_value_and_clipped_value_counts(limit, wanted):
    two = jnp.zeros(2)
    outputs = network.Outputs(jnp.zeros((2, 2)), jnp.zeros((2, 2)), jnp.array([3.0, 0.0]))
    chance = jnp.log(0.5) + two
    played = objective.Played(jnp.zeros(2, jnp.int32), chance, two + 1, two, two + 4)
    _, metrics = objective.loss(
        outputs, played, objective.Weights(value_clip_range=limit), discrete=True
    )
    np.testing.assert_allclose(metrics["value"], wanted, rtol=ROUNDING)
