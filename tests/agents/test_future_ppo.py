"""Policy gradients into the future: training by its seed, collapse without a price, acting."""

import dataclasses

import gymnasium
import jax
import numpy as np
import pytest

from jax_s4rl.agents import future_information, future_ppo, future_update, recurrent_ppo
from jax_s4rl.data import trajectories
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import future_actor_critic, recurrent_policy
from jax_s4rl.modules import mixers
from tests.agents.small_future_agent import SETTINGS
from tests.collection import worlds

LEARNS = dataclasses.replace(
    SETTINGS,
    total_steps=960,
    optimization=dataclasses.replace(SETTINGS.optimization, learning_rate=1e-2),
)


def choose(settings, **choices):
    return dataclasses.replace(settings, objective=future_update.Objective(**choices))


@pytest.mark.slow
def test_a_bandit_is_learned_by_its_seed_and_acted_from_the_prior():
    rounds = list(recurrent_ppo.train(worlds.Corridor, LEARNS, seed=3))
    shares = [trajectories.from_episodes(each.episodes).rewards.mean() for each in rounds]
    assert np.mean(shares[:3]) < 0.7
    assert np.mean(shares[-3:]) > 0.9
    last = rounds[-1].metrics
    assert last.keys() >= {"actor_kl", "critic_kl", "actor_gap", "critic_gap", "actor_decoder"}
    assert np.isfinite(list(last.values())).all()
    again = next(iter(recurrent_ppo.train(worlds.Corridor, LEARNS, seed=3)))
    jax.tree.map(np.testing.assert_array_equal, again.params, rounds[0].params)
    config = recurrent_ppo.configure(worlds.Corridor, LEARNS)
    for latent in recurrent_policy.CHOICES:
        policy = recurrent_policy.RecurrentPolicy(config, 4, latent)
        record = rollout.rollout(
            worlds.Corridor,
            policy,
            rounds[-1].params,
            np.zeros(20, np.float32),
            greedy=np.zeros(20, bool),
            seed=0,
        ).record
        assert record.rewards.mean() > 0.9
        known = future_information.measure(
            config, rounds[-1].params, record, discount=LEARNS.discount
        )
        assert known.actor.kl.shape == (4,)


class Echo(worlds.Corridor):
    """The same corridor, whose right actions are coin flips that the next observation tells."""

    def reset(self, *, seed=None, options=None):
        self.luck, self.flips = 0, np.random.default_rng(seed)
        return super().reset(seed=seed, options=options)

    def step(self, action):
        self.luck = int(self.flips.integers(2))
        _, _, terminated, truncated, info = super().step(action)
        right = float(np.ravel(action)[0] == self.luck)
        return self._look(), right, terminated, truncated, info

    def _look(self):
        return np.array([2 * self.luck - 1, self.clock], np.float32)


@pytest.mark.slow
def test_without_a_price_the_latent_variables_tell_all_and_a_high_price_leaves_nothing():
    """Collapse: training lives on luck that no prior can know, and acting loses it."""
    found = {}
    for beta in (0.0, 10.0):
        settings = choose(LEARNS, beta=beta, final_beta=beta, free_nats=0.0)
        rounds = list(recurrent_ppo.train(Echo, settings, seed=0))
        names = ("actor_kl", "critic_kl", "critic_gap")
        found[beta] = {
            name: float(np.mean([each.metrics[name] for each in rounds[-5:]])) for name in names
        }
    assert min(found[0.0][name] for name in ("actor_kl", "critic_kl")) > 1
    assert found[0.0]["critic_gap"] > 0.1
    assert max(found[10.0][name] for name in ("actor_kl", "critic_kl")) < 0.01
    assert abs(found[10.0]["critic_gap"]) < 0.02


def test_settings_make_networks_of_their_own_and_plain_ones_stay():
    config = recurrent_ppo.configure(worlds.Corridor, SETTINGS)
    assert isinstance(config, future_actor_critic.FutureConfig)
    assert (config.latent, config.width) == (SETTINGS.latent, SETTINGS.width)
    plain = recurrent_ppo.Settings(width=8)
    assert type(recurrent_ppo.configure(worlds.Corridor, plain)) is not type(config)
    assert plain.rules.form != SETTINGS.rules.form


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"row_length": 1}, "a row of one step has no future"),
        (
            {
                "num_envs": 1,
                "num_minibatches": 1,
                "objective": future_update.Objective(future="other"),
            },
            "the future of another environment needs another one",
        ),
        ({"num_minibatches": 3}, "3 minibatches of whole environments for 4"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SETTINGS, **fields)


def test_continuous_actions_and_unknown_mixers_are_refused_before_training():
    with pytest.raises(ValueError, match="wanted Discrete from 0"):
        next(recurrent_ppo.train(lambda: gymnasium.make("Pendulum-v1"), SETTINGS, seed=0))
    latent = dataclasses.replace(SETTINGS.latent, size=3)
    assert dataclasses.replace(SETTINGS, latent=latent).latent.size == 3
    with pytest.raises(ValueError, match="there is no mixer 'gru'"):
        dataclasses.replace(latent, backward=mixers.MixerConfig("gru"))
    assert future_ppo.Settings().objective.future == "own"
