"""Tests for S4 and S4D: irregular time, states, both ways, derivatives, platforms, devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import Mesh, PartitionSpec

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, s4, s4d
from tests.kernels.families import H, of_s4, of_s4d

L, ROUNDING = 9, 1e-5
METHODS = ["scan", "chunked", "toeplitz", "fft"]


def of_s4_rank_3(key):
    """S4 whose low-rank part has a third factor."""
    parameters = of_s4(key, measure="fout")
    extra = initialization.output(
        jax.random.key(7), (H, 3 - parameters.P.shape[1], parameters.C.shape[-1])
    )
    return parameters._replace(
        P=cplx.Pair(*(jnp.concatenate(x, 1) for x in zip(parameters.P, extra, strict=True)))
    )


@pytest.fixture(
    params=[pytest.param((s4d, of_s4d), id="s4d"), pytest.param((s4, of_s4_rank_3), id="s4")]
)
def family(request):
    module, make = request.param
    return module, make(jax.random.key(0))


def inputs(batch=2):
    keys = jax.random.split(jax.random.key(1), 3)
    u = jax.random.normal(keys[0], (batch, L, H))
    state = cplx.Pair(*jax.random.normal(keys[1], (2, batch, H, 2)))
    return u, state, jnp.zeros((batch, L), bool).at[0, 3].set(True).at[1, 7].set(True)


def assert_close(got, wanted, tolerance=ROUNDING):
    for part, right in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(
            part, right, rtol=0, atol=tolerance * max(1, float(jnp.abs(right).max()))
        )


def stepped(module, parameters, u, state, resets, intervals):
    """Outputs and states of steps, each prepared for its interval; rows share the first's times."""
    outputs, states = [], []

    @jax.jit
    def step(parameters, interval, *now):
        return module.step(module.prepare(parameters, rate=interval), *now)

    for k in range(u.shape[1]):
        y, state = step(parameters, intervals[0, k], u[:, k], state, resets[:, k])
        outputs.append(y)
        states.append(state)
    return jnp.stack(outputs, 1), jax.tree.map(lambda *x: jnp.stack(x, 1), *states)


@pytest.mark.slow
def test_intervals_are_steps_prepared_one_by_one(family):
    module, parameters = family
    u, state, resets = inputs()
    intervals = jnp.broadcast_to(jnp.linspace(0.25, 3.0, L), (2, L))
    outputs, states = stepped(module, parameters, u, state, resets, intervals)
    for method in ("auto", "scan"):
        run = jax.jit(partial(module.apply, method=method))
        y, last = run(parameters, u, state, resets, intervals=intervals)
        assert_close((y, last), (outputs, jax.tree.map(lambda x: x[:, -1], states)))
    assert_close(jax.jit(module.states)(parameters, u, state, resets, intervals=intervals), states)

    def loss(intervals):
        return (module.apply(parameters, u, state, resets, intervals=intervals)[0] ** 2).sum()

    slopes = jax.jit(jax.grad(loss))(0 * intervals)
    assert bool(jnp.isfinite(slopes).all())


def test_states_are_those_of_steps_and_a_nan_ends_at_a_reset(family):
    module, parameters = family
    u, state, resets = inputs()
    states = stepped(module, parameters, u, state, resets, jnp.ones((2, L)))[1]
    run = jax.jit(module.states)
    assert_close(run(parameters, u, state, resets), states)
    broken = run(parameters, u.at[0, 1, 0].set(jnp.nan), state, resets)
    found = jnp.isnan(broken.re).any(-1)
    np.testing.assert_array_equal(found[0, :, 0], [k in (1, 2) for k in range(L)])
    assert not bool(found[1].any() | found[0, :, 1].any())


@pytest.mark.slow
@pytest.mark.parametrize("length", [L, 40])
def test_both_ways_is_the_past_by_one_system_and_the_future_by_another(family, length):
    module, ahead = family
    behind = ahead._replace(C=cplx.scale(ahead.C, -0.5), step=ahead.step * 2)
    u = jax.random.normal(jax.random.key(1), (2, length, H))
    stepwise, run = jax.jit(partial(module.apply, method="scan")), jax.jit(module.apply_both_ways)
    past = stepwise(ahead, u)[0]
    turned = jnp.flip(stepwise(behind._replace(D=0 * behind.D), jnp.flip(u, 1))[0], 1)
    wanted = past + jnp.concatenate([turned[:, 1:], 0 * turned[:, :1]], 1)
    assert_close(run(ahead, behind, u), wanted)
    mask = jnp.ones((2, length), bool).at[:, -1].set(False)
    padded = run(ahead, behind, u.at[:, -1].set(jnp.nan), mask=mask)
    assert bool(jnp.isfinite(padded).all())


