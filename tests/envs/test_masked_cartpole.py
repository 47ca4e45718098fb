import gymnasium
import numpy as np
import pytest

import jax_s4rl.envs  # noqa: F401 (registers)


def test_it_is_cartpole_but_for_the_velocities():
    masked, full = gymnasium.make("jax_s4rl/MaskedCartPole-v0"), gymnasium.make("CartPole-v1")
    for seed in range(5):
        seen, expected = masked.reset(seed=seed)[0], full.reset(seed=seed)[0]
        for action in np.random.default_rng(seed).integers(2, size=100):
            np.testing.assert_array_equal(seen, expected[[0, 2]])
            results, others = masked.step(action), full.step(action)
            assert results[1:4] == others[1:4]
            seen, expected = results[0], others[0]
            if results[2]:
                break


def test_the_clock_is_cartpole_s():
    assert gymnasium.spec("jax_s4rl/MaskedCartPole-v0").max_episode_steps == 500
    assert gymnasium.spec("CartPole-v1").max_episode_steps == 500


def test_it_draws_cartpole_s_picture():
    env = gymnasium.make("jax_s4rl/MaskedCartPole-v0", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (400, 600, 3)
    env.close()


def test_an_action_outside_the_space_is_refused():
    env = gymnasium.make("jax_s4rl/MaskedCartPole-v0").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions 0 to 1"):
        env.step(2)
