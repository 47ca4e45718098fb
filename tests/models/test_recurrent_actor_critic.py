"""Recurrent actor and critic: rows with starts inside equal separate rows, chunks and steps."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import recurrent_actor_critic as networks
from jax_s4rl.modules import mixers
from tests import filling

LENGTH, ROUNDING = 8, 1e-5
# The second episode of the first row starts at step 4, that of the second row at step 0.
STARTS = np.array([[0, 0, 0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]], bool)


def make(mixer="s5", **options):
    config = networks.RecurrentConfig(
        3, 2, LENGTH, mixers.MixerConfig(mixer), width=8, num_blocks=1, **options
    )
    return config, filling.fill(functools.partial(networks.init, config), jax.random.key(0))


def make_inputs(starts=STARTS):
    rng = np.random.default_rng(0)
    actions = np.where(starts, -1, rng.integers(2, size=starts.shape))
    return networks.Inputs(
        jnp.asarray(rng.normal(size=(*starts.shape, 3)), jnp.float32),
        jnp.asarray(actions, jnp.int32),
        jnp.asarray(rng.normal(size=starts.shape), jnp.float32),
        jnp.asarray(starts),
    )


def part(inputs, rows, steps):
    return jax.tree.map(lambda array: array[rows, steps], inputs)


def close(found, wanted):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING), found, wanted
    )


@pytest.mark.slow
@pytest.mark.parametrize("mixer", ["s5", "lstm", "attention"])
def test_rows_are_steps_chunks_and_separate_rows(mixer):
    config, params = make(mixer)
    inputs = make_inputs()
    along = jax.jit(functools.partial(networks.along, config, params))
    constants = jax.jit(networks.prepare, static_argnums=0)(config, params)
    step = jax.jit(functools.partial(networks.step, config, params, constants))
    # A state that earlier steps have left, and the zero state.
    empty = networks.init_state(config, params, 2)
    before, _ = step(empty, part(make_inputs(np.zeros_like(STARTS)), slice(None), 0))
    _, whole = along(before, inputs)

    one_by_one, by_step = before, []
    for number in range(LENGTH):
        one_by_one, outputs = step(one_by_one, part(inputs, slice(None), number))
        by_step.append(outputs)
    close(jax.tree.map(lambda *arrays: jnp.stack(arrays, axis=1), *by_step), whole)
    # Whatever state comes first, a start clears it: rows from the start on are rows of their own.
    after_start = part(inputs, slice(None), slice(4, None))
    middle, first = along(before, part(inputs, slice(None), slice(0, 4)))
    _, second = along(middle, after_start)
    close(jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), first, second), whole)
    _, alone = along(empty, after_start)
    close(part(alone, 0, slice(None)), part(whole, 0, slice(4, None)))
    _, cleared = along(empty, inputs)
    close(part(cleared, 1, slice(None)), part(whole, 1, slice(None)))
    difference = part(cleared, 0, slice(0, 4)).value - part(whole, 0, slice(0, 4)).value
    assert np.abs(difference).max() > 100 * ROUNDING


@pytest.mark.slow
def test_no_gradient_passes_a_start():
    config, params = make()
    state = networks.init_state(config, params, 2)

    def late_values(observation):
        inputs = make_inputs()._replace(observation=observation)
        return networks.along(config, params, state, inputs)[1].value[0, 4:].sum()

    gradient = jax.jit(jax.grad(late_values))(make_inputs().observation)
    assert not gradient[0, :4].any()
    assert not gradient[1].any()
    assert gradient[0, 4:].any()


@pytest.mark.slow
def test_inputs_are_all_used_and_a_feature_can_clear_the_memory():
    config, params = make("mlp", sees_reward=True)
    base = make_inputs()
    changes = {
        "observation": base.observation + 1,
        "previous_action": 1 - jnp.abs(base.previous_action),
        "previous_reward": base.previous_reward + 1,
        "is_first": ~base.is_first,
    }
    along = jax.jit(functools.partial(networks.along, config, params, [()]))
    values = along(base)[1].value
    for name, changed in changes.items():
        other = along(base._replace(**{name: changed}))[1].value
        assert (np.abs(other - values) > 0).all(), name
    blind, params = make("mlp", sees_action=False)
    along = jax.jit(functools.partial(networks.along, blind, params, [()]))
    repeated = base._replace(previous_action=changes["previous_action"])
    np.testing.assert_array_equal(along(base)[1].value, along(repeated)[1].value)
    flagged = dataclasses.replace(config, clear_flag=1)
    flags = networks.RecurrentActorCritic(flagged)._clears(base)
    np.testing.assert_array_equal(flags, STARTS | (base.observation[..., 1] > 0))
    never = dataclasses.replace(config, clears_at_start=False)
    assert not networks.RecurrentActorCritic(never)._clears(base).any()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"width": 0}, "width is 0; it has to be at least 1"),
        ({"clear_flag": 3}, "has the features 0 to 2"),
        ({"norm": "layer"}, "norm is 'layer'"),
        ({"mixer": mixers.MixerConfig("s6")}, "there is no mixer 's6'"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(fields, sentence):
    given = {"mixer": mixers.MixerConfig("s5")} | fields
    with pytest.raises(ValueError, match=sentence):
        networks.RecurrentConfig(3, 2, LENGTH, **given)
