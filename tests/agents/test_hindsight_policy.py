"""Policy gradients with hindsight credit: a late reward is learned by every form of credit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import hindsight_policy


@dataclasses.dataclass(frozen=True)
class Late:
    """The first of three actions decides the last reward; the second one earns noise."""

    num_actions: int = 2
    num_steps: int = 3
    pays: bool = True

    def reset(self, key):
        return jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)

    def observe(self, state):
        step, first = state
        return jnp.concatenate([jax.nn.one_hot(step, 3), first.astype(jnp.float32)[None]])

    def step(self, state, action, key):
        step, first = state
        first = jnp.where(step == 0, action, first)
        noise = jnp.where(jax.random.bernoulli(key), 1.0, -1.0)
        last = first.astype(jnp.float32) if self.pays else jnp.ones(())
        earned = jnp.where(step == 2, last, jnp.where(step == 1, noise, 0.0))
        return (step + 1, first), earned


SETTINGS = hindsight_policy.Settings(
    num_updates=150,
    width=16,
    hindsight_width=16,
    learning_rate=1e-2,
    hindsight_learning_rate=1e-2,
    entropy_weight=0.0,
)


@pytest.mark.slow
@pytest.mark.parametrize("credit", hindsight_policy.CREDITS)
def test_every_credit_finds_the_action_that_pays_late(credit):
    chosen = dataclasses.replace(SETTINGS, credit=credit)
    log, params = hindsight_policy.train(Late(), chosen, seed=0)
    assert log.returns.shape == log.last_rewards.shape == (150, 8)
    # A random policy has one half, the best one with its share of random actions 0.975.
    assert log.last_rewards[:10].mean() < 0.75
    assert log.last_rewards[-10:].mean() > 0.9
    assert (log.hindsight_loss > 0).all() == (credit not in hindsight_policy.PLAIN)
    # Without random actions nothing is left between the policy and the best one.
    chosen = dataclasses.replace(chosen, uniform_share=0.0, batch_size=100)
    episodes = hindsight_policy.play(Late(), chosen, params.policy, jax.random.key(1))
    assert episodes.rewards[:, -1].mean() > 0.95
    assert (log.largest_ratio > 0.5).all()


@pytest.mark.slow
def test_a_reward_that_no_action_changes_gives_no_credit():
    chosen = dataclasses.replace(SETTINGS, entropy_weight=1.0)
    log, _ = hindsight_policy.train(Late(pays=False), chosen, seed=1)
    # The entropy of the choice, which the bonus keeps uniform: nothing more is known about it.
    assert log.hindsight_loss[-50:].mean() == pytest.approx(np.log(2), abs=0.05)


def test_parameters_are_counted_without_what_is_not_used():
    counts = {
        credit: hindsight_policy.num_parameters(
            Late(), dataclasses.replace(SETTINGS, credit=credit)
        )
        for credit in hindsight_policy.CREDITS
    }
    # One input per return, one per feature of a state, three per reward.
    assert counts["none"] == counts["value"]
    assert counts["none"] < counts["return"] < counts["reward"]


def test_episodes_are_those_of_the_simulator():
    init = jax.jit(hindsight_policy._init, static_argnums=(0, 1))
    params = init(Late(), SETTINGS, jax.random.key(0)).policy
    play = jax.jit(hindsight_policy.play, static_argnums=(0, 1))
    episodes = play(Late(), SETTINGS, params, jax.random.key(1))
    assert episodes.observations.shape == (8, 3, 4)
    np.testing.assert_array_equal(episodes.rewards[:, 2], episodes.actions[:, 0])
    np.testing.assert_array_equal(np.abs(episodes.rewards[:, 1]), 1)
    np.testing.assert_array_equal(episodes.observations[:, 1:, 3], episodes.actions[:, [0, 0]])


@pytest.mark.parametrize(
    "wrong", [{"credit": "luck"}, {"uniform_share": 1.0}, {"num_updates": 0}, {"return_scale": 0.0}]
)
def test_choices_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        hindsight_policy.Settings(**wrong)
