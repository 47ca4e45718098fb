"""Composed returns: joined across episodes, never cut by the clock, as recorded where nothing can be joined."""

import dataclasses

import numpy as np

from jax_s4rl.collection import random_policy, rollouts
from jax_s4rl.data import relabeling, returns, trajectories
from jax_s4rl.envs import random_walk
from jax_s4rl.evaluation import paths
from tests.data import records


def walk(*nodes, terminated=True, rewards=None):
    """An episode that goes from node to node."""
    ends = np.arange(1, len(nodes)) == len(nodes) - 1
    return trajectories.Episode(
        observations=np.array(nodes[:-1]),
        actions=np.array(nodes[1:]),
        rewards=-np.ones(len(nodes) - 1) if rewards is None else np.array(rewards),
        terminations=ends & terminated,
        truncations=ends & (not terminated),
        final_observation=np.array(nodes[-1]),
        seed=0,
    )


def left(record):
    """Returns-to-go of each episode."""
    found = returns.returns_to_go(record.rewards, record.episode_lengths)
    return [part.tolist() for part in np.split(found, record.episode_starts[1:])]


def composed(*walks):
    return left(relabeling.compose(trajectories.from_episodes(walks)))


def record_walks(obs, count=60):
    def make_env():
        return random_walk.RandomWalkEnv(obs=obs)

    return rollouts.record_episodes(make_env, random_policy.uniform_legal, count, seed=0)


def test_an_action_counts_for_the_best_that_it_led_to_in_any_episode():
    assert composed(walk(2, 3, 2, 1, terminated=False), walk(1, 0)) == [[-4, -3, -2], [-1]]


def test_of_several_ways_the_best_counts():
    ways = walk(1, 2, 0, rewards=(0, 5)), walk(1, 2, 3, 0, rewards=(0, 1, 1)), walk(3, 0, rewards=(9,))
    assert composed(*ways) == [[10, 5], [10, 10, 1], [9]]


def test_where_nobody_arrives_returns_stay_as_recorded():
    assert composed(walk(5, 6, 5, terminated=False), walk(1, 0)) == [[-2, -1], [-1]]


def test_ways_are_no_longer_than_the_longest_episode():
    coins = walk(1, 1, 1, terminated=False, rewards=(1, 1)), walk(1, 0, rewards=(0,))
    assert composed(*coins) == [[2, 2], [0]]  # in two steps: around once, and home


def test_on_a_graph_it_is_breadth_first_search_over_what_was_seen():
    record = record_walks("index")
    steps = paths.lookup(record, 20).composable
    assert (steps != paths.NO_WAY).all()
    after = np.concatenate([np.append(each.observations[1:], each.final_observation) for each in record.episodes()])
    np.testing.assert_array_equal(np.concatenate(left(relabeling.compose(record))), -1 - steps[after])


def test_only_rewards_are_changed_and_one_hot_observations_are_as_good():
    record, one_hot = record_walks("index"), record_walks("onehot")
    found = relabeling.compose(record)
    records.assert_same(dataclasses.replace(found, rewards=record.rewards), record)
    np.testing.assert_array_equal(relabeling.compose(one_hot).rewards, found.rewards)
