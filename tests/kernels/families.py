"""Small systems of every family, and every transformation of JAX, for the tests in this folder."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, lru, s4, s4d, s5, s6, ssd

H, P, B, L = 2, 2, 2, 10
# JAX 0.8 moved it out of `experimental`; older versions have it there only.
if hasattr(jax, "shard_map"):
    shard_map = jax.shard_map
else:
    from jax.experimental.shard_map import shard_map


class Family(NamedTuple):
    """One way to run a family: module, function, and maker of parameters from a key and P pairs."""

    module: Any
    apply: Any
    make: Any


def of_s5(key, P=P):
    start = initialization.s5(key, H, P)
    return s5.Parameters(*start, jnp.ones(H), jnp.full((P,), 0.1))


def of_lru(key, P=P):
    ring, start = initialization.lru_ring(key, P, 0.4, 0.9), initialization.s5(key, H, P)
    Lambda = cplx.Pair(-jnp.exp(ring.log_decay), jnp.exp(ring.log_angle))
    return lru.Parameters(Lambda, start.B, start.C, jnp.ones(H), jnp.exp(ring.log_gain))


def of_s4d(key, P=P):
    Lambda, D = initialization.diagonal("lin", 2 * P), jnp.ones(H)
    return s4d.Parameters(
        *(_tiled(x) for x in Lambda), initialization.output(key, (H, P)), D, jnp.full((H,), 0.1)
    )


def of_s4(key, P=P, measure="legt"):
    start, D = initialization.low_rank(measure, 2 * P), jnp.ones(H)
    return s4.Parameters(
        *(_tiled(x) for x in start), initialization.output(key, (H, P)), D, jnp.full((H,), 0.1)
    )


class Driven(NamedTuple):
    """A selective system, and linear maps of the input to free steps, B and C."""

    parameters: Any
    step_map: Any
    B_map: Any
    C_map: Any


class Selection:
    """A selective kernel as a system with one input, like the other families."""

    def __init__(self, kernel):
        self.kernel = kernel

    def given(self, driven, u):
        free_step, B, C = (u @ x for x in (driven.step_map, driven.B_map, driven.C_map))
        if self.kernel is s6:
            return u, free_step, B, C
        # Every feature is a head of two features, and all heads are one group.
        return jnp.stack([u, -2 * u], -1), free_step, B[..., None, :], C[..., None, :]

    def joined(self, y):
        return y if self.kernel is s6 else y.sum(-1)

    def apply(self, driven, u, state=None, resets=None, **options):
        given = self.given(driven, u)
        y, last = self.kernel.apply(driven.parameters, *given, state, resets, **options)
        return self.joined(y), last

    def prepare(self, driven):
        return driven._replace(parameters=self.kernel.prepare(driven.parameters))

    def step(self, driven, u, state, reset=None):
        given = self.given(driven, u)
        y, state = self.kernel.step(driven.parameters, *given, state, reset)
        return self.joined(y), state

    def init_state(self, driven, batch_shape=()):
        sizes = {} if self.kernel is s6 else {"head_size": 2, "state_size": driven.B_map.shape[1]}
        return self.kernel.init_state(driven.parameters, batch_shape, **sizes)


SSD, S6 = Selection(ssd), Selection(s6)


def of_ssd(key, P=P):
    maps = jax.random.normal(key, (H, H + 2 * P))
    parameters = ssd.Parameters(-jnp.arange(1.0, H + 1), jnp.ones(H), jnp.full((H,), -1.0))
    return Driven(parameters, *jnp.split(maps, [H, H + P], axis=1))


def of_s6(key, P=P):
    A = -jnp.arange(1.0, H * P + 1).reshape(H, P)
    maps = jax.random.normal(key, (H, H + 2 * P))
    parameters = s6.Parameters(A, jnp.ones(H), jnp.full((H,), -1.0))
    return Driven(parameters, *jnp.split(maps, [H, H + P], axis=1))


def _tiled(x):
    return jax.tree.map(lambda part: jnp.stack([part] * H), x)


FAMILIES = {
    "s4d": Family(s4d, s4d.apply, of_s4d),
    "s4d chunked": Family(s4d, partial(s4d.apply, method="chunked", chunk=4), of_s4d),
    "s4d scan": Family(s4d, partial(s4d.apply, method="scan"), of_s4d),
    "s4": Family(s4, s4.apply, of_s4),
    "s4 truncated": Family(s4, partial(s4.apply, length=L), of_s4),
    "s5": Family(s5, s5.apply, of_s5),
    "lru": Family(lru, lru.apply, of_lru),
    "ssd": Family(SSD, SSD.apply, of_ssd),
    "ssd scan": Family(SSD, partial(SSD.apply, method="scan", chunk=4), of_ssd),
    "s6": Family(S6, S6.apply, of_s6),
}


def everywhere(run: Callable[..., Any], shared: Any, rows: tuple) -> Iterator[Any]:
    """Yields `run(shared, *rows)` under each transformation; all results should be equal.

    The first axis of rows is the batch.
    """
    alone = (None, *[0] * len(rows))
    yield jax.jit(run)(shared, *rows)
    yield jax.jit(jax.vmap(run, alone))(shared, *rows)
    both = jax.tree.map(lambda x: jnp.stack([x, x * jnp.asarray(0.5, x.dtype)]), shared)
    yield jax.tree.map(
        lambda x: x[0], jax.jit(jax.vmap(run, (0, *[None] * len(rows))))(both, *rows)
    )
    yield jax.jit(jax.checkpoint(run))(shared, *rows)
    yield jax.jit(
        lambda shared, rows: jax.lax.scan(lambda _, x: (None, run(shared, *x)), None, rows)[1]
    )(shared, rows)
    yield from on_two_devices(run, shared, rows)


def on_two_devices(run: Callable[..., Any], shared: Any, rows: tuple) -> Iterator[Any]:
    """`run(shared, *rows)` by pmap and by shard_map, a part of the rows on each device."""
    alone = (None, *[0] * len(rows))
    yield jax.pmap(run, in_axes=alone, devices=jax.devices()[:2])(shared, *rows)
    split, same = PartitionSpec("data"), PartitionSpec()
    mesh = Mesh(np.asarray(jax.devices()[:2]), ("data",))
    specs = (same, *[split] * len(rows))
    yield jax.jit(shard_map(run, mesh=mesh, in_specs=specs, out_specs=split))(shared, *rows)


def slope_and_difference(loss: Callable[..., Any], at: tuple) -> tuple[float, float]:
    """Slope of a loss in one direction, by its gradient and by central differences of step 1e-6."""
    direction = jax.tree.map(
        lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape) * (1 + jnp.abs(x)), at
    )
    slopes = jax.jit(jax.grad(loss, argnums=tuple(range(len(at)))))(*at)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: (g * d).sum(), slopes, direction)))
    moved = [jax.tree.map(lambda x, d, s=s: x + s * d, at, direction) for s in (1e-6, -1e-6)]
    run = jax.jit(loss)
    return float(slope), float((run(*moved[0]) - run(*moved[1])) / 2e-6)
