"""Arrays that are replicated and arrays that are not, under `jax.shard_map`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from jax_s4rl.kernels import _sharding

WHOLE, ROWS = PartitionSpec(), PartitionSpec("data")


def on_two_devices(run, inputs, outputs):
    mesh = Mesh(np.asarray(jax.devices()[:2]), ("data",))
    return jax.jit(jax.shard_map(run, mesh=mesh, in_specs=inputs, out_specs=outputs))


@jax.custom_vjp
def product(weight, x):
    return weight * x


product.defvjp(
    lambda weight, x: (weight * x, (weight, x)), lambda saved, g: (g * saved[1], g * saved[0])
)


def test_outside_of_shard_map_nothing_happens():
    x, y = jnp.ones(2), (jnp.zeros(1), None)
    one, two = _sharding.vary_alike(x, y)
    assert one is x
    assert two[0] is y[0]
    assert _sharding.vary_alike(x) is x


@pytest.mark.parametrize("inside", [False, True])
def test_the_gradient_of_a_replicated_array_is_summed(inside):
    weight, x = jnp.full((1,), 3.0), jnp.array([[1.0], [4.0]])

    def run(weight, x):
        weight, x = _sharding.vary_alike(weight, x)
        return product(weight[None], x)

    if inside:
        got = on_two_devices(jax.grad(lambda w, x: run(w, x).sum()), (WHOLE, ROWS), WHOLE)(
            weight, x
        )
    else:
        whole = on_two_devices(run, (WHOLE, ROWS), ROWS)
        got = jax.grad(lambda w: whole(w, x).sum())(weight)
    np.testing.assert_allclose(got, [5.0])


def test_the_carry_of_a_loop_may_start_replicated():
    def run(start, x):
        start, x = _sharding.vary_alike(start, x)
        return jax.lax.scan(lambda carry, now: (carry + now, None), start, x.T)[0]

    got = on_two_devices(run, (WHOLE, ROWS), ROWS)(
        jnp.zeros(1), jnp.array([[1.0, 2.0], [3.0, 4.0]])
    )
    np.testing.assert_allclose(got, [3.0, 7.0])