# A short row takes the Toeplitz product on all platforms, a long one chunks on TPU alone.
@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("length", [20, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.parametrize("truncated", [False, True])
def test_programs_for_other_platforms_and_an_unknown_batch(unchecked, family, length, truncated):
    module, parameters = family
    options = {"length": length} if truncated and module is s4 else {}
    batch = export.symbolic_shape("batch")[0] if length == 20 else 2

    def loss(parameters, u):
        return jnp.sum(module.apply(parameters, u, **options)[0] ** 2)

    leaves, tree = jax.tree.flatten(parameters)
    gradient = jax.jit(
        lambda leaves, u: jax.tree.leaves(jax.grad(loss)(jax.tree.unflatten(tree, leaves), u))
    )
    given = jax.ShapeDtypeStruct((batch, length, H), jnp.float32)
    text = {
        platform: export.export(gradient, platforms=[platform])(leaves, given).mlir_module()
        for platform in ("cpu", "cuda", "tpu")
    }
    assert "complex<" not in text["tpu"]
    assert "fft" not in text["tpu"]
    assert ("fft" in text["cuda"]) == ("fft" in text["cpu"]) == (length == 600)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_forward_mode_is_reverse_mode_and_hessians_are_theirs(family, method):
    module, parameters = family
    u, state, resets = inputs()
    resets = resets if method in ("scan", "chunked") else None
    moved = jax.tree.map(
        lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape),
        (parameters, u, state),
    )

    def loss(parameters, u, state):
        y, last = module.apply(parameters, u, state, resets, method=method, chunk=4)
        return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.sin(last.re))

    @jax.jit
    def found(*given):
        forward = jax.jvp(loss, given, moved)[1]
        reverse = sum(
            jax.tree.leaves(jax.tree.map(jnp.vdot, jax.grad(loss, (0, 1, 2))(*given), moved))
        )

        def bent(D):
            return loss(parameters._replace(D=D), *given[1:])

        return (
            forward,
            jax.linearize(loss, *given)[1](*moved),
            reverse,
            jax.hessian(bent)(parameters.D),
        )

    forward, linearized, reverse, hessian = found(parameters, u, state)
    assert_close((forward, linearized), (reverse, reverse), 1e-4)
    y = jax.jit(partial(module.apply, method="scan"))(parameters, u, state, resets)[0]
    assert_close(hessian, jnp.diag(-(jnp.sin(y) * u**2).sum((0, 1))), 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "inside"), list(zip(METHODS, [True, False] * 2, strict=True)))
def test_gradients_of_replicated_parameters_under_shard_map(family, method, inside):
    module, parameters = family
    u, state, resets = inputs()
    resets = resets if method in ("scan", "chunked") else None
    mask = jnp.ones((2, L), bool).at[:, -2:].set(False)
    whole, rows = PartitionSpec(), PartitionSpec("data")
    mesh = Mesh(np.asarray(jax.devices()[:2]), ("data",))

    def loss(parameters, u, state, resets, mask):
        y, _ = module.apply(parameters, u, state, resets, method=method, chunk=4, mask=mask)
        return jnp.sum(jnp.sin(y))

    sharded = partial(jax.shard_map, mesh=mesh, in_specs=(whole, *[rows] * 4))
    outside = sharded(lambda *x: loss(*x)[None], out_specs=rows)
    gradient = (
        sharded(jax.grad(loss), out_specs=whole)
        if inside
        else jax.grad(lambda *x: jnp.sum(outside(*x)))
    )
    got, wanted = (
        jax.jit(f)(parameters, u, state, resets, mask) for f in (gradient, jax.grad(loss))
    )
    assert_close(got, wanted, 1e-4)


@pytest.mark.slow
def test_nan_before_a_reset_and_in_padding_leaves_gradients_finite(family):
    module, parameters = family
    u, state, resets = inputs()
    mask = jnp.ones((2, L), bool).at[:, -1].set(False)
    bad = u.at[0, 1].set(jnp.inf).at[1, 2].set(jnp.nan).at[:, -1].set(jnp.nan)

    @partial(jax.jit, static_argnames="method")
    def slopes(parameters, u, method):
        def loss(parameters):
            y = module.apply(parameters, u, state, resets, method=method, chunk=4, mask=mask)[0]
            # From the reset of each row on.
            used = jnp.cumsum(resets, 1)[..., None] > 0
            return jnp.sum(jnp.where(used, y, 0) ** 2)

        return jax.grad(loss)(parameters)

    for method in ("auto", "scan"):
        got, wanted = slopes(parameters, bad, method), slopes(parameters, u, method)
        assert_close(got, wanted)
