"""The loop: counts, times, speaks only to a terminal, and stops at a loss that is not finite."""

import io
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import rich.console

from jax_s4rl.training import loop, update


def draw(keys, store):
    return jnp.broadcast_to(store, (len(keys),))


def loss(params, batch, key):
    del key
    return jnp.sum((params - batch) ** 2), jnp.float32(len(batch))


def prepare(*, target=1.0, updates_per_dispatch=2, learning_rate=0.1):
    optimizer = optax.sgd(learning_rate)
    step = update.make(
        loss, draw, optimizer, batch_size=2, updates_per_dispatch=updates_per_dispatch
    )
    state = update.place([update.init(jnp.zeros(()), optimizer, jax.random.key(0))])
    return step, state, update.replicate(jnp.float32(target))


def run(*, target=1.0, num_updates=8, updates_per_dispatch=2, console=None, compiled=False):
    step, state, store = prepare(target=target, updates_per_dispatch=updates_per_dispatch)
    if compiled:
        step, seconds = loop.compile_update(step, state, store)
        assert seconds > 0
    return loop.run(
        step,
        state,
        store,
        num_updates=num_updates,
        updates_per_dispatch=updates_per_dispatch,
        console=console,
    )


def test_the_log_tells_steps_losses_and_times():
    state, log = run()
    assert log.steps == [2, 4, 6, 8]
    assert len(log.losses) == len(log.gradient_norms) == 4
    assert log.losses == sorted(log.losses, reverse=True)
    assert log.updates_per_second == pytest.approx(8 / log.seconds)
    assert update.collect(state.step, 1).tolist() == [8]


def test_a_compiled_update_trains_the_same():
    assert run(compiled=True)[1].losses == run()[1].losses


def test_it_is_quiet_without_a_terminal():
    out = io.StringIO()
    run(console=rich.console.Console(file=out, force_terminal=False))
    assert out.getvalue() == ""


def test_a_terminal_sees_loss_and_speed_in_one_line_of_80_columns():
    out = io.StringIO()
    console = rich.console.Console(file=out, force_terminal=True, color_system=None, width=80)
    title = "a dataset with a long name/expert: attention, 12 seeds"
    with loop.progress(title, 1_000_000, console) as advance:
        metrics = update.Metrics(np.full((1, 2), 12345.678), np.ones((1, 2)))
        advance(loop.Dispatch(999_998, None, metrics, 0.1))
    shown = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", out.getvalue())
    lines = [line.strip("\r") for line in shown.splitlines() if "loss 1.235e+04" in line]
    assert lines
    assert all(len(line) <= 80 and "/s" in line and "999998/1000000" in line for line in lines)


def test_a_loss_that_is_no_number_stops_the_training():
    with pytest.raises(
        loop.Diverged, match="the loss became nan at update 1; lower the learning rate"
    ) as caught:
        run(target=float("nan"))
    assert caught.value.step == 0


def test_the_first_bad_update_is_named_and_explained():
    # A step of this length doubles the distance to the target: before update n it is 2^(n-1), and
    # the loss its square. float32 ends at 2^128; the norm of the gradient, which is twice the
    # distance, gets there an update earlier if it is computed from squares (jax 0.12).
    step, state, store = prepare(updates_per_dispatch=50, learning_rate=1.5)
    trained = loop.dispatches(
        step,
        state,
        store,
        num_updates=200,
        updates_per_dispatch=50,
        explain=lambda seed, step: f"seed {seed} after {step}",
    )
    assert next(trained).step == 50
    loss, norm = (
        r"loss became inf at update 65 \(seed 0 after 64\)",
        r"gradient norm became inf at update 64 \(seed 0 after 63\)",
    )
    with pytest.raises(loop.Diverged, match=f"the ({loss}|{norm});"):
        next(trained)


def test_training_goes_on_where_it_was_left():
    step, state, store = prepare()
    *_, whole = loop.dispatches(step, state, store, num_updates=8, updates_per_dispatch=2)
    step, state, store = prepare()
    first = next(loop.dispatches(step, state, store, num_updates=8, updates_per_dispatch=2))
    rest = list(
        loop.dispatches(
            step, first.train_state, store, num_updates=8, updates_per_dispatch=2, start=2
        )
    )
    assert [dispatch.step for dispatch in rest] == [4, 6, 8]
    assert (rest[-1].train_state.params == whole.train_state.params).all()
    assert not list(
        loop.dispatches(
            step, rest[-1].train_state, store, num_updates=8, updates_per_dispatch=2, start=8
        )
    )


