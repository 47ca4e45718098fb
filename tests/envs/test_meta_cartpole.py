"""Meta-CartPole: one map and one start for all trials of an episode, and CartPole's own steps."""

import itertools

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control import cartpole

from jax_s4rl.envs import meta_cartpole, reference_policies, reference_scores


def play(env, actions, seed=0):
    """Observations that were acted on, the last one, and rewards, flags and infos."""
    shown, results = [env.reset(seed=seed)[0]], []
    for action in actions:
        observation, *result = env.step(action)
        shown.append(observation)
        results.append(result)
    return np.array(shown), results


def test_a_trial_is_cartpole_behind_the_map():
    env, plain = meta_cartpole.MetaCartPoleEnv(), cartpole.CartPoleEnv()
    actions = [0, 1] * 6
    shown, _ = play(env, actions)
    plain.reset(seed=0)
    plain.state = env._start.copy()
    states = [plain.state, *(plain.step(action)[0] for action in actions)]
    scales = np.array([plain.x_threshold, plain.theta_threshold_radians])
    wanted = (np.array(states)[:, [0, 2]] / scales) @ env.linear_map.T
    np.testing.assert_allclose(shown[:, :4], wanted, atol=1e-5)
    assert not shown[:, meta_cartpole.TRIAL_ENDED].any()
    # The positions alone are behind the map: four numbers of rank two.
    assert np.linalg.matrix_rank(shown[:, :4], tol=1e-4) == 2


def test_all_trials_start_alike_and_the_last_one_ends_the_episode():
    env = meta_cartpole.MetaCartPoleEnv(3, trial_steps=200)
    _, results = play(env, [1] * 12)
    length = next(number for number, result in enumerate(results, 1) if "trial_return" in result[3])
    shown, results = play(env, [1] * (3 * length))
    starts = np.flatnonzero(shown[:, meta_cartpole.TRIAL_ENDED])
    assert starts.tolist() == [length, 2 * length]
    for start in starts:
        np.testing.assert_array_equal(shown[start, :4], shown[0, :4])
    assert [result[1] for result in results] == [False] * (3 * length - 1) + [True]
    ended = [result[3]["trial_return"] for result in results if result[3]]
    np.testing.assert_allclose(ended, length / 200)
    found = meta_cartpole.trial_returns(shown[:-1], [result[0] for result in results])
    np.testing.assert_allclose(found, ended)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_maps_differ_between_episodes_unless_their_seed_is_given():
    env, fixed = meta_cartpole.MetaCartPoleEnv(), meta_cartpole.MetaCartPoleEnv(map_seed=1)
    maps, same, starts = [], [], []
    for seed in range(3):
        env.reset(seed=seed)
        maps.append(env.linear_map)
        fixed.reset(seed=seed)
        same.append(fixed.linear_map)
        starts.append(fixed._start)
    assert all((a != b).all() for a, b in itertools.pairwise(maps))
    np.testing.assert_array_equal(same[0], same[2])
    assert (starts[0] != starts[1]).all()


def test_the_twin_shows_the_state():
    env = meta_cartpole.MetaCartPoleEnv(view="state")
    shown, _ = play(env, [0, 1, 1])
    state = np.array(env.cartpole.state)
    np.testing.assert_allclose(shown[-1, [1, 3]], state[[1, 3]], rtol=1e-6)
    np.testing.assert_allclose(shown[-1, 0], state[0] / env.cartpole.x_threshold, rtol=1e-6)


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"num_trials": 0}, "num_trials=0"),
        ({"trial_steps": 0}, "trial_steps=0"),
        ({"view": "all"}, "mapped, state"),
    ],
)
def test_bad_arguments_are_named(kwargs, named):
    with pytest.raises(ValueError, match=named):
        meta_cartpole.MetaCartPoleEnv(**kwargs)


def test_the_reference_policies_have_the_reference_scores():
    kwargs = {"num_trials": 2, "trial_steps": 100}
    env = gymnasium.make("jax_s4rl/MetaCartPole-v0", **kwargs)
    reference = reference_scores.scores("jax_s4rl/MetaCartPole-v0", **kwargs)
    best = reference_policies.play(env, reference_policies.optimal(env), 5, seed=0)
    random = reference_policies.play(env, reference_policies.uniform(env, seed=0), 200, seed=0)
    np.testing.assert_allclose(best, reference.optimal)
    assert abs(random.mean() - reference.random) < 4 * random.std() / 200**0.5
    with pytest.raises(ValueError, match="100 or more"):
        reference_scores.scores("jax_s4rl/MetaCartPole-v0", trial_steps=20)
