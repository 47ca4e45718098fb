import numpy as np
import pytest

from jax_s4rl.envs import _controllers, reference_policies, registry


@pytest.mark.parametrize(
    ("env_id", "best"), [("CartPole-v1", 500), ("jax_s4rl/MaskedCartPole-v0", 500), ("cartpole/0", 1001)]
)
def test_the_pole_never_falls(env_id, best):
    env = registry.make(env_id)
    assert (reference_policies.play(env, reference_policies.optimal(env), 5, seed=100) == best).all()


def test_the_pendulum_stands_up_from_everywhere():
    env = registry.make("Pendulum-v1")
    heights = []
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        truncated = False
        while not truncated:
            observation, _, _, truncated, _ = env.step(_controllers.pendulum(observation))
        heights.append(observation[0])
    assert min(heights) > 0.99


def test_the_torque_is_one_that_the_motor_has():
    generator = np.random.default_rng(0)
    for angle, velocity in generator.uniform([-np.pi, -8], [np.pi, 8], (200, 2)):
        torque = _controllers.pendulum(np.array([np.cos(angle), np.sin(angle), velocity]))
        assert torque.shape == (1,)
        assert torque.dtype == np.float32
        assert abs(torque[0]) <= 2


def test_a_policy_with_memory_forgets():
    policy = _controllers.MaskedCartPole()
    first = policy(np.array([0.0, 0.01]))
    policy(np.array([0.0, -0.2]))
    _controllers.forget(policy)
    assert policy(np.array([0.0, 0.01])) == first
    _controllers.forget(_controllers.cartpole)  # has nothing to forget
