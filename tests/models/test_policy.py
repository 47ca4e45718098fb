"""The policy: acting equals predicting on the window it remembers, and it remembers what training showed it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import decision, policy
from jax_s4rl.modules import groups, mixers, tokens
from tests import filling

ENVS = 2
TOLERANCE = 1e-5


@functools.cache
def make(mixer, layout, *, context_length, max_steps, **changes):
    small = {"width": 8, "num_layers": 2, "num_heads": 1, "state_size": 4, "mlp_ratio": 2, "num_actions": 3}
    config = decision.DecisionConfig(
        observation_size=4, mixer=mixer, tokens=layout, context_length=context_length, **(small | changes)
    )
    params = groups.strip(filling.fill(functools.partial(decision.init, config), jax.random.key(0)))
    return policy.Policy(config, max_steps), params


def act(actor, params, steps):
    """Acts greedily on given observations; returns actions, and the windows as training would store them."""
    observations = jax.random.normal(jax.random.key(1), (ENVS, steps, 4))
    returns_to_go = jax.random.normal(jax.random.key(2), (ENVS, steps))
    prepared, state = start(actor, params, ENVS)
    step = jax.jit(actor.act)
    actions = []
    for t in range(steps):
        action, state = step(
            prepared, state, observations[:, t], returns_to_go[:, t], jnp.ones(ENVS, bool), jax.random.key(t)
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


def predict(actor, params, window):
    model = decision.DecisionModel(actor.config)
    return jax.jit(lambda inputs: model.apply({"params": params}, **inputs))(window)


@pytest.mark.parametrize("mixer", mixers.NAMES)
@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_greedy_actions_are_the_likeliest_of_the_whole_window(mixer, layout):
    actor, params = make(mixer, layout, context_length=12, max_steps=12)
    assert not actor.is_staggered
    actions, window = act(actor, params, 12)
    logits = predict(actor, params, window)
    np.testing.assert_array_equal(actions, jnp.argmax(logits, axis=-1))


@pytest.mark.parametrize("mixer", mixers.NAMES)
@pytest.mark.parametrize("layout", tokens.LAYOUTS)
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
    seen = {name: jnp.pad(x, [(0, 0), (0, context)] + [(0, 0)] * (x.ndim - 2)) for name, x in window.items()}
    seen = {name: x[:, columns].reshape(ENVS * steps, context, *x.shape[2:]) for name, x in seen.items()}
    logits = predict(actor, params, seen).reshape(ENVS, steps, context, -1)
    wanted = jnp.argmax(logits[:, np.arange(steps), ages], axis=-1)
    np.testing.assert_array_equal(actions, wanted)


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
    np.testing.assert_allclose(shares, jax.nn.softmax(predict(actor, params, one)[0, 0]), atol=0.04)


def test_a_continuous_policy_acts_as_predicted():
    actor, params = make("attention", "interleaved", context_length=4, max_steps=4, num_actions=None, action_size=2)
    prepared, state = start(actor, params, 3)
    action, state = jax.jit(actor.act)(
        prepared, state, jnp.ones((3, 4)), jnp.ones(3), jnp.zeros(3, bool), jax.random.key(0)
    )
    assert action.shape == (3, 2)
    np.testing.assert_array_equal(state.previous_action, action)


def test_many_steps_trace_once():
    actor, params = make("s4d", "concatenated", context_length=4, max_steps=30)
    traces = []

    def counted(*arguments):
        traces.append(1)
        return actor.act(*arguments)

    step, (prepared, state) = jax.jit(counted), start(actor, params, 1)
    for t in range(10):
        _, state = step(prepared, state, jnp.ones((1, 4)), jnp.ones(1), jnp.ones(1, bool), jax.random.key(t))
    assert len(traces) == 1


def test_episodes_past_the_time_embedding_are_refused():
    with pytest.raises(ValueError, match="episodes may last 30 steps but the model has time embeddings for 20"):
        make("s4d", "concatenated", context_length=4, max_steps=30, horizon=20)
