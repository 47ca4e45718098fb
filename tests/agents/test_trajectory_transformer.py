"""The Trajectory Transformer end to end: tokens, loss, training, planning, saving and loading."""

import dataclasses
import math

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import planner, tasks
from jax_s4rl.agents import trajectory_transformer as agent
from jax_s4rl.data import transition_rows
from jax_s4rl.models import beam_search, trajectory_transformer
from jax_s4rl.modules import mixers
from tests.agents import untrained
from tests.data import records
from tests.models import small_trajectory

SEARCH = beam_search.SearchConfig(horizon=2, beam_width=4, distinct=True, action_mass=1.0)
SETTINGS = agent.Settings(
    model=trajectory_transformer.ModelConfig(
        mixers.MixerConfig("s4d", state_size=4),
        context_length=4,
        width=8,
        num_layers=1,
        mlp_ratio=1,
    ),
    plan=planner.PlanConfig(SEARCH, past=2),
    num_bins=5,
    batch_size=8,
    num_updates=4,
    updates_per_dispatch=2,
)
RECORD = records.make_record((3, 1, 5, 4), num_actions=2, observation_shape=(4,))
TASK = tasks.Task("CartPole-v1", {"max_episode_steps": 6}, "tiny", RECORD, 2, 6)


def settings(**changes):
    return dataclasses.replace(SETTINGS, **changes)


@pytest.fixture(scope="module")
def trained():
    return list(agent.train(SETTINGS, TASK, seeds=[0, 1]))


def test_tokens_are_observation_action_reward_and_value():
    config, bins, tokens = agent.tokenize(SETTINGS, TASK)
    assert (config.observation_size, config.action_size, config.num_dimensions) == (4, 1, 7)
    assert tokens.shape == (RECORD.num_steps, 7)
    np.testing.assert_array_equal(tokens[:, 4], RECORD.actions)
    assert (np.asarray(tokens) < np.array(config.counts)).all()
    # The value behind the last step of an episode is 0, which falls into one bin.
    last = RECORD.episode_starts + RECORD.episode_lengths - 1
    assert len(set(np.asarray(tokens[last, 6]).tolist())) == 1
    assert bins.counts[4] == 2


def test_an_index_has_all_its_categories():
    space = gymnasium.spaces.Discrete(9)
    record = untrained.make_record(space, space)
    task = tasks.Task(None, {}, "tiny", record, 9, 6, observation_space=space, action_space=space)
    config, _, tokens = agent.tokenize(SETTINGS, task)
    assert config.counts[:2] == (9, 9)
    np.testing.assert_array_equal(tokens[:, 0], record.observations)


def one_hot_task():
    """A task whose observations are a flag and a place among three."""
    place = np.eye(4, dtype=np.float32)[np.arange(RECORD.num_steps) % 4][:, :3]
    flags = (np.arange(RECORD.num_steps) % 3 == 0).astype(np.float32)[:, None]
    space = gymnasium.spaces.Box(0, 1, (4,), np.float32)
    record = dataclasses.replace(RECORD, observations=np.concatenate([flags, place], axis=1))
    return dataclasses.replace(TASK, record=record, observation_space=space)


def test_a_one_hot_part_is_one_token_with_all_its_categories():
    task = one_hot_task()
    config, _, tokens = agent.tokenize(settings(observation_parts=(1, 3)), task)
    assert (config.observation_size, config.counts[:2]) == (2, (2, 4))
    observations = task.record.observations
    wanted = np.where(observations[:, 1:].any(axis=1), observations[:, 1:].argmax(axis=1) + 1, 0)
    np.testing.assert_array_equal(tokens[:, :2], np.stack([observations[:, 0], wanted], axis=1))
    with pytest.raises(ValueError, match=r"part 0 of \(2, 2\) is no one-hot vector"):
        agent.tokenize(settings(observation_parts=(2, 2)), task)


def test_bins_are_of_the_chosen_kind():
    edges = [
        agent.tokenize(settings(bins=kind), TASK)[1].edges[0] for kind in ("quantile", "uniform")
    ]
    assert edges[0] != edges[1]
    assert np.ptp(np.diff(edges[1])) < 1e-5


