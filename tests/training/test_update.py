"""The update: the same on one device or two, the same in one dispatch or many, traced once."""

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
    """Rows of (x, y, mask): y is linear in x; masks differ, so devices have unequal weights."""
    x = jax.vmap(lambda key: jax.random.normal(key, (5, 3)))(keys)
    mask = jax.vmap(lambda key: jax.random.uniform(key) > 0.3)(keys)[:, None] & jnp.ones(
        (1, 5), bool
    )
    return x, x @ store, mask


def loss(params, batch, key):
    del key
    x, y, mask = batch
    errors = jnp.where(mask, (x @ params["w"] + params["b"] - y) ** 2, 0.0)
    return errors.sum(), mask.sum(dtype=jnp.float32)


def run(
    num_devices,
    *,
    updates_per_dispatch=4,
    num_dispatches=3,
    batch_size=8,
    seeds=(0,),
    rate=0.1,
    **options,
):
    devices = jax.devices()[:num_devices]
    optimizer = optax.sgd(rate, momentum=0.5)
    step = update.make(
        loss,
        draw,
        optimizer,
        batch_size=batch_size,
        updates_per_dispatch=updates_per_dispatch,
        num_seeds=len(seeds),
        devices=devices,
        **options,
    )
    params = {"w": jnp.zeros(3), "b": jnp.zeros(())}
    state = update.place(
        [update.init(params, optimizer, jax.random.key(seed)) for seed in seeds], devices
    )
    store = update.replicate(jnp.array([1.0, -2.0, 3.0]), devices)
    metrics = []
    for _ in range(num_dispatches):
        state, measured = step(state, store)
        chex.assert_tree_shape_prefix(measured, (num_devices, len(seeds), updates_per_dispatch))
        metrics.append(jax.tree.map(lambda x: x[0], measured))
    return update.collect(state, len(seeds)), metrics


def assert_same(got, wanted):
    (got_state, got_metrics), (wanted_state, wanted_metrics) = got, wanted
    chex.assert_trees_all_close(
        got_state.params, wanted_state.params, rtol=TOLERANCE, atol=TOLERANCE
    )
    chex.assert_trees_all_close(got_metrics, wanted_metrics, rtol=1e-5, atol=TOLERANCE)


def test_one_device_and_two_make_the_same_update():
    assert_same(run(2), run(1))


