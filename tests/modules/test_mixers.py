"""Every mixer: whole sequence = chunk after chunk = step by step, causal, blind to padding and to other episodes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import groups, mixers
from tests import filling

BATCH, LENGTH, WIDTH = 2, 48, 8
# Float32 sums in another order; the views were measured at 1e-6 and below.
TOLERANCE = 1e-5


@functools.cache
def make(name):
    sizes = {"num_heads": 2, "state_size": 8}
    config = mixers.MixerConfig(name, **{k: v for k, v in sizes.items() if k in mixers.OPTIONS[name]})
    mixer = mixers.make(config, width=WIDTH, max_length=LENGTH)
    x = jax.random.normal(jax.random.key(1), (BATCH, LENGTH, WIDTH))
    params = groups.strip(filling.fill(mixer.init, jax.random.key(0), x))
    return mixer, params, x


def some_resets():
    return jnp.zeros((BATCH, LENGTH), bool).at[0, 17].set(True).at[0, 30].set(True).at[1, 5].set(True)


def apply(mixer, params, *arguments, **options):
    return jax.jit(functools.partial(mixer.apply, **options))(params, *arguments)


def run_steps(mixer, params, x, resets=None):
    def run(columns):
        constants = mixer.apply(params, method="prepare")
        state = mixer.apply(params, x.shape[0], x.shape[1], method="init_state")

        def body(state, step):
            token, reset = step
            y, state = mixer.apply(params, constants, token, state, reset, method="step")
            return state, y

        return jax.lax.scan(body, state, columns)[1]

    resets = jnp.zeros(x.shape[:2], bool) if resets is None else resets
    return jax.jit(run)((x.swapaxes(0, 1), resets.swapaxes(0, 1))).swapaxes(0, 1)


def assert_close(got, wanted):
    scale = float(jnp.max(jnp.abs(wanted)))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE * scale)


@pytest.mark.parametrize("name", mixers.NAMES)
@pytest.mark.parametrize("resets", [None, some_resets()], ids=["one episode", "resets"])
def test_steps_equal_the_whole_sequence(name, resets):
    mixer, params, x = make(name)
    whole, state = apply(mixer, params, x, resets=resets)
    assert state is None
    assert_close(run_steps(mixer, params, x, resets), whole)


@pytest.mark.parametrize("name", mixers.NAMES)
@pytest.mark.parametrize("resets", [None, some_resets()], ids=["one episode", "resets"])
def test_chunks_equal_the_whole_sequence(name, resets):
    mixer, params, x = make(name)
    whole, _ = apply(mixer, params, x, resets=resets)
    state = jax.jit(lambda: mixer.apply(params, BATCH, LENGTH, method="init_state"))()
    parts = []
    for begin, end in ((0, 7), (7, 8), (8, LENGTH)):
        part = None if resets is None else resets[:, begin:end]
        y, state = apply(mixer, params, x[:, begin:end], state, resets=part)
        parts.append(y)
    assert_close(jnp.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize("name", mixers.NAMES)
def test_a_later_input_changes_no_earlier_output(name):
    mixer, params, x = make(name)
    whole, _ = apply(mixer, params, x)
    changed, _ = apply(mixer, params, x.at[:, 20:].add(1.0))
    # An FFT mixes time at rounding level, hence no exact equality.
    assert_close(changed[:, :20], whole[:, :20])
    assert not np.allclose(changed[:, 20:], whole[:, 20:], atol=1e-2)


@pytest.mark.parametrize("name", mixers.NAMES)
def test_a_reset_separates_episodes_of_a_row(name):
    mixer, params, x = make(name)
    resets = jnp.zeros((BATCH, LENGTH), bool).at[:, 20].set(True)
    packed, _ = apply(mixer, params, x, resets=resets)
    first, _ = apply(mixer, params, x[:, :20])
    second, _ = apply(mixer, params, x[:, 20:])
    assert_close(packed, jnp.concatenate([first, second], axis=1))


@pytest.mark.parametrize("name", mixers.NAMES)
def test_noise_at_padding_changes_neither_output_nor_gradient(name):
    mixer, params, x = make(name)
    mask = jnp.ones((BATCH, LENGTH), bool).at[0, 30:].set(False).at[1, 40:].set(False)
    noisy = jnp.where(mask[..., None], x, 100.0)

    def total(params, inputs):
        y, _ = mixer.apply(params, inputs, mask=mask)
        return jnp.sum(jnp.where(mask[..., None], y, 0.0) ** 2)

    clean_value, clean_gradient = jax.jit(jax.value_and_grad(total))(params, jnp.where(mask[..., None], x, 0.0))
    noisy_value, noisy_gradient = jax.jit(jax.value_and_grad(total))(params, noisy)
    np.testing.assert_allclose(noisy_value, clean_value, rtol=1e-6)
    for got, wanted in zip(jax.tree.leaves(noisy_gradient), jax.tree.leaves(clean_gradient), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6 * float(jnp.max(jnp.abs(wanted)) + 1e-6))


def test_an_unknown_mixer_is_named_with_a_remedy():
    with pytest.raises(ValueError, match=r"no mixer 's4dd'; choose one of .* did you mean 's4d'"):
        mixers.check(mixers.MixerConfig("s4dd"))
