import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import _pendulum_values, reference_scores


def test_a_step_is_gymnasium_s():
    env = gymnasium.make("Pendulum-v1").unwrapped
    env.reset(seed=0)
    generator = np.random.default_rng(0)
    for angle, velocity, torque in generator.uniform([-6, -8, -2], [6, 8, 2], (200, 3)):
        env.state = np.array([angle, velocity])
        _, reward, *_ = env.step(np.array([torque]))
        ours = _pendulum_values.step(angle, velocity, torque)
        np.testing.assert_allclose([*env.state, reward], ours, rtol=1e-12, atol=1e-12)


def test_random_play_is_the_reference():
    returns = _pendulum_values.random_returns(10_000, seed=1)
    error = np.hypot(returns.std() / 100, reference_scores.PENDULUM.random_error)
    assert abs(returns.mean() - reference_scores.PENDULUM.random) < 3 * error


def test_a_coarse_grid_comes_near_the_reference():
    # The reference comes from 181 x 161 x 17 points; coarser grids lose about 4 (measured: -143.0
    # and -140.5).
    values = _pendulum_values.solve(61, 61, 7)
    returns = _pendulum_values.greedy_returns(values, 1000, seed=0)
    error = np.hypot(returns.std() / np.sqrt(1000), reference_scores.PENDULUM.optimal_error)
    assert (
        reference_scores.PENDULUM.optimal - 5 - 3 * error
        < returns.mean()
        < reference_scores.PENDULUM.optimal + 3 * error
    )


@pytest.mark.slow
def test_the_reference_is_what_the_fine_grid_achieves():
    returns = _pendulum_values.greedy_returns(_pendulum_values.solve(), 4000, seed=5)
    error = np.hypot(returns.std() / np.sqrt(4000), reference_scores.PENDULUM.optimal_error)
    assert abs(returns.mean() - reference_scores.PENDULUM.optimal) < 3 * error
