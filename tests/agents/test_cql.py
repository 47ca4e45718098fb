"""Conservative Q-learning end to end: training of several seeds at once, and acting."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.agents import cql, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from jax_s4rl.models import q_network
from jax_s4rl.training import cql_loss, optimizer, target_network
from tests.data import records

SMALL = cql.Settings(
    network=q_network.NetworkConfig(width=32, num_layers=1),
    loss=cql_loss.ConservativeConfig(discount=0.95, conservatism=0.1),
    target=target_network.TargetConfig(rate=0.02),
    batch_size=64,
    num_updates=1000,
    updates_per_dispatch=500,
    optimization=optimizer.OptimizerConfig(learning_rate=3e-3, weight_decay=0.0),
)


def make_task(env_id, num_episodes, **kwargs):
    with registry.make(env_id, **kwargs) as env:
        num_actions = getattr(env.action_space, "n", None)
        record = recording.record_episodes(
            lambda: registry.make(env_id, **kwargs),
            behaviors.uniform(env.action_space),
            num_episodes,
            seed=0,
        )
    longest = int(record.episode_lengths.max())
    return tasks.Task(
        env_id, kwargs, "tiny", record, num_actions and int(num_actions), longest, -7.7, -3.3
    )


@pytest.fixture(scope="module")
def task():
    return make_task("jax_s4rl/RandomWalk-v0", 1500)


@pytest.fixture(scope="module")
def trained(task):
    return list(cql.train(SMALL, task, seeds=[0, 1]))


@pytest.mark.slow
def test_it_finds_short_paths_in_random_walks(task, trained):
    # One-step values stitch: nodes are fully observed, and edges are in the data.
    acted = cql.act(trained[0], task, greedy=np.ones(100, bool), seed=1000)
    assert acted.record.episode_returns.mean() > task.record.episode_returns.mean() + 3


def test_seeds_are_trained_together_and_differ(trained):
    first, second = trained
    assert (first.seed, second.seed) == (0, 1)
    assert first.log.losses != second.log.losses
    assert first.num_parameters == 20 * 32 + 32 * 32 + 32 + 32 * 20 + 20


def test_what_is_sampled_is_more_random_than_what_is_greedy(task, trained):
    sampled = cql.act(trained[0], task, greedy=np.zeros(60, bool), seed=1000)
    greedy = cql.act(trained[0], task, greedy=np.ones(60, bool), seed=1000)
    assert greedy.record.episode_returns.mean() > sampled.record.episode_returns.mean()


def test_another_environment_can_be_acted_in(task, trained):
    started = []

    def make_env():
        world = registry.make("jax_s4rl/RandomWalk-v0", graph_seed=1)
        started.append(world)
        return world

    acted = cql.act(trained[0], task, greedy=np.ones(3, bool), seed=0, make_env=make_env)
    assert len(started) == acted.record.num_episodes == 3


def test_the_network_is_shaped_by_the_data(task):
    config = cql.configure(SMALL, task)
    assert (config.observation_kind, config.num_observations, config.num_actions) == (
        "index",
        20,
        20,
    )
    assert config.horizon == 10


def test_continuous_actions_are_refused():
    continuous = make_task("Pendulum-v1", 1)
    with pytest.raises(
        ValueError, match="tiny has continuous actions, but Q-learning needs discrete ones"
    ):
        cql.configure(SMALL, continuous)


@pytest.mark.parametrize(("changes", "sentence"), records.EMPTY_HANDED)
def test_data_that_teach_nothing_are_refused(task, changes, sentence):
    empty = dataclasses.replace(task, record=records.without(task.record, changes))
    with pytest.raises(ValueError, match=sentence):
        cql.configure(SMALL, empty)
