"""The weighted walk: its costs, its ends, and reference policies that reach their scores."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import reference_policies, reference_scores, weighted_walk


def test_each_step_costs_its_weight_and_the_arrival_pays():
    env = weighted_walk.WeightedWalkEnv()
    node, info = env.reset(seed=0)
    assert (node, info["cost"]) == (0, env.costs[0])
    observation, reward, terminated, truncated, info = env.step(4)
    assert (observation, reward) == (4, -env.weights[0, 4])
    assert (terminated, truncated) == (False, False)
    assert info["action_mask"].tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]
    observation, reward, terminated, truncated, info = env.step(9)
    assert (observation, reward) == (9, 32 - env.weights[4, 9])
    assert (terminated, truncated, info["is_success"]) == (True, False, True)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_to_stay_costs_a_step_alone():
    env = weighted_walk.WeightedWalkEnv(max_steps=3)
    env.reset(seed=0)
    ends = [env.step(0)[:4] for _ in range(3)]
    assert ends == [(0, 0.0, False, False)] * 2 + [(0, 0.0, False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"n_nodes": 1}, "n_nodes=1"),
        ({"largest_weight": 0}, "largest weight 0"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"arrival_reward": float("inf")}, "arrival_reward=inf"),
    ],
)
def test_bad_arguments_are_named(kwargs, named):
    with pytest.raises(ValueError, match=named):
        weighted_walk.WeightedWalkEnv(**kwargs)


@pytest.mark.parametrize("kwargs", [{}, {"graph_seed": 3, "n_nodes": 4, "max_steps": 5}])
def test_the_reference_policies_have_the_reference_scores(kwargs):
    env = gymnasium.make("jax_s4rl/WeightedWalk-v0", **kwargs)
    reference = reference_scores.scores("jax_s4rl/WeightedWalk-v0", **kwargs)
    best = reference_policies.play(env, reference_policies.optimal(env), 2, seed=0)
    random = reference_policies.play(env, reference_policies.uniform(env, seed=0), 4_000, seed=0)
    np.testing.assert_array_equal(best, reference.optimal)
    assert abs(random.mean() - reference.random) < 4 * random.std() / 4_000**0.5
