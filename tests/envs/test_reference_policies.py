import numpy as np
import pytest

from jax_s4rl.envs import reference_policies, registry

OPTIMAL = [
    ("umbrella_length/4", {}, None),
    ("umbrella_distract/9", {}, None),
    ("memory_len/10", {}, 1.0),
    ("memory_size/12", {}, 1.0),
    ("discounting_chain/3", {}, 1.1),
    ("jax_s4rl/KeyDoor-v0", {}, 11.0),
    ("jax_s4rl/KeyDoor-v0", {"layout": "random", "obs": "full"}, 11.0),
    ("jax_s4rl/KeyToDoor-v0", {"preset": "dt"}, 1.0),
    ("jax_s4rl/KeyToDoor-v0", {"preset": "low_var", "distractor_steps": 90}, 11.0),
]


@pytest.mark.parametrize(("env_id", "kwargs", "best"), OPTIMAL)
def test_optimal_policies_take_the_optimum(env_id, kwargs, best):
    env = registry.make(env_id, **kwargs)
    returns = reference_policies.play(env, reference_policies.optimal(env), 10, seed=0)
    if best is None:  # all rewards but the last are coins
        assert env.unwrapped.bsuite_info()["total_regret"] == 0
    else:
        np.testing.assert_allclose(returns, best)


def test_the_shortest_path_is_walked():
    env = registry.make("jax_s4rl/RandomWalk-v0")
    policy = reference_policies.optimal(env)
    for start in env.unwrapped.starts:
        observation, _ = env.reset(options={"start": start})
        steps, terminated = 0, False
        while not terminated:
            observation, _, terminated, _, _ = env.step(policy(observation))
            steps += 1
        assert steps == env.unwrapped.distances[start]


def test_random_walkers_take_edges_unless_told_otherwise():
    env = registry.make("jax_s4rl/RandomWalk-v0")
    for choose, expected in (("edges", 0.0), ("nodes", 0.9)):
        policy = reference_policies.uniform(env, seed=0, choose=choose)
        observation, info = env.reset(seed=0)
        stays = []
        for _ in range(200):
            action = policy(observation)
            stays.append(not info["action_mask"][action])
            observation, _, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                observation, info = env.reset()
        assert np.mean(stays) == pytest.approx(expected, abs=0.07)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "jax_s4rl/KeyDoor-v0"])
def test_uniform_actions_fill_the_space_and_follow_the_seed(env_id):
    env = registry.make(env_id)
    draws = [
        [policy(None) for _ in range(100)]
        for policy in (reference_policies.uniform(env, seed) for seed in (0, 0, 1))
    ]
    assert all(env.action_space.contains(action) for action in draws[0])
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert np.ptp(draws[0]) >= (5 if "KeyDoor" in env_id else 1)


def test_playing_is_a_function_of_the_seeds():
    env = registry.make("CartPole-v1")
    first, again, other = (
        reference_policies.play(env, reference_policies.uniform(env, 0), 5, seed=seed)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_what_is_not_known_is_said():
    with pytest.raises(ValueError, match="no optimal policy is known"):
        reference_policies.optimal(registry.make("MountainCar-v0"))
    with pytest.raises(ValueError, match="umbrella_"):
        reference_policies.optimal(registry.make("deep_sea/0"))
    with pytest.raises(ValueError, match="choose='legs'"):
        reference_policies.uniform(registry.make("CartPole-v1"), 0, choose="legs")


@pytest.mark.parametrize(
    ("env_id", "best"),
    [("CartPole-v1", 500), ("jax_s4rl/MaskedCartPole-v0", 500), ("cartpole/0", 1001)],
)
def test_the_pole_never_falls(env_id, best):
    env = registry.make(env_id)
    assert (
        reference_policies.play(env, reference_policies.optimal(env), 5, seed=100) == best
    ).all()


def test_the_pendulum_stands_up_from_everywhere():
    env = registry.make("Pendulum-v1")
    heights = []
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        truncated = False
        while not truncated:
            observation, _, _, truncated, _ = env.step(reference_policies.pendulum(observation))
        heights.append(observation[0])
    assert min(heights) > 0.99


def test_the_torque_is_one_that_the_motor_has():
    generator = np.random.default_rng(0)
    for angle, velocity in generator.uniform([-np.pi, -8], [np.pi, 8], (200, 2)):
        torque = reference_policies.pendulum(np.array([np.cos(angle), np.sin(angle), velocity]))
        assert torque.shape == (1,)
        assert torque.dtype == np.float32
        assert abs(torque[0]) <= 2


def test_a_policy_with_memory_forgets():
    policy = reference_policies.MaskedCartPole()
    first = policy(np.array([0.0, 0.01]))
    policy(np.array([0.0, -0.2]))
    reference_policies.reset(policy)
    assert policy(np.array([0.0, 0.01])) == first
    reference_policies.reset(reference_policies.cartpole)  # has nothing to forget
