"""Actor and critic with latents of the future: who may know what, in rows with ends inside."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import future_actor_critic as networks
from jax_s4rl.models import latent_cloning, recurrent_actor_critic
from jax_s4rl.modules import mixers
from tests import filling

LENGTH, SIZE = 6, 2
CONFIG = networks.FutureConfig(
    3,
    2,
    LENGTH,
    mixers.MixerConfig("lstm"),
    width=8,
    num_blocks=1,
    latent=latent_cloning.LatentConfig(size=SIZE, backward=mixers.MixerConfig("s5", state_size=4)),
)
PARAMS = filling.fill(functools.partial(recurrent_actor_critic.init, CONFIG), jax.random.key(0))
# The second episode starts at step 4.
STARTS = np.array([[1, 0, 0, 0, 1, 0]], bool)
RNG = np.random.default_rng(0)
INPUTS = recurrent_actor_critic.Inputs(
    jnp.asarray(RNG.normal(size=(1, LENGTH, 3)), jnp.float32),
    jnp.asarray(np.where(STARTS, -1, RNG.integers(2, size=STARTS.shape)), jnp.int32),
    jnp.asarray(RNG.normal(size=STARTS.shape), jnp.float32),
    jnp.asarray(STARTS),
    jnp.asarray(RNG.normal(size=(1, LENGTH, CONFIG.num_draws)), jnp.float32),
)
LATER = networks.Later(
    INPUTS.observation,
    jnp.asarray(RNG.integers(2, size=STARTS.shape), jnp.int32),
    jnp.asarray(RNG.normal(size=STARTS.shape), jnp.float32),
    jnp.ones((1, LENGTH), bool),
    jnp.asarray([[1, 1, 1, 0, 1, 0]], bool),
)


def start():
    return recurrent_actor_critic.init_state(CONFIG, PARAMS, 1)


def said(observation, rewards, later):
    """Logits and value of each step, from observations, and from rewards of the future."""
    later = None if later is None else later._replace(observation=observation, reward=rewards)
    inputs = INPUTS._replace(observation=observation)
    found = networks.look_ahead(CONFIG, PARAMS, start(), inputs, later).said
    return jnp.concatenate([found.logits, found.value[..., None]], axis=-1)[0]


def test_without_a_future_rows_are_what_acting_says():
    _, acted = jax.jit(recurrent_actor_critic.along, static_argnums=0)(
        CONFIG, PARAMS, start(), INPUTS
    )
    found = jax.jit(networks.look_ahead, static_argnums=0)(CONFIG, PARAMS, start(), INPUTS, None)
    np.testing.assert_array_equal(acted.logits, found.said.logits)
    np.testing.assert_array_equal(acted.value, found.said.value)
    assert not found.summary.any()
    assert found.actor.posterior is not found.critic.posterior


@pytest.mark.slow
def test_gradients_come_from_the_future_in_training_and_never_in_acting():
    def reached(later):
        """Whether an output of a step depends on an observation, and on a reward, of another."""
        of = jax.jit(jax.jacobian(lambda o, r: said(o, r, later), argnums=(0, 1)))
        by_observation, by_reward = of(INPUTS.observation, LATER.reward)
        # [output step, outputs, input step, features] and [output step, outputs, input step].
        return (
            np.abs(by_observation[:, :, 0]).max(axis=(1, 3)) > 0,
            np.abs(by_reward[:, :, 0]).max(axis=1) > 0,
        )

    past = np.zeros((LENGTH, LENGTH), bool)
    future = np.zeros((LENGTH, LENGTH), bool)
    for episode in (range(4), range(4, 6)):
        for step in episode:
            past[step, episode[0] : step + 1] = True
            future[step, step + 1 : episode[-1] + 1] = True
    by_observation, by_reward = reached(None)
    np.testing.assert_array_equal(by_observation, past)
    assert not by_reward.any()
    by_observation, by_reward = reached(LATER)
    np.testing.assert_array_equal(by_observation, past | future)
    np.testing.assert_array_equal(by_reward, future)


@pytest.mark.slow
def test_the_future_enters_by_the_latent_variables_alone():
    """With posteriors that ignore the summary, nothing reads it: neither actor nor critic."""
    blind = jax.tree.map(lambda array: array, PARAMS)
    for name in ("actor_latent", "critic_latent"):
        hidden = blind[name]["posterior"]["hidden"]
        # The features of the past come first.
        hidden["kernel"] = hidden["kernel"].at[CONFIG.width :].set(0)
    run = jax.jit(networks.look_ahead, static_argnums=0)
    found = [
        run(CONFIG, blind, start(), INPUTS, LATER._replace(reward=LATER.reward + shift))
        for shift in (0.0, jnp.asarray(RNG.normal(size=STARTS.shape), jnp.float32))
    ]
    np.testing.assert_array_equal(found[0].said.logits, found[1].said.logits)
    np.testing.assert_array_equal(found[0].said.value, found[1].said.value)
    assert np.abs(found[0].summary - found[1].summary).max() > 1e-3


def test_both_latent_variables_have_noise_of_their_own():
    run = jax.jit(recurrent_actor_critic.along, static_argnums=0)
    base, *changed = (
        run(CONFIG, PARAMS, start(), INPUTS._replace(draws=INPUTS.draws + jnp.asarray(shift)))[1]
        for shift in np.array([[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]], np.float32)[:, None, None]
    )
    moved = [
        (np.abs(each.logits - base.logits).max() > 0, np.abs(each.value - base.value).max() > 0)
        for each in changed
    ]
    assert moved == [(True, False), (False, True)]


def test_a_backward_mixer_that_cannot_be_built_is_refused():
    latent = dataclasses.replace(
        CONFIG.latent, backward=mixers.MixerConfig("attention", num_heads=4)
    )
    with pytest.raises(ValueError, match="4 heads"):
        dataclasses.replace(CONFIG, width=7, mixer=mixers.MixerConfig("mlp"), latent=latent)
