"""Programs of trainings that are over do not stay in memory."""

import gc
import weakref

import jax
import jax.numpy as jnp
import optax

from jax_s4rl.training import loop, update


def make_update(number):
    """Makes an update of a program of its own, and a weak reference to something in it."""

    def loss(params, batch, keys):
        return number * jnp.sum(params["w"][None] * batch), jnp.ones(())

    optimizer = optax.sgd(0.1)
    run = update.make(
        loss,
        lambda keys, store: store[: len(keys)],
        optimizer,
        batch_size=1,
        updates_per_dispatch=2,
        devices=jax.local_devices()[:1],
    )
    state = update.init({"w": jnp.ones(3)}, optimizer, jax.random.key(0))
    return run, state, weakref.ref(loss)


def test_a_dropped_update_frees_its_programs():
    devices = jax.local_devices()[:1]
    store = update.replicate(jnp.ones((2, 3)), devices)
    kept = []
    for number in range(3):
        run, state, loss = make_update(number)
        compiled, _ = loop.compile_update(run, update.place([state], devices), store)
        compiled(update.place([state], devices), store)
        kept.append(loss)
        del run, compiled
        gc.collect()
        kept = [reference for reference in kept if reference() is not None]
        assert not kept


def test_an_update_stays_as_long_as_it_can_be_called():
    run, state, loss = make_update(1)
    gc.collect()
    devices = jax.local_devices()[:1]
    store = update.replicate(jnp.ones((2, 3)), devices)
    for _ in range(2):
        after, _ = run(update.place([state], devices), store)
    assert loss() is not None
    assert after.step.tolist() == [[2]]
