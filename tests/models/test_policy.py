"""The policy: acting equals predicting on its memory's window, and memories are as in training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import policy
from jax_s4rl.modules import heads, mixers, tokens
from tests.models import small

ENVS = 2

# One quick case each, of different mixers.
S4D_QUICK = small.marked(small.MIXERS_AND_LAYOUTS, [("s4d", tokens.CONCATENATED)])
ATTENTION_QUICK = small.marked(small.MIXERS_AND_LAYOUTS, [("attention", tokens.INTERLEAVED)])


def make(mixer, layout, *, context_length, max_steps, facts=(), memory=policy.RESTART, **changes):
    config = small.config(
        mixer, dict(facts), tokens=layout, context_length=context_length, num_layers=1, **changes
    )
    config = dataclasses.replace(config, horizon=max(max_steps, context_length))
    return policy.Policy(config, max_steps, memory), small.params(config)


def act(actor, params, steps):
    """Acts greedily on given observations; returns actions, and windows as in training."""
    observations = jax.random.normal(jax.random.key(1), (ENVS, steps, 4))
    returns_to_go = jax.random.normal(jax.random.key(2), (ENVS, steps))
    prepared, state = start(actor, params, ENVS)
    step = jax.jit(actor.act)
    actions = []
    for t in range(steps):
        action, state = step(
            prepared,
            state,
            observations[:, t],
            returns_to_go[:, t],
            jnp.ones(ENVS, bool),
            jax.random.key(t),
        )
        actions.append(action)
    actions = jnp.stack(actions, axis=1)
    previous = jnp.concatenate([jnp.full((ENVS, 1), -1, actions.dtype), actions[:, :-1]], axis=1)
    window = {
        "returns_to_go": returns_to_go,
        "observations": observations,
        "actions": actions,
        "previous_actions": previous,
        "time_steps": jnp.broadcast_to(jnp.arange(steps), (ENVS, steps)),
        "mask": jnp.ones((ENVS, steps), bool),
    }
    return actions, window


def start(actor, params, num_envs):
    prepared = jax.jit(actor.prepare)(params)
    return prepared, jax.jit(actor.init, static_argnums=1)(prepared, num_envs)


def predict(actor, window):
    return small.predict(actor.config, window).action


@pytest.mark.parametrize(("mixer", "layout"), S4D_QUICK)
def test_greedy_actions_are_the_likeliest_of_the_whole_window(mixer, layout):
    actor, params = make(mixer, layout, context_length=12, max_steps=12)
    assert not actor.is_staggered
    actions, window = act(actor, params, 12)
    logits = predict(actor, window)
    np.testing.assert_array_equal(actions, jnp.argmax(logits, axis=-1))


@pytest.mark.parametrize(("mixer", "layout"), ATTENTION_QUICK)
def test_past_the_context_actions_are_those_of_a_training_window(mixer, layout):
    context, half, steps = 6, 3, 20
    actor, params = make(mixer, layout, context_length=context, max_steps=steps)
    assert actor.is_staggered
    actions, window = act(actor, params, steps)
    # The older of two memories, one started at 0, 6, 12, ..., the other at 3, 9, 15, ...
    begins = np.array([0 if t < context else (t - half) // half * half for t in range(steps)])
    ages = np.arange(steps) - begins
    assert ages.max() == context - 1
    assert ages[half:].min() == half
    columns = begins[:, None] + np.arange(context)
    seen = {
        name: jnp.pad(x, [(0, 0), (0, context)] + [(0, 0)] * (x.ndim - 2))
        for name, x in window.items()
    }
    seen = {
        name: x[:, columns].reshape(ENVS * steps, context, *x.shape[2:]) for name, x in seen.items()
    }
    logits = predict(actor, seen).reshape(ENVS, steps, context, -1)
    wanted = jnp.argmax(logits[:, np.arange(steps), ages], axis=-1)
    np.testing.assert_array_equal(actions, wanted)


@pytest.mark.slow
def test_sampled_actions_follow_the_predicted_distribution():
    actor, params = make("s4d", "concatenated", context_length=4, max_steps=4)
    count = 4000
    prepared, state = start(actor, params, count)
    inputs = (jnp.ones((count, 4)), jnp.ones(count), jnp.zeros(count, bool))
    actions, _ = jax.jit(actor.act)(prepared, state, *inputs, jax.random.key(0))
    shares = np.bincount(actions, minlength=3) / count
    one = {
        "returns_to_go": jnp.ones((1, 1)),
        "observations": jnp.ones((1, 1, 4)),
        "actions": jnp.zeros((1, 1), jnp.int32),
        "previous_actions": jnp.full((1, 1), -1),
        "time_steps": jnp.zeros((1, 1), jnp.int32),
        "mask": jnp.ones((1, 1), bool),
    }
    # Five standard deviations of a share of 4,000 draws.
    np.testing.assert_allclose(shares, jax.nn.softmax(predict(actor, one)[0, 0]), atol=0.04)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("head", heads.CONTINUOUS)
def test_continuous_actions_are_predicted_or_drawn(head):
    actor, params = make(
        "mlp",
        "concatenated",
        context_length=4,
        max_steps=4,
        facts={"num_actions": None, "action_size": 2},
        continuous_head=head,
    )
    count = 4000
    prepared, state = start(actor, params, count)
    inputs = (jnp.ones((count, 4)), jnp.ones(count))
    step = jax.jit(actor.act)
    greedy, state_after = step(prepared, state, *inputs, jnp.ones(count, bool), jax.random.key(0))
    drawn, _ = step(prepared, state, *inputs, jnp.zeros(count, bool), jax.random.key(0))
    assert greedy.shape == (count, 2)
    np.testing.assert_array_equal(state_after.previous_action, greedy)
    one = {
        "returns_to_go": jnp.ones((1, 1)),
        "observations": jnp.ones((1, 1, 4)),
        "actions": jnp.zeros((1, 1, 2)),
        "previous_actions": jnp.zeros((1, 1, 2)),
        "time_steps": jnp.zeros((1, 1), jnp.int32),
        "mask": jnp.ones((1, 1), bool),
    }
    predicted = small.predict(actor.config, one)
    np.testing.assert_allclose(
        greedy, jnp.broadcast_to(predicted.action[0], greedy.shape), atol=1e-5
    )
    if head == heads.POINT:
        np.testing.assert_array_equal(drawn, greedy)
    else:
        # Five standard errors of a standard deviation from 4,000 draws.
        np.testing.assert_allclose(drawn.std(axis=0), jnp.exp(predicted.log_std[0, 0]), rtol=0.06)


@pytest.mark.parametrize(("mixer", "layout"), S4D_QUICK)
def test_many_steps_trace_once(mixer, layout):
    actor, params = make(mixer, layout, context_length=4, max_steps=30)
    traces = []

    def counted(*arguments):
        traces.append(1)
        return actor.act(*arguments)

    step, (prepared, state) = jax.jit(counted), start(actor, params, 1)
    for t in range(10):
        _, state = step(
            prepared, state, jnp.ones((1, 4)), jnp.ones(1), jnp.ones(1, bool), jax.random.key(t)
        )
    assert len(traces) == 1


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("mixer", mixers.NAMES)
def test_a_step_keeps_the_form_of_the_state_and_its_size_forgets_the_length(mixer):
    def forms(max_steps):
        actor, params = make(mixer, "concatenated", context_length=max_steps, max_steps=max_steps)
        prepared = jax.eval_shape(actor.prepare, params)
        before = jax.eval_shape(lambda p: actor.init(p, 3), prepared)
        inputs = (jnp.ones((3, 4)), jnp.ones(3), jnp.ones(3, bool), jax.random.key(0))
        _, after = jax.eval_shape(actor.act, prepared, before, *inputs)
        # The same shapes, types and weakness of types: nothing for jit to compile again.
        assert jax.tree.map(str, after) == jax.tree.map(str, before)
        return [leaf.shape for leaf in jax.tree.leaves(after)]

    assert (forms(4) == forms(4000)) == (mixer != "attention")


@pytest.mark.slow
def test_a_carried_memory_is_that_of_the_whole_episode():
    steps = 20
    actor, params = make(
        "s4d", "concatenated", context_length=6, max_steps=steps, memory=policy.CARRY
    )
    assert not actor.is_staggered
    actions, window = act(actor, params, steps)
    whole = dataclasses.replace(actor, config=small.with_model(actor.config, context_length=steps))
    np.testing.assert_array_equal(actions, jnp.argmax(predict(whole, window), axis=-1))


def test_attention_with_a_window_carries_a_ring():
    steps, window_size = 20, 4
    mixer = small.mixer_config("attention", window=window_size)
    actor, params = make(
        mixer, "concatenated", context_length=6, max_steps=steps, memory=policy.CARRY
    )
    _, state = start(actor, params, 3)
    assert {leaf.shape[1] for leaf in jax.tree.leaves(state.memories) if leaf.ndim == 4} == {
        window_size
    }
    actions, window = act(actor, params, steps)
    whole = dataclasses.replace(actor, config=small.with_model(actor.config, context_length=steps))
    np.testing.assert_array_equal(actions, jnp.argmax(predict(whole, window), axis=-1))


@pytest.mark.parametrize("options", [{}, {"window": 4, "positions": "learned"}])
def test_attention_cannot_carry_past_its_context_without_a_window(options):
    mixer = small.mixer_config("attention", **options)
    with pytest.raises(
        ValueError, match="attention cannot carry its memory over 20 steps: it was trained on 6"
    ):
        make(mixer, "concatenated", context_length=6, max_steps=20, memory=policy.CARRY)


def test_an_unknown_memory_is_refused():
    with pytest.raises(ValueError, match="memory is 'forget'; choose one of restart, carry"):
        make("s4d", "concatenated", context_length=6, max_steps=6, memory="forget")


def test_observations_of_another_shape_are_refused():
    actor, params = make("mlp", "concatenated", context_length=4, max_steps=4)
    prepared, state = start(actor, params, 1)
    with pytest.raises(
        ValueError, match=r"observations have shape \(5,\) but the model was built for \(4,\)"
    ):
        actor.act(
            prepared, state, jnp.ones((1, 5)), jnp.ones(1), jnp.ones(1, bool), jax.random.key(0)
        )


def test_episodes_past_the_time_embedding_are_refused():
    config = small.config("s4d")
    with pytest.raises(
        ValueError, match="episodes may last 30 steps but the model has time embeddings for 12"
    ):
        policy.Policy(config, 30)
    policy.Policy(small.with_model(config, time_embedding="sinusoidal"), 30)


def test_without_a_distribution_the_largest_output_is_always_taken():
    actor, params = make(
        "mlp", tokens.CONCATENATED, context_length=4, max_steps=4, action_loss=heads.SQUARED_ERROR
    )
    observation = jax.random.normal(jax.random.key(0), (64, 4))
    prepared, state = start(actor, params, 64)
    taken = [
        actor.act(
            prepared, state, observation, jnp.ones(64), jnp.full(64, greedy), jax.random.key(1)
        )[0]
        for greedy in (True, False)
    ]
    np.testing.assert_array_equal(*taken)
    assert len(np.unique(taken[0])) > 1
