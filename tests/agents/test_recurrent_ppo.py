"""Recurrent PPO: rows that are played are rows that are trained on, and a bandit is learned."""

import contextlib
import dataclasses
import functools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import recurrent_ppo
from jax_s4rl.collection import recording
from jax_s4rl.collection.ppo import environments
from jax_s4rl.data import trajectories
from jax_s4rl.models import recurrent_actor_critic
from jax_s4rl.modules import mixers
from tests import filling
from tests.collection import worlds
from tests.data import records

SETTINGS = recurrent_ppo.Settings(
    width=8,
    num_blocks=1,
    total_steps=480,
    num_envs=4,
    row_length=12,
    num_minibatches=2,
    optimization=dataclasses.replace(recurrent_ppo.Settings().optimization, learning_rate=1e-2),
)
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def played():
    """Second rows of a player, whose first row left a memory, and all episodes so far."""
    config = recurrent_ppo.configure(worlds.Corridor, SETTINGS)
    init = functools.partial(recurrent_actor_critic.init, config)
    params = filling.fill(init, jax.random.key(0))
    with contextlib.closing(
        environments.Environments(worlds.Corridor, 4, seed=0, streams=(15,))
    ) as envs:
        player = recurrent_ppo.Player(config, envs)
        _, before = player.play(params, 12, jax.random.key(1))
        rows, after = player.play(params, 12, jax.random.key(2))
    along = jax.jit(recurrent_actor_critic.along, static_argnums=0)
    return config, params, rows, before + after, along


def test_the_ratio_of_the_first_minibatch_is_one_at_every_step(played):
    config, params, rows, _, along = played
    _, found = along(config, params, rows.start, rows.inputs)
    chances = jax.nn.log_softmax(found.logits)
    chosen = np.take_along_axis(np.asarray(chances), rows.actions[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(np.exp(chosen - rows.log_probability), 1, rtol=ROUNDING)
    np.testing.assert_allclose(found.value, rows.values, rtol=ROUNDING, atol=ROUNDING)
    # Starts lie inside of the rows, and some rows begin within an episode.
    assert rows.inputs.is_first[:, 1:].any(axis=1).all()
    assert not rows.inputs.is_first[:, 0].all()


def test_flags_and_actions_are_those_before_a_step(played):
    _, _, rows, _, _ = played
    ended = (rows.outcomes.terminations | rows.outcomes.truncations).T
    first, previous = rows.inputs.is_first, rows.inputs.previous_action
    np.testing.assert_array_equal(first[:, 1:], ended[:, :-1])
    np.testing.assert_array_equal(previous[:, 1:], np.where(ended, -1, rows.actions)[:, :-1])
    rewards = np.where(ended, 0, rows.outcomes.rewards.T)
    np.testing.assert_array_equal(rows.inputs.previous_reward[:, 1:], rewards[:, :-1])
    np.testing.assert_array_equal(rows.inputs.observation[..., 1] == 0, first)


def test_the_value_behind_a_time_limit_is_that_of_the_last_observation(played):
    config, params, rows, episodes, along = played
    cut = [episode for episode in episodes if episode.truncations[-1]]
    empty = jax.tree.map(jnp.zeros_like, rows.start)
    wanted = []
    # Of every truncated episode, its 4 steps and its last observation as a row of its own, in the
    # shape of the rows that were played, so that nothing is compiled again.
    for number in range(0, len(cut), 4):
        inputs = jax.tree.map(lambda array: np.array(array), rows.inputs)
        for row, episode in enumerate(cut[number : number + 4]):
            inputs.observation[row, :5] = [*episode.observations, episode.final_observation]
            inputs.previous_action[row, :5] = [-1, *episode.actions]
            inputs.is_first[row, :5] = [True, False, False, False, False]
        _, found = along(config, params, empty, inputs)
        wanted += found.value[: len(cut) - number, 4].tolist()
    found = rows.next_values[rows.outcomes.truncations.T]
    assert len(found) > 2
    gaps = np.abs(found[:, None] - np.array(wanted)[None]).min(axis=1)
    assert gaps.max() < ROUNDING
    # Elsewhere the next value is that of the next step.
    goes_on = ~(rows.outcomes.terminations | rows.outcomes.truncations).T[:, :-1]
    np.testing.assert_array_equal(rows.next_values[:, :-1][goes_on], rows.values[:, 1:][goes_on])


@pytest.mark.slow
def test_a_bandit_is_learned_and_its_rounds_are_recorded():
    settings = dataclasses.replace(SETTINGS, total_steps=960)
    rounds = list(recurrent_ppo.train(worlds.Corridor, settings, seed=3))
    assert len(rounds) == settings.num_updates == 20
    assert [each.num_steps for each in rounds] == list(range(48, 961, 48))
    history = [trajectories.from_episodes(each.episodes) for each in rounds]
    shares = [record.rewards.mean() for record in history]
    assert np.mean(shares[:3]) < 0.7
    assert np.mean(shares[-3:]) > 0.9
    records.assert_same(recording.reenact(worlds.Corridor, history[0]), history[0])
    assert np.isfinite(list(rounds[-1].metrics.values())).all()
    again = next(iter(recurrent_ppo.train(worlds.Corridor, settings, seed=3)))
    jax.tree.map(np.testing.assert_array_equal, again.params, rounds[0].params)


@pytest.mark.slow
def test_a_training_that_diverges_stops_with_a_sentence():
    fast = dataclasses.replace(SETTINGS.optimization, learning_rate=1e30, clip=1e30)
    with pytest.raises(FloatingPointError, match=r"no longer finite after \d+ steps; lower"):
        list(
            recurrent_ppo.train(
                worlds.Corridor, dataclasses.replace(SETTINGS, optimization=fast), seed=0
            )
        )


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"num_minibatches": 3}, "3 minibatches of whole environments for 4"),
        ({"total_steps": 40}, "at least one round of 48 steps"),
        ({"num_epochs": 0}, "got num_epochs=0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SETTINGS, **fields)


@pytest.mark.parametrize(
    ("make_env", "mixer", "sentence"),
    [
        (lambda: gymnasium.make("Pendulum-v1"), "s5", "wanted Discrete from 0"),
        (worlds.Corridor, "attention", "attention without a window"),
        (worlds.Corridor, "gru", "there is no mixer 'gru'"),
    ],
)
def test_environments_and_mixers_that_do_not_fit_are_refused(make_env, mixer, sentence):
    settings = dataclasses.replace(SETTINGS, mixer=mixers.MixerConfig(mixer))
    with pytest.raises(ValueError, match=sentence):
        next(recurrent_ppo.train(make_env, settings, seed=0))
