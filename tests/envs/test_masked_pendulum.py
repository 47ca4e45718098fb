"""Pendulum without its velocity: the same world, half of the observation."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import reference_policies, reference_scores


def test_it_is_pendulum_but_for_the_velocity():
    masked, full = gymnasium.make("jax_s4rl/MaskedPendulum-v0"), gymnasium.make("Pendulum-v1")
    for seed in range(3):
        torques = np.random.default_rng(seed).uniform(-2, 2, (200, 1)).astype(np.float32)
        seen, expected = masked.reset(seed=seed)[0], full.reset(seed=seed)[0]
        ends = []
        for torque in torques:
            np.testing.assert_array_equal(seen, expected[:2])
            (seen, *result), (expected, *other) = masked.step(torque), full.step(torque)
            assert result[:3] == other[:3]
            ends.append(result[2])
        assert ends == [False] * 199 + [True]


def test_it_draws_pendulum_s_picture():
    env = gymnasium.make("jax_s4rl/MaskedPendulum-v0", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (500, 500, 3)
    env.close()


def test_scores_and_spaces_are_pendulum_s():
    scores = [
        reference_scores.scores(env_id) for env_id in ("jax_s4rl/MaskedPendulum-v0", "Pendulum-v1")
    ]
    assert scores[0] == scores[1]
    masked, full = gymnasium.make("jax_s4rl/MaskedPendulum-v0"), gymnasium.make("Pendulum-v1")
    assert masked.action_space == full.action_space
    assert masked.observation_space.high.tolist() == full.observation_space.high[:2].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_controller_needs_no_velocity(seed):
    """From the second step on it computes the velocity, and acts as with it."""
    env = gymnasium.make("Pendulum-v1")
    observation, _ = env.reset(seed=seed)
    masked = reference_policies.MaskedPendulum()
    for step in range(200):
        torque = reference_policies.pendulum(observation)
        found = masked(observation[:2])
        if step:
            # Where the torque switches with the sign of the velocity, rounding may decide.
            is_close = np.abs(found - torque) < 1e-2
            assert is_close or abs(observation[2]) < 1e-2
        observation, *_ = env.step(torque)


def test_it_stands_up_without_a_velocity():
    env = gymnasium.make("jax_s4rl/MaskedPendulum-v0")
    policy = reference_policies.optimal(env)
    heights = []
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        reference_policies.reset(policy)
        truncated = False
        while not truncated:
            observation, _, _, truncated, _ = env.step(policy(observation))
        heights.append(observation[0])
    assert min(heights) > 0.99
