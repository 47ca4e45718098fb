"""Every family under every transformation of JAX: jit, vmap, grad, scan, remat, pmap, shard_map."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import attention, convolution, s4d
from tests.kernels.families import (
    FAMILIES,
    B,
    H,
    L,
    everywhere,
    of_s4d,
    on_two_devices,
    slope_and_difference,
)

# The same float32 operations in another order.
ROUNDING = 5e-6
# Central differences of step 1e-6 in float64.
DIFFERENCES = 1e-6


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


def inputs(family, dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(3), 2)
    parameters = jax.tree.map(lambda x: x.astype(dtype), family.make(keys[0]))
    return parameters, jax.random.normal(keys[1], (B, L, H), dtype)


def assert_close(got, wanted, tolerance=ROUNDING):
    for part, right in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(
            part, right, rtol=0, atol=tolerance * max(1, float(jnp.abs(right).max()))
        )


@pytest.mark.slow
def test_a_whole_sequence_is_one_function_everywhere(family):
    parameters, u = inputs(family)
    wanted = family.apply(parameters, u)
    for got in everywhere(family.apply, parameters, (u,)):
        assert_close(got, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["s4d chunked", "s4", "s5", "lru", "ssd", "s6"])
def test_resets_on_two_devices(name):
    parameters, u = inputs(FAMILIES[name])
    resets = jnp.zeros((B, L), bool).at[0, 3].set(True).at[1, 7].set(True)

    def run(parameters, u, resets):
        return FAMILIES[name].apply(parameters, u, None, resets)

    wanted = jax.jit(run)(parameters, u, resets)
    for got in on_two_devices(run, parameters, (u, resets)):
        assert_close(got, wanted)


def total(results):
    """A loss in which everything counts, each entry with a weight of its own."""
    leaves = [x for x in jax.tree.leaves(results) if jnp.issubdtype(x.dtype, jnp.floating)]
    return sum(
        (jnp.sin(x) * jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)).sum()
        for x in leaves
    )


@pytest.mark.slow
def test_gradients_are_finite_differences(x64, family):
    slope, difference = slope_and_difference(
        lambda *x: total(family.apply(*x)), inputs(family, jnp.float64)
    )
    assert abs(difference - slope) < DIFFERENCES * max(1, abs(slope))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["s4d", "s4", "s5", "lru", "ssd", "s6"])
def test_inside_scan_and_under_remat(name):
    family = FAMILIES[name]
    parameters, u = inputs(family)
    parts = jnp.moveaxis(u.reshape(B, 2, L // 2, H), 1, 0)

    def whole(parameters, u):
        return (family.apply(parameters, u)[0] ** 2).sum()

    def scanned(parameters, u):
        start = family.apply(parameters, u[:, :1] * 0)[1]

        def advance(state, part):
            y, state = family.apply(parameters, part, state)
            return state, y

        return (jax.lax.scan(advance, start, parts)[1] ** 2).sum()

    wanted = jax.jit(jax.value_and_grad(whole))(parameters, u)
    assert_close(jax.jit(jax.value_and_grad(scanned))(parameters, u), wanted, 1e-4)
    assert_close(jax.jit(jax.value_and_grad(jax.checkpoint(whole)))(parameters, u), wanted)


def a_step(name, dtype):
    """`step` of a family from a state that is not zero, one row of the batch being reset."""
    family = FAMILIES[name]
    parameters, u = inputs(family, dtype)
    state = jax.tree.map(
        lambda x: x + jnp.asarray(0.5, dtype), family.module.init_state(parameters, (B,))
    )
    return (
        family.module.step,
        family.module.prepare(parameters),
        (u[:, 0], state, jnp.array([False, True])),
    )


def a_cache(dtype, length):
    q, k, v = jax.random.normal(jax.random.key(4), (3, B, length, 2, 4), dtype)
    cache = attention.init_cache((B,), 6, 2, 4, dtype)
    return (q, k, v), attention.chunk(k[:, :1], q[:, :1], v[:, :1], cache)[1]


def an_attention_chunk(dtype):
    (q, k, v), cache = a_cache(dtype, 3)

    def run(scale, q, k, v, cache, resets):
        return attention.chunk(scale * q, k, v, cache, resets=resets)

    return run, jnp.ones((), dtype), (q, k, v, cache, jnp.zeros((B, 3), bool).at[0, 1].set(True))


def an_attention_step(dtype):
    (q, k, v), cache = a_cache(dtype, 1)

    def run(scale, q, k, v, cache, reset):
        return attention.step(scale * q, k, v, cache, reset)

    return run, jnp.ones((), dtype), (q[:, 0], k[:, 0], v[:, 0], cache, jnp.array([False, True]))


def both_ways(dtype):
    ahead, behind = (
        jax.tree.map(lambda x: x.astype(dtype), of_s4d(jax.random.key(seed))) for seed in (0, 1)
    )
    return (
        lambda systems, u: s4d.apply_both_ways(*systems, u),
        (ahead, behind),
        (inputs(FAMILIES["s4d"], dtype)[1],),
    )


def bidirectional(dtype):
    kernels = tuple(jax.random.normal(jax.random.key(5), (2, H, L), dtype))
    return (
        lambda kernels, u: convolution.bidirectional(u, *kernels),
        kernels,
        (inputs(FAMILIES["s4d"], dtype)[1],),
    )


STEPPED = ("s4d", "s4", "s5", "lru", "ssd", "s6")
OTHERS = {
    **{f"{name}.step": partial(a_step, name) for name in STEPPED},
    "attention.chunk": an_attention_chunk,
    "attention.step": an_attention_step,
    "s4d.apply_both_ways": both_ways,
    "convolution.bidirectional": bidirectional,
}
# One of each kind stays among the fast tests: the others take seconds to compile.
FAST = ("s4.step", "lru.step")
EVERY_OTHER = [
    pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in OTHERS
]


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY_OTHER)
def test_the_other_verbs_are_one_function_everywhere(name):
    run, shared, rows = OTHERS[name](jnp.float32)
    wanted = run(shared, *rows)
    for got in everywhere(run, shared, rows):
        assert_close(got, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY_OTHER)
def test_gradients_of_the_other_verbs_are_finite_differences(x64, name):
    run, shared, rows = OTHERS[name](jnp.float64)
    leaves, tree = jax.tree.flatten((shared, rows))
    moving = [jnp.issubdtype(x.dtype, jnp.floating) for x in leaves]

    def loss(*floats):
        given = iter(floats)
        shared, rows = jax.tree.unflatten(
            tree, [next(given) if m else x for x, m in zip(leaves, moving, strict=True)]
        )
        return total(run(shared, *rows))

    at = tuple(x for x, m in zip(leaves, moving, strict=True) if m)
    slope, difference = slope_and_difference(loss, at)
    assert abs(difference - slope) < DIFFERENCES * max(1, abs(slope))
