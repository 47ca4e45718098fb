"""The better episodes, and what becomes of ties."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import returns, selection, trajectories
from jax_s4rl.envs import random_walk as random_walk_env
from jax_s4rl.evaluation import random_walk as walk_metrics
from tests.data import records


def record_of(*returns):
    """One-step episodes with these returns."""
    record = records.make_record((1,) * len(returns))
    changed = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return type(record)(**changed | {"rewards": np.array(returns, np.float32)})


def test_the_best_share_is_kept_in_the_order_of_the_record():
    record = record_of(5, 1, 4, 2, 3)
    assert selection.top_episodes(record, 0.4).tolist() == [0, 2]
    assert selection.top_episodes(record, 0.5).tolist() == [0, 2, 4]
    assert selection.top_episodes(record, 1.0).tolist() == [0, 1, 2, 3, 4]
    assert selection.top_episodes(record, 1e-6).tolist() == [0]


def test_of_ties_the_first_ones_are_kept_or_all():
    record = record_of(0, 1, 0, 0, 1, 0)
    assert selection.top_episodes(record, 0.5).tolist() == [0, 1, 4]
    assert selection.top_episodes(record, 0.5, ties="all").tolist() == [0, 1, 2, 3, 4, 5]
    assert selection.top_episodes(record, 1 / 6, ties="all").tolist() == [1, 4]


def test_a_whole_number_is_not_rounded_up():
    # In floating point numbers 0.07 * 100 is a little above 7.
    assert len(selection.top_episodes(record_of(*range(100)), 0.07)) == 7


def test_returns_of_whole_episodes_count():
    record = records.make_record((3, 1, 5, 2, 4), seed=3)
    kept = selection.top_episodes(record, 0.4)
    assert set(kept) == set(np.argsort(record.episode_returns)[-2:])
    assert record.select(kept).num_episodes == 2


def test_successes_are_all_that_were_paid():
    record = record_of(0, 1, -1, 11)
    assert selection.successes(record).tolist() == [1, 3]
    assert selection.successes(record, above=1).tolist() == [3]
    with pytest.raises(ValueError, match="above 11, the highest is 11"):
        selection.successes(record, above=11)


@pytest.mark.parametrize(
    ("share", "ties", "sentence"),
    [(0, "first", "share=0"), (10, "first", "share=10"), (0.1, "some", "ties='some'")],
)
def test_what_is_no_share_is_refused(share, ties, sentence):
    with pytest.raises(ValueError, match=sentence):
        selection.top_episodes(record_of(1, 2), share, ties=ties)


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
    return left(selection.relabel_returns(trajectories.from_episodes(walks)))


def record_walks(obs, count=60):
    def make_env():
        return random_walk_env.RandomWalkEnv(obs=obs)

    return recording.record_episodes(make_env, behaviors.uniform_legal, count, seed=0)


def test_an_action_counts_for_the_best_that_it_led_to_in_any_episode():
    assert composed(walk(2, 3, 2, 1, terminated=False), walk(1, 0)) == [[-4, -3, -2], [-1]]


def test_of_several_ways_the_best_counts():
    ways = (
        walk(1, 2, 0, rewards=(0, 5)),
        walk(1, 2, 3, 0, rewards=(0, 1, 1)),
        walk(3, 0, rewards=(9,)),
    )
    assert composed(*ways) == [[10, 5], [10, 10, 1], [9]]


def test_where_nobody_arrives_returns_stay_as_recorded():
    assert composed(walk(5, 6, 5, terminated=False), walk(1, 0)) == [[-2, -1], [-1]]


def test_ways_are_no_longer_than_the_longest_episode():
    coins = walk(1, 1, 1, terminated=False, rewards=(1, 1)), walk(1, 0, rewards=(0,))
    assert composed(*coins) == [[2, 2], [0]]  # in two steps: around once, and home


def test_on_a_graph_it_is_breadth_first_search_over_what_was_seen():
    record = record_walks("index")
    steps = walk_metrics.lookup(record, 20).composable
    assert (steps != walk_metrics.NO_WAY).all()
    after = np.concatenate(
        [np.append(each.observations[1:], each.final_observation) for each in record.episodes()]
    )
    np.testing.assert_array_equal(
        np.concatenate(left(selection.relabel_returns(record))), -1 - steps[after]
    )


def test_only_rewards_are_changed_and_one_hot_observations_are_as_good():
    record, one_hot = record_walks("index"), record_walks("onehot")
    found = selection.relabel_returns(record)
    records.assert_same(dataclasses.replace(found, rewards=record.rewards), record)
    np.testing.assert_array_equal(selection.relabel_returns(one_hot).rewards, found.rewards)
