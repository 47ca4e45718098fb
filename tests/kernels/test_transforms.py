"""Every family under every transformation of JAX: jit, vmap, grad, scan, remat, pmap, shard_map."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from jax_s4rl.kernels import initialization, lru, pairs, s4, s4d, s5

# Many programs to compile: minutes, not seconds.
pytestmark = pytest.mark.slow

# The same float32 operations in another order.
ROUNDING = 5e-6
# Central differences of step 1e-6 in float64.
DIFFERENCES = 1e-6
H, P, B, L = 2, 2, 2, 10
# JAX 0.8 moved it out of `experimental`; older versions have it there only.
if hasattr(jax, "shard_map"):
    shard_map = jax.shard_map
else:
    from jax.experimental.shard_map import shard_map


class Family(NamedTuple):
    apply: Any
    make: Any


def of_s5(key):
    start = initialization.s5(key, H, P)
    return s5.Parameters(*start, jnp.ones(H), jnp.full((P,), 0.1))


def of_lru(key):
    ring, start = initialization.lru_ring(key, P, 0.4, 0.9), initialization.s5(key, H, P)
    Lambda = pairs.Pair(-jnp.exp(ring.log_decay), jnp.exp(ring.log_angle))
    return lru.Parameters(Lambda, start.B, start.C, jnp.ones(H), jnp.exp(ring.log_gain))


def of_s4d(key):
    Lambda, D = initialization.diagonal("lin", 2 * P), jnp.ones(H)
    return s4d.Parameters(*(_tiled(x) for x in Lambda), initialization.output(key, (H, P)), D, jnp.full((H,), 0.1))


def of_s4(key, measure="legt"):
    start, D = initialization.low_rank(measure, 2 * P), jnp.ones(H)
    return s4.Parameters(*(_tiled(x) for x in start), initialization.output(key, (H, P)), D, jnp.full((H,), 0.1))


def _tiled(x):
    return jax.tree.map(lambda part: jnp.stack([part] * H), x)


FAMILIES = {
    "s4d": Family(s4d.apply, of_s4d),
    "s4d chunked": Family(partial(s4d.apply, method="chunked", chunk=4), of_s4d),
    "s4d scan": Family(partial(s4d.apply, method="scan"), of_s4d),
    "s4": Family(s4.apply, of_s4),
    "s4 truncated": Family(partial(s4.apply, length=L), of_s4),
    "s5": Family(s5.apply, of_s5),
    "lru": Family(lru.apply, of_lru),
}


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


def inputs(family, dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(3), 2)
    parameters = jax.tree.map(lambda x: x.astype(dtype), family.make(keys[0]))
    return parameters, jax.random.normal(keys[1], (B, L, H), dtype)


def assert_close(got, wanted, tolerance=ROUNDING):
    for part, right in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(part, right, rtol=0, atol=tolerance * max(1, float(jnp.abs(right).max())))


def test_jit_and_vmap_over_data_and_parameters(family):
    parameters, u = inputs(family)
    wanted = family.apply(parameters, u)
    assert_close(jax.jit(family.apply)(parameters, u), wanted)
    assert_close(jax.jit(jax.vmap(family.apply, in_axes=(None, 0)))(parameters, u), wanted)
    other = jax.tree.map(lambda x: x * 0.9, parameters)
    both = jax.tree.map(lambda *x: jnp.stack(x), parameters, other)
    assert_close(
        jax.jit(jax.vmap(family.apply, in_axes=(0, None)))(both, u),
        jax.tree.map(lambda *x: jnp.stack(x), wanted, jax.jit(family.apply)(other, u)),
    )


def test_gradients_are_finite_differences(x64, family):
    parameters, u = inputs(family, jnp.float64)

    @jax.jit
    def loss(parameters, u):
        y, state = family.apply(parameters, u)
        return (y**2).sum() + (state.re**2).sum() + state.im.sum()

    at = (parameters, u)
    direction = jax.tree.map(
        lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape) * (1 + jnp.abs(x)), at
    )
    slopes = jax.jit(jax.grad(loss, argnums=(0, 1)))(*at)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: (g * d).sum(), slopes, direction)))
    moved = [jax.tree.map(lambda x, d, s=s: x + s * d, at, direction) for s in (1e-6, -1e-6)]
    difference = (loss(*moved[0]) - loss(*moved[1])) / 2e-6
    assert abs(difference - slope) < DIFFERENCES * max(1, abs(float(slope)))


def test_inside_scan_and_under_remat(family):
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


def test_on_two_devices(family):
    parameters, u = inputs(family)
    wanted = jax.jit(family.apply)(parameters, u)
    per_device = jax.pmap(family.apply, in_axes=(None, 0), devices=jax.devices()[:2])(parameters, u)
    assert_close(per_device, wanted)
    mesh = Mesh(np.asarray(jax.devices()[:2]), ("data",))
    split, same = PartitionSpec("data"), PartitionSpec()
    sharded = jax.jit(shard_map(family.apply, mesh=mesh, in_specs=(same, split), out_specs=split))
    assert_close(sharded(parameters, u), wanted)
