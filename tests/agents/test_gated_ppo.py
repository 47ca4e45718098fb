"""PPO with a gate: what it judges by, what it leaves out, and that a bandit is learned."""

import contextlib
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import gated_ppo, recurrent_ppo, recurrent_update
from jax_s4rl.collection.ppo import environments
from jax_s4rl.data import trajectories
from jax_s4rl.models import recurrent_actor_critic
from tests import filling
from tests.agents.test_recurrent_ppo import SETTINGS as PLAIN
from tests.collection import worlds

SETTINGS = gated_ppo.Settings(**vars(PLAIN), hindsight_width=8)


@pytest.fixture(scope="module")
def played():
    config = recurrent_ppo.configure(worlds.Corridor, SETTINGS)
    init = functools.partial(recurrent_actor_critic.init, config)
    params = filling.fill(init, jax.random.key(0))
    with contextlib.closing(
        environments.Environments(worlds.Corridor, 4, seed=0, streams=(15,))
    ) as envs:
        rows, _ = recurrent_ppo.Player(config, envs).play(params, 12, jax.random.key(1))
    return config, params, rows


def test_outcomes_are_later_rewards_of_the_same_episode(played):
    _, _, rows = played
    distances = (0, 1, 5)
    found = np.asarray(gated_ppo.outcomes_of(rows, distances))
    rewards = np.asarray(rows.outcomes.rewards).T
    ended = np.asarray(rows.outcomes.terminations | rows.outcomes.truncations).T
    for row, step, number in np.ndindex(found.shape[:3]):
        later = step
        while later < step + distances[number] and not ended[row, later] and later < 11:
            later += 1
        goes_on = later < 11 and not ended[row, later]
        after = rows.inputs.observation[row, later + 1] if goes_on else np.zeros(2)
        np.testing.assert_allclose(found[row, step, number, :-2], after)
        assert found[row, step, number, -2] == pytest.approx(rewards[row, later])
        assert found[row, step, number, -1] == goes_on


@pytest.mark.slow
def test_actions_that_did_not_matter_change_no_policy(played):
    config, params, rows = played
    rows, rules = jax.tree.map(jnp.asarray, rows), SETTINGS.rules

    def gradient(threshold):
        form = gated_ppo.Gated(gated_ppo.Gate(threshold=threshold))
        viewed, metrics = form.view(config, rules, params, rows)
        # Neither value nor entropy, so that what is left is the policy and hindsight.
        weights = dataclasses.replace(rules.weights, entropy_weight=0.0, value_weight=0.0)
        part = recurrent_update.Minibatch(rows.start, rows.inputs, viewed)
        find = jax.grad(form.loss, argnums=2, has_aux=True)
        return find(config, weights, params, part, jnp.zeros(()))[0], metrics, viewed

    closed, metrics, _ = gradient(1e9)
    assert metrics["open"] == 0
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(closed["logits"]))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(closed["hindsight"]))
    opened, metrics, viewed = gradient(0.0)
    assert metrics["open"] == 1
    plain = recurrent_update.Plain()
    same, _ = jax.grad(plain.loss, argnums=2, has_aux=True)(
        config,
        dataclasses.replace(rules.weights, entropy_weight=0.0, value_weight=0.0),
        params,
        recurrent_update.Minibatch(rows.start, rows.inputs, viewed.played._replace(counts=None)),
        jnp.zeros(()),
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), opened["logits"], same["logits"]
    )


@pytest.mark.slow
def test_a_bandit_is_learned_behind_the_gate():
    longer = dataclasses.replace(SETTINGS, total_steps=1_920)
    rounds = list(recurrent_ppo.train(worlds.Corridor, longer, seed=3))
    shares = [trajectories.from_episodes(each.episodes).rewards.mean() for each in rounds]
    assert np.mean(shares[:3]) < 0.7
    assert np.mean(shares[-3:]) > 0.9
    # Without any credit the gate is open.
    assert rounds[0].metrics["open"] == 1
    assert rounds[-1].metrics["open"] < 1


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"threshold": -1.0}, "threshold is -1.0"),
        ({"distances": ()}, "give some of 0 steps or more"),
        ({"distances": (3, -1)}, "give some of 0 steps or more"),
    ],
)
def test_choices_out_of_range_are_refused(choice, sentence):
    with pytest.raises(ValueError, match=sentence):
        gated_ppo.Gate(**choice)
