"""The memory agent: reads before it writes, by step; acting equals the run along the episode."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import memory_agent

CONFIG = memory_agent.MemoryAgentConfig(5, 3, max_steps=6, width=8, num_heads=2)
PARAMS = jax.jit(memory_agent.init, static_argnums=0)(CONFIG, jax.random.key(0))
BATCH = 4


def make_inputs(steps=6, seed=0):
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 3, (BATCH, steps))
    previous = np.eye(3, dtype=np.float32)[actions]
    previous[:, 0] = 0
    rewards = rng.normal(size=(BATCH, steps)).astype(np.float32)
    rewards[:, 0] = 0
    observations = rng.random((BATCH, steps, 5)).astype(np.float32)
    return memory_agent.Inputs(*map(jnp.asarray, (observations, previous, rewards)))


along = jax.jit(functools.partial(memory_agent.along, CONFIG))


def test_reads_come_before_writes_and_rows_are_steps():
    found = along(PARAMS, make_inputs())
    assert found.weights.shape == (BATCH, 6, 2, 6)
    # Nothing is read at first; later, all rows that are written and no others.
    for step in range(6):
        own = np.asarray(found.weights[:, step])
        assert (own[..., :step] > 0).all()
        assert not own[..., step:].any()
        np.testing.assert_allclose(own.sum(axis=-1), float(step > 0), atol=1e-6)
    assert (found.strengths > 0).all()


def test_the_future_changes_nothing():
    inputs, other = make_inputs(), make_inputs(seed=1)
    mixed = jax.tree.map(lambda a, b: jnp.concatenate([a[:, :4], b[:, 4:]], axis=1), inputs, other)
    for one, two in zip(along(PARAMS, inputs), along(PARAMS, mixed), strict=True):
        np.testing.assert_allclose(one[:, :4], two[:, :4], atol=1e-6)
    assert not np.allclose(along(PARAMS, inputs).value[:, 4:], along(PARAMS, mixed).value[:, 4:])


def test_acting_is_the_run_along_the_episode():
    policy = memory_agent.MemoryPolicy(CONFIG)
    rng = np.random.default_rng(0)
    observations = rng.random((BATCH, 6, 5)).astype(np.float32)
    rewards = rng.normal(size=(BATCH, 6)).astype(np.float32)
    state, to_go, actions = policy.init(PARAMS, BATCH), np.zeros(BATCH, np.float32), []
    greedy = jnp.ones(BATCH, bool)
    act = jax.jit(policy.act)
    for step in range(6):
        action, state = act(PARAMS, state, observations[:, step], to_go, greedy, jax.random.key(0))
        actions.append(np.asarray(action))
        to_go = to_go - rewards[:, step]
    previous = np.eye(3, dtype=np.float32)[np.stack(actions, axis=1)]
    inputs = memory_agent.Inputs(
        jnp.asarray(observations),
        jnp.asarray(np.pad(previous, ((0, 0), (1, 0), (0, 0)))[:, :-1]),
        jnp.asarray(np.pad(rewards, ((0, 0), (1, 0)))[:, :-1]),
    )
    wanted = along(PARAMS, inputs).logits.argmax(axis=-1)
    np.testing.assert_array_equal(np.stack(actions, axis=1), wanted)


@pytest.mark.slow
def test_what_is_remembered_gets_no_gradient():
    """The value of a step reaches earlier inputs by the controller, never by the memory."""

    def last_value(params, inputs):
        return jnp.sum(along(params, inputs).weights[:, -1, :, 0])

    gradient = jax.jit(jax.grad(last_value, argnums=1))(PARAMS, make_inputs())
    assert gradient.observation.any()
    state = memory_agent.init_state(CONFIG, BATCH)
    model = memory_agent.MemoryAgent(CONFIG)

    def row(observation):
        inputs = memory_agent.Inputs(observation, jnp.zeros((BATCH, 3)), jnp.zeros(BATCH))
        return model.apply({"params": PARAMS}, state, inputs)[0].memory.sum()

    assert not jax.jit(jax.grad(row))(jnp.ones((BATCH, 5))).any()


def test_a_shape_without_rows_is_refused():
    with pytest.raises(ValueError, match="max_steps is 0"):
        memory_agent.MemoryAgentConfig(5, 3, max_steps=0)