def test_nothing_enters_the_devices_and_nothing_is_compiled_after_the_first_dispatch():
    step, state, store = prepare()
    trained = loop.dispatches(step, state, store, num_updates=8, updates_per_dispatch=2)
    next(trained)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: compiled.append(name)
    )
    with jax.transfer_guard("disallow"):
        assert [dispatch.step for dispatch in trained] == [4, 6, 8]
    assert not [name for name in compiled if "compile" in name]
    # Neither of the two is blind.
    with (
        jax.transfer_guard("disallow"),
        pytest.raises(Exception, match="Disallowed host-to-device transfer"),
    ):
        jnp.zeros(3) + 1.0
    jax.jit(lambda x: x - 3)(store)
    assert [name for name in compiled if "compile" in name]


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_the_metrics_of_all_seeds_arrive_and_a_bad_one_is_named(num_seeds):
    # On two devices two seeds are spread, three are not. The last one starts far away and runs off.
    optimizer = optax.sgd(1.5)
    step = update.make(
        loss, draw, optimizer, batch_size=2, updates_per_dispatch=10, num_seeds=num_seeds
    )
    starts = [1.0] * (num_seeds - 1) + [1e15]
    states = [update.init(jnp.float32(start), optimizer, jax.random.key(0)) for start in starts]
    trained = loop.dispatches(
        step,
        update.place(states),
        update.replicate(jnp.float32(1.0)),
        num_updates=30,
        updates_per_dispatch=10,
        num_seeds=num_seeds,
        explain=lambda seed, before: f"seed {seed}",
    )
    assert next(trained).means()["loss"][:-1] == [0.0] * (num_seeds - 1)
    with pytest.raises(loop.Diverged, match=rf"\(seed {num_seeds - 1}\)"):
        next(trained)


def test_seeds_keep_an_axis_of_their_own():
    metrics = update.Metrics(np.array([[1.0, 3.0], [4.0, 6.0]]), np.array([[1.0, 1.0], [2.0, 2.0]]))
    dispatch = loop.Dispatch(2, None, metrics, 0.1)
    assert dispatch.means() == {"loss": [2.0, 5.0], "gradient_norm": [1.0, 2.0]}
    assert dispatch.loss == 3.5


def test_a_shorter_last_dispatch_makes_the_same_updates():
    # All in single updates, or in dispatches of 3 with a last one of 1, from the start or resumed.
    finals = {}
    for size, start in ((1, 0), (3, 0), (3, 4)):
        step, state, store = prepare(updates_per_dispatch=size)
        if start:
            first, *_ = prepare(updates_per_dispatch=start)
            state, _ = first(state, store)
        *_, last = loop.dispatches(
            step,
            state,
            store,
            num_updates=7,
            updates_per_dispatch=size,
            start=start,
            shorter=lambda count: prepare(updates_per_dispatch=count)[0],
        )
        assert last.step == 7
        assert last.metrics.loss.shape == (1, 3 if start else 1)
        finals[size, start] = last.train_state.params
    assert finals[1, 0].tolist() == finals[3, 0].tolist() == finals[3, 4].tolist()


@pytest.mark.parametrize(
    ("num_updates", "start", "sentence"),
    [
        (7, 0, "7 updates do not make whole dispatches of 2; take a multiple, or pass shorter="),
        (8, 3, "5 updates do not make whole dispatches of 2"),
        (8, 10, "10 updates were made before, num_updates is 8; give at least as many"),
        (0, 0, "num_updates is 0; train for at least 1 update"),
    ],
)
def test_updates_that_cannot_be_made_are_refused(num_updates, start, sentence):
    step, state, store = prepare()
    trained = loop.dispatches(
        step, state, store, num_updates=num_updates, updates_per_dispatch=2, start=start
    )
    with pytest.raises(ValueError, match=sentence):
        next(trained)
