"""The update: the same on one device and on two, the same in one dispatch and in many, traced once."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jax_s4rl.training import update

# Sums over devices come in another order.
TOLERANCE = 1e-6


def draw(keys, store):
    """Rows of (x, y, mask): y is linear in x; masks differ from row to row, so devices weigh differently."""
    x = jax.vmap(lambda key: jax.random.normal(key, (5, 3)))(keys)
    mask = jax.vmap(lambda key: jax.random.uniform(key) > 0.3)(keys)[:, None] & jnp.ones((1, 5), bool)
    return x, x @ store, mask


def loss(params, batch, key):
    del key
    x, y, mask = batch
    errors = jnp.where(mask, (x @ params["w"] + params["b"] - y) ** 2, 0.0)
    return errors.sum(), mask.sum(dtype=jnp.float32)


def run(num_devices, *, updates_per_dispatch=4, num_dispatches=3, batch_size=8):
    devices = jax.devices()[:num_devices]
    optimizer = optax.sgd(0.1, momentum=0.5)
    step = update.make(
        loss, draw, optimizer, batch_size=batch_size, updates_per_dispatch=updates_per_dispatch, devices=devices
    )
    params = {"w": jnp.zeros(3), "b": jnp.zeros(())}
    state = update.replicate(update.init(params, optimizer, jax.random.key(0)), devices)
    store = update.replicate(jnp.array([1.0, -2.0, 3.0]), devices)
    metrics = []
    for _ in range(num_dispatches):
        state, measured = step(state, store)
        metrics.append(update.unreplicate(measured))
    return state, metrics


def test_one_device_and_two_make_the_same_update():
    one, one_metrics = run(1)
    two, two_metrics = run(2)
    chex.assert_trees_all_close(
        update.unreplicate(one.params), update.unreplicate(two.params), rtol=TOLERANCE, atol=TOLERANCE
    )
    chex.assert_trees_all_close(one_metrics, two_metrics, rtol=1e-5, atol=TOLERANCE)


def test_devices_stay_equal():
    state, _ = run(2)
    chex.assert_trees_all_equal(*(jax.tree.map(lambda x, i=i: x[i], state.params) for i in range(2)))


def test_one_long_dispatch_equals_many_short_ones():
    long, _ = run(1, updates_per_dispatch=6, num_dispatches=1)
    short, _ = run(1, updates_per_dispatch=2, num_dispatches=3)
    chex.assert_trees_all_close(long.params, short.params, rtol=TOLERANCE)
    assert int(long.step[0]) == int(short.step[0]) == 6


def test_an_update_is_gradient_descent_on_the_mean_over_real_steps():
    optimizer = optax.sgd(0.5)
    step = update.make(loss, draw, optimizer, batch_size=4, updates_per_dispatch=1, devices=jax.devices()[:1])
    params = {"w": jnp.ones(3), "b": jnp.zeros(())}
    key, store = jax.random.key(3), jnp.array([1.0, -2.0, 3.0])
    state = update.replicate(update.init(params, optimizer, key), jax.devices()[:1])
    state, metrics = step(state, update.replicate(store, jax.devices()[:1]))

    draw_key, _ = jax.random.split(jax.random.fold_in(key, 0))
    batch = draw(jax.vmap(jax.random.fold_in, (None, 0))(draw_key, jnp.arange(4)), store)
    (total, weight), gradient = jax.value_and_grad(loss, has_aux=True)(params, batch, key)
    wanted = jax.tree.map(lambda p, g: p - 0.5 * g / weight, params, gradient)
    chex.assert_trees_all_close(update.unreplicate(state.params), wanted, rtol=1e-5)
    np.testing.assert_allclose(metrics.loss[0, 0], total / weight, rtol=1e-5)


def test_every_update_draws_new_rows():
    _, metrics = run(1, updates_per_dispatch=5, num_dispatches=1)
    assert len(set(np.asarray(metrics[0].loss).tolist())) == 5


def test_the_update_learns():
    _, metrics = run(2, updates_per_dispatch=50, num_dispatches=4)
    assert float(metrics[-1].loss[-1]) < 0.01 * float(metrics[0].loss[0])


def test_it_is_traced_once():
    traced = []

    def counting(params, batch, key):
        traced.append(1)
        return loss(params, batch, key)

    optimizer = optax.sgd(0.1, momentum=0.5)
    step = update.make(counting, draw, optimizer, batch_size=4, updates_per_dispatch=2)
    params = {"w": jnp.zeros(3), "b": jnp.zeros(())}
    state = update.replicate(update.init(params, optimizer, jax.random.key(0)))
    store = update.replicate(jnp.ones(3))
    state, _ = step(state, store)
    first = len(traced)
    for _ in range(3):
        state, _ = step(state, store)
    assert len(traced) == first


@pytest.mark.parametrize(
    ("batch_size", "per_dispatch", "sentence"),
    [
        (7, 1, "a batch of 7 rows cannot be shared evenly by 2 devices; take a multiple of 2, for instance 6"),
        (0, 1, "a batch of 0 rows"),
        (4, 0, "updates_per_dispatch is 0"),
    ],
)
def test_batches_that_do_not_fit_the_devices_are_refused(batch_size, per_dispatch, sentence):
    with pytest.raises(ValueError, match=sentence):
        update.make(loss, draw, optax.sgd(0.1), batch_size=batch_size, updates_per_dispatch=per_dispatch)


def test_rows_can_be_drawn_again():
    seen = []

    def watched(keys, store):
        jax.debug.callback(lambda data: seen.append(np.asarray(data)), jax.random.key_data(keys))
        return draw(keys, store)

    optimizer = optax.sgd(0.1)
    step = update.make(loss, watched, optimizer, batch_size=4, updates_per_dispatch=3)
    state = update.init({"w": jnp.zeros(3), "b": jnp.zeros(())}, optimizer, jax.random.key(5))
    jax.block_until_ready(step(update.replicate(state), update.replicate(jnp.ones(3))))
    again = update.row_keys(jax.random.key(5), 2, jnp.arange(4, dtype=jnp.int32))
    drawn = {tuple(key) for keys in seen for key in keys.tolist()}
    assert len(drawn) == 12
    assert {tuple(key) for key in jax.random.key_data(again).tolist()} <= drawn