def test_a_terminal_reward_replaces_that_of_terminations_before_values():
    config, bins, _ = agent.tokenize(settings(terminal_reward=-100.0, num_bins=100), TASK)
    assert bins.centers[5][0] == -100
    # Two steps before the end of an episode, where the discount is that of the settings.
    assert min(bins.centers[6]) < 0.99 * -100 + 10
    assert config.counts[5] <= 100
    plain = agent.tokenize(settings(num_bins=100), TASK)[1]
    assert min(plain.centers[5]) > -10


def test_the_loss_weighs_dimensions_and_leaves_out_what_is_not_known():
    config = small_trajectory.config(counts=(2, 2, 2, 2))
    params = jax.tree.map(jnp.zeros_like, small_trajectory.params(config))
    weights = (1.0, 5.0, 0.5, 2.0)
    loss = agent.loss_function(config, weights, is_training=False)
    tokens, mask = jnp.zeros((2, 3, 4), jnp.int32), jnp.array([[True] * 3, [True, False, False]])
    total, count = jax.jit(loss)(
        params, transition_rows.Rows(tokens, mask), jax.random.split(jax.random.key(0))
    )
    # Two tokens and stop are equally likely. The first token of a row is not predicted.
    wanted = math.log(3) * ((3 + 1) * sum(weights) - 2 * weights[0])
    assert float(total) == pytest.approx(wanted, rel=1e-5)
    assert float(count) == 11 + 3


@pytest.mark.slow
def test_seeds_are_trained_together_and_differ(trained):
    first, second = trained
    assert (first.seed, second.seed) == (0, 1)
    assert first.log.losses != second.log.losses
    assert first.num_parameters == second.num_parameters > 0


@pytest.mark.slow
def test_it_acts_and_one_seed_gives_one_rollout(trained):
    acted = [agent.act(trained[0], TASK, 3, seed=5) for _ in range(2)]
    assert acted[0].record.num_episodes == 3
    np.testing.assert_array_equal(acted[0].record.actions, acted[1].record.actions)


@pytest.mark.slow
def test_a_saved_model_acts_alike(trained, tmp_path):
    agent.save(trained[0], tmp_path / "model")
    loaded = agent.load(tmp_path / "model")
    assert (loaded.config, loaded.discretizer) == (trained[0].config, trained[0].discretizer)
    jax.tree.map(np.testing.assert_array_equal, loaded.params, trained[0].params)
    acted = [agent.act(each, TASK, 2, seed=1).record.actions for each in (loaded, trained[0])]
    np.testing.assert_array_equal(*acted)
    with pytest.raises(ValueError, match="holds a model already; name another folder"):
        agent.save(trained[1], tmp_path / "model")


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no model in"):
        agent.load(tmp_path)


def with_record(**changes):
    return dataclasses.replace(TASK, record=dataclasses.replace(RECORD, **changes))


def test_rewards_of_zero_are_refused_but_for_imitation():
    task = with_record(rewards=np.zeros_like(RECORD.rewards))
    with pytest.raises(ValueError, match="tiny has only rewards of 0, so no plan is better"):
        agent.tokenize(SETTINGS, task)
    search = dataclasses.replace(SEARCH, rank_by=beam_search.LIKELIHOOD)
    agent.tokenize(settings(plan=planner.PlanConfig(search, past=2)), task)


def test_one_action_is_refused():
    task = with_record(actions=np.ones_like(RECORD.actions))
    with pytest.raises(ValueError, match="tiny has one action only, so there is nothing to choose"):
        agent.tokenize(SETTINGS, task)


def test_images_are_refused():
    space, action = gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8), gymnasium.spaces.Discrete(2)
    task = tasks.Task(
        None,
        {},
        "tiny",
        untrained.make_record(space, action),
        2,
        6,
        observation_space=space,
        action_space=action,
    )
    with pytest.raises(ValueError, match="tiny has images as observations"):
        agent.tokenize(SETTINGS, task)


def test_a_horizon_beyond_the_rows_is_refused_before_training():
    plan = planner.PlanConfig(dataclasses.replace(SEARCH, horizon=3), past=2)
    with pytest.raises(ValueError, match=r"a plan of 3 transitions .* has rows of 5 transitions"):
        next(agent.train(settings(plan=plan), TASK, seeds=[0]))


def test_wrong_weights_are_refused():
    with pytest.raises(ValueError, match="give four numbers of at least 0"):
        agent.Settings(loss_weights=(1.0, 5.0, 1.0))  # pyright: ignore[reportArgumentType]
