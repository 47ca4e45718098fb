"""The loop: counts, times, speaks only to a terminal, and stops at a loss that is no number."""

import io

import jax
import jax.numpy as jnp
import optax
import pytest
import rich.console

from jax_s4rl.training import loop, update


def draw(keys, store):
    return jnp.broadcast_to(store, (len(keys),))


def loss(params, batch, key):
    del key
    return jnp.sum((params - batch) ** 2), jnp.float32(len(batch))


def run(*, target=1.0, num_updates=8, updates_per_dispatch=2, console=None, compiled=False):
    optimizer = optax.sgd(0.1)
    step = update.make(loss, draw, optimizer, batch_size=2, updates_per_dispatch=updates_per_dispatch)
    state = update.replicate(update.init(jnp.zeros(()), optimizer, jax.random.key(0)))
    store = update.replicate(jnp.float32(target))
    if compiled:
        step, seconds = loop.compile_update(step, state, store)
        assert seconds > 0
    return loop.run(
        step, state, store, num_updates=num_updates, updates_per_dispatch=updates_per_dispatch, console=console
    )


def test_the_log_tells_steps_losses_and_times():
    state, log = run()
    assert log.steps == [2, 4, 6, 8]
    assert len(log.losses) == len(log.gradient_norms) == 4
    assert log.losses == sorted(log.losses, reverse=True)
    assert log.updates_per_second == pytest.approx(8 / log.seconds)
    assert int(update.unreplicate(state).step) == 8


def test_a_compiled_update_trains_the_same():
    assert run(compiled=True)[1].losses == run()[1].losses


def test_it_is_quiet_without_a_terminal():
    out = io.StringIO()
    run(console=rich.console.Console(file=out, force_terminal=False))
    assert out.getvalue() == ""


def test_a_terminal_sees_loss_and_speed():
    out = io.StringIO()
    run(console=rich.console.Console(file=out, force_terminal=True, width=120))
    assert "loss" in out.getvalue()
    assert "updates/s" in out.getvalue()


def test_a_loss_that_is_no_number_stops_the_training():
    with pytest.raises(FloatingPointError, match="the loss became nan between update 0 and 2; lower the learning rate"):
        run(target=float("nan"))


def test_updates_that_do_not_fill_dispatches_are_refused():
    with pytest.raises(ValueError, match="7 updates do not make whole dispatches of 2"):
        run(num_updates=7)