@pytest.mark.parametrize(
    ("num_devices", "parts"), [(1, 4), pytest.param(2, 2, marks=pytest.mark.slow)]
)
def test_rows_taken_in_parts_make_the_same_update(num_devices, parts):
    assert_same(run(num_devices, num_micro_batches=parts), run(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "seeds",
    [(3, 7), pytest.param((3, 7, 5), marks=pytest.mark.slow)],
    ids=["spread over devices", "sharing devices"],
)
def test_seeds_trained_at_once_are_those_trained_alone(seeds):
    state, metrics = run(2, seeds=seeds)
    for number, seed in enumerate(seeds):
        alone, alone_metrics = run(1, seeds=(seed,))
        chex.assert_trees_all_equal(
            jax.random.key_data(state.key[number]), jax.random.key_data(alone.key[0])
        )
        chex.assert_trees_all_close(
            jax.tree.map(lambda x, n=number: x[n], (state.params, [m.loss for m in metrics])),
            jax.tree.map(lambda x: x[0], (alone.params, [m.loss for m in alone_metrics])),
            rtol=1e-5,
            atol=TOLERANCE,
        )


def test_states_come_back_in_the_order_of_their_seeds():
    devices, optimizer = jax.devices()[:2], optax.sgd(0.1)
    states = [
        update.init({"w": jnp.full(3, float(seed))}, optimizer, jax.random.key(seed))
        for seed in range(4)
    ]
    state = update.collect(update.place(states, devices), 4)
    assert state.params["w"][:, 0].tolist() == [0, 1, 2, 3]
    wanted = jnp.stack([one.key for one in states])
    chex.assert_trees_all_equal(jax.random.key_data(state.key), jax.random.key_data(wanted))


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_every_device_has_the_metrics_of_all_seeds(num_seeds):
    optimizer = optax.sgd(0.1)
    step = update.make(
        loss, draw, optimizer, batch_size=4, updates_per_dispatch=5, num_seeds=num_seeds
    )
    first = update.init({"w": jnp.zeros(3), "b": jnp.zeros(())}, optimizer, jax.random.key(0))
    states = update.place([first] * num_seeds)
    _, metrics = jax.eval_shape(step, states, update.replicate(jnp.ones(3)))
    assert metrics.loss.shape == metrics.gradient_norm.shape == (2, num_seeds, 5)


def test_devices_are_chosen_for_equal_work():
    # Rows of a batch, seeds, devices, and how many of these are used.
    for rows, seeds, devices, wanted in [(7, 3, 2, 1), (8, 3, 2, 2), (7, 4, 2, 2), (9, 2, 4, 3)]:
        assert len(update.choose_devices(rows, seeds, range(devices))) == wanted
    with pytest.raises(ValueError, match="num_seeds is 0; train at least 1 model"):
        update.choose_devices(8, 0)


def test_devices_stay_equal():
    devices, optimizer = jax.devices(), optax.sgd(0.1)
    step = update.make(loss, draw, optimizer, batch_size=4, updates_per_dispatch=3)
    first = update.init({"w": jnp.zeros(3), "b": jnp.zeros(())}, optimizer, jax.random.key(0))
    state, _ = step(update.place([first]), update.replicate(jnp.ones(3)))
    chex.assert_trees_all_equal(
        *(jax.tree.map(lambda x, i=i: x[i], state.params) for i in range(len(devices)))
    )


def test_one_long_dispatch_equals_many_short_ones():
    long, _ = run(1, updates_per_dispatch=6, num_dispatches=1)
    short, _ = run(1, updates_per_dispatch=2, num_dispatches=3)
    chex.assert_trees_all_close(long.params, short.params, rtol=TOLERANCE)
    assert int(long.step[0]) == int(short.step[0]) == 6


def test_an_update_is_gradient_descent_on_the_mean_over_real_steps():
    optimizer = optax.sgd(0.5)
    step = update.make(
        loss, draw, optimizer, batch_size=4, updates_per_dispatch=1, devices=jax.devices()[:1]
    )
    params = {"w": jnp.ones(3), "b": jnp.zeros(())}
    key, store = jax.random.key(3), jnp.array([1.0, -2.0, 3.0])
    state = update.place([update.init(params, optimizer, key)], jax.devices()[:1])
    state, metrics = step(state, update.replicate(store, jax.devices()[:1]))

    draw_key, _ = jax.random.split(jax.random.fold_in(key, 0))
    batch = draw(jax.vmap(jax.random.fold_in, (None, 0))(draw_key, jnp.arange(4)), store)
    (total, weight), gradient = jax.value_and_grad(loss, has_aux=True)(params, batch, key)
    wanted = jax.tree.map(lambda p, g: p - 0.5 * g / weight, params, gradient)
    chex.assert_trees_all_close(
        update.collect(state.params, 1), jax.tree.map(lambda x: x[None], wanted), rtol=1e-5
    )
    np.testing.assert_allclose(metrics.loss[0, 0, 0], total / weight, rtol=1e-5)
    norm = optax.tree.norm(gradient) / weight
    np.testing.assert_allclose(metrics.gradient_norm[0, 0, 0], norm, rtol=1e-5)


def test_every_update_draws_new_rows():
    # The parameters stay the same, so that the losses differ by their rows alone.
    _, metrics = run(1, updates_per_dispatch=5, num_dispatches=1, rate=0.0)
    assert len(set(np.asarray(metrics[0].loss[0]).tolist())) == 5


def test_the_update_learns():
    _, metrics = run(2, updates_per_dispatch=50, num_dispatches=4)
    assert float(metrics[-1].loss[0, -1]) < 0.01 * float(metrics[0].loss[0, 0])


def test_it_is_traced_once():
    traced = []

    def counting(params, batch, key):
        traced.append(1)
        return loss(params, batch, key)

    optimizer = optax.sgd(0.1, momentum=0.5)
    step = update.make(counting, draw, optimizer, batch_size=4, updates_per_dispatch=2)
    params = {"w": jnp.zeros(3), "b": jnp.zeros(())}
    state = update.place([update.init(params, optimizer, jax.random.key(0))])
    store = update.replicate(jnp.ones(3))
    state, _ = step(state, store)
    first = len(traced)
    for _ in range(3):
        state, _ = step(state, store)
    assert len(traced) == first


@pytest.mark.parametrize(
    ("batch_size", "per_dispatch", "sentence"),
    [
        (
            7,
            1,
            "a batch of 7 rows cannot be shared evenly by 2 devices; take a multiple of 2, for "
            "instance 6",
        ),
        (0, 1, "a batch of 0 rows"),
        (4, 0, "updates_per_dispatch is 0"),
    ],
)
def test_batches_that_do_not_fit_the_devices_are_refused(batch_size, per_dispatch, sentence):
    with pytest.raises(ValueError, match=sentence):
        update.make(
            loss, draw, optax.sgd(0.1), batch_size=batch_size, updates_per_dispatch=per_dispatch
        )


def test_rows_can_be_drawn_again():
    seen = []

    def watched(keys, store):
        jax.debug.callback(lambda data: seen.append(np.asarray(data)), jax.random.key_data(keys))
        return draw(keys, store)

    optimizer = optax.sgd(0.1)
    step = update.make(loss, watched, optimizer, batch_size=4, updates_per_dispatch=3)
    state = update.init({"w": jnp.zeros(3), "b": jnp.zeros(())}, optimizer, jax.random.key(5))
    jax.block_until_ready(step(update.place([state]), update.replicate(jnp.ones(3))))
    again = update.row_keys(jax.random.key(5), 2, jnp.arange(4, dtype=jnp.int32))
    drawn = {tuple(key) for keys in seen for key in keys.tolist()}
    assert len(drawn) == 12
    assert {tuple(key) for key in jax.random.key_data(again).tolist()} <= drawn


def test_every_row_of_every_update_has_noise_of_its_own():
    drawn, noises = [], []

    def keep(seen, keys):
        jax.debug.callback(lambda data: seen.extend(data.tolist()), jax.random.key_data(keys))

    def watched(keys, store):
        keep(drawn, keys)
        return draw(keys, store)

    def noisy(params, batch, noise):
        keep(noises, noise)
        return loss(params, batch, noise)

    optimizer = optax.sgd(0.1)
    step = update.make(noisy, watched, optimizer, batch_size=4, updates_per_dispatch=3)
    params = {"w": jnp.zeros(3), "b": jnp.zeros(())}
    state = update.init(params, optimizer, jax.random.key(5))
    jax.block_until_ready(step(update.place([state]), update.replicate(jnp.ones(3))))
    jax.effects_barrier()
    # None of them is the key that a row was drawn with.
    assert len({tuple(key) for key in noises + drawn}) == len(noises + drawn) == 24


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_seeds": 0}, "num_seeds is 0"),
        ({"num_micro_batches": 3}, "4 rows on a device cannot be taken in 3"),
    ],
)
def test_seeds_and_parts_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        update.make(loss, draw, optax.sgd(0.1), batch_size=8, updates_per_dispatch=1, **options)


def test_a_draw_or_a_loss_of_another_shape_is_named_while_tracing():
    optimizer = optax.sgd(0.1)
    state = update.place(
        [update.init({"w": jnp.zeros(3), "b": jnp.zeros(())}, optimizer, jax.random.key(0))]
    )
    store = update.replicate(jnp.ones(3))

    def trace(loss=loss, draw=draw):
        step = update.make(loss, draw, optimizer, batch_size=8, updates_per_dispatch=1)
        jax.eval_shape(step, state, store)

    trace()
    with pytest.raises(AssertionError, match=r"Tree leaf .* prefix"):
        trace(draw=lambda keys, store: jax.tree.map(lambda x: x[:1], draw(keys, store)))
    with pytest.raises(AssertionError, match="rank"):
        trace(
            loss=lambda params, batch, key: (
                loss(params, batch, key)[0],
                batch[2].sum(-1, dtype=jnp.float32),
            )
        )
