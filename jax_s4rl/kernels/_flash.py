"""Runs JAX's fused attention on NVIDIA GPUs, and refuses programs for other platforms.

Derivatives of every order exist.
"""

import functools
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.interpreters import batching, mlir
from jaxtyping import Array

from jax_s4rl.kernels import _blockwise, _linear_maps, _sharding

REMEDY = "use method 'blocked', or 'auto', which takes 'blocked' here"


class _Settings(NamedTuple):
    """Width of the window, whether ranks have to be masked, and the implementation in JAX.

    `masked` is False if causality and the window already express the ranks.
    """

    window: int | None
    masked: bool
    kernel: str

    def run(self, q: Array, k: Array, v: Array, ranks: _blockwise.Ranks) -> Array:
        q, k, v = _all_batched(q, k, v)
        flat = [x.reshape(-1, *x.shape[-3:]) for x in (q, k, v)]
        run = partial(jax.nn.dot_product_attention, *flat, implementation=self.kernel)
        if not self.masked:
            reach = None if self.window is None else (self.window - 1, 0)
            return run(is_causal=True, local_window_size=reach).reshape(q.shape)
        key, oldest, query = (
            ranks.key[..., None, :],
            ranks.oldest[..., None],
            ranks.query[..., None],
        )
        visible = (key >= oldest) & (key <= query)
        visible = jnp.broadcast_to(visible, (*q.shape[:-3], *visible.shape[-2:])).reshape(
            -1, 1, *visible.shape[-2:]
        )
        out = run(mask=visible).reshape(q.shape)
        # A query of negative rank has no visible key. The softmax over its masked scores is
        # meaningless, and the result has to be 0.
        return jnp.where((ranks.query >= 0)[..., None, None], out, 0)


def why_not(q: Array) -> str | None:
    """Returns the requirement of the kernel that such inputs miss on every platform, or None.

    Example:
        >>> why_not(jnp.ones((4, 1, 8)))
        'bfloat16 or float16 inputs, got float32'
    """
    if q.dtype not in (jnp.bfloat16, jnp.float16):
        return f"bfloat16 or float16 inputs, got {q.dtype}"
    if q.shape[-1] % 8 or q.shape[-1] > 128:
        return f"a head_dim that is a multiple of 8 up to 128, got {q.shape[-1]}"
    if axes := _sharding.varying_axes(q):
        names = ", ".join(sorted(axes))
        return f"jax.shard_map with check_vma=False, got inputs that vary over {names}"
    return None if _has_cudnn() else "cuDNN, and JAX finds none: install jax[cuda12] on this host"


@functools.cache
def _has_cudnn() -> bool:
    """Returns whether JAX can build a program with the kernel here.

    That needs the CUDA packages of JAX, but no GPU.
    """
    x = jax.ShapeDtypeStruct((1, 8, 1, 8), jnp.bfloat16)
    run = partial(jax.nn.dot_product_attention, is_causal=True, implementation="cudnn")
    try:
        jax.eval_shape(run, x, x, x)
    except (RuntimeError, NotImplementedError):
        return False
    return True


def attend(
    q: Array,
    k: Array,
    v: Array,
    ranks: _blockwise.Ranks,
    *,
    window: int | None,
    masked: bool,
    kernel: str = "cudnn",
) -> Array:
    """Computes attention as `_blockwise.attend` does, for queries and keys of the same tokens.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        ranks: Ranks that decide which keys a query attends to.
        window: Number of tokens that a query attends to; None for all.
        masked: False if causality and the window express the ranks; True builds a mask of L x L.
        kernel: Implementation in JAX: `"cudnn"`, or `"xla"` on any platform, for tests.

    Returns:
        The attended values. Reverse mode uses the kernel's own derivative; forward mode and second
        derivatives are those of `_blockwise`.

    Example:
        >>> x, rank = jnp.ones((2, 1, 1)), jnp.arange(2)
        >>> ranks = _blockwise.Ranks(0 * rank, rank, rank)
        >>> attend(x, x, x, ranks, window=None, masked=False, kernel="xla").shape
        (2, 1, 1)
    """
    return _attend(_Settings(window, masked, kernel), q, k, v, ranks)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _attend(settings: _Settings, q: Array, k: Array, v: Array, ranks: _blockwise.Ranks) -> Array:
    return settings.run(q, k, v, ranks)


@_attend.defjvp
def _derivative(settings: _Settings, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    *inputs, ranks = primals
    # `jax.vjp` returns a function. A custom rule may return only arrays, so `saving` returns the
    # arrays in that function and leaves its structure here.
    structure: list[Any] = []

    # In a second derivative, the values that the kernel saves get no tangent: `_linear_maps.call`
    # differentiates its first function (`push`) alone.
    @jax.custom_jvp
    def saving(*primals: Any) -> tuple[Array, list[Array]]:
        out, pull = jax.vjp(settings.run, *primals)
        leaves, tree = jax.tree.flatten(pull)
        structure[:] = [tree]
        return out, leaves

    @saving.defjvp
    def _(primals: tuple, tangents: tuple):
        out, leaves = saving(*primals)
        *inputs, ranks = primals
        tangent = jax.jvp(
            lambda *x: _attend(settings, *x, ranks), tuple(inputs), tuple(tangents[:3])
        )[1]
        return (out, leaves), (tangent, [_no_tangent(x) for x in leaves])

    out, leaves = saving(*primals)

    def push(tangents: tuple[Array, Array, Array]) -> Array:
        # The forward derivative is that of `_blockwise`; the kernel gives the reverse derivative
        # only.
        reach = None if settings.masked else settings.window
        return jax.jvp(
            lambda q, k, v: _blockwise.attend(q, k, v, ranks, reach=reach), tuple(inputs), tangents
        )[1]

    def pull(cotangent: Array) -> tuple[Array, Array, Array]:
        cotangent, *_ = _all_batched(cotangent, *inputs)
        return tuple(jax.tree.unflatten(structure[0], leaves)(cotangent)[:3])

    return out, _linear_maps.call(push, pull, tuple(tangents[:3]))


def _all_batched(*arrays: Array) -> tuple[Array, ...]:
    """Adds a zero made of all arrays to each of them.

    Under `vmap` the kernel does not accept arrays of which only some are mapped.
    """
    zero = sum(x.reshape(-1)[:0].sum() for x in arrays)
    return tuple(x + zero for x in arrays)


def _no_tangent(x: Array) -> Any:
    """Returns a zero tangent; that of an integer array has the dtype float0."""
    return (
        jnp.zeros_like(x)
        if jnp.issubdtype(x.dtype, jnp.inexact)
        else np.zeros(x.shape, jax.dtypes.float0)
    )


def refuse(q: Array) -> Array:
    """Returns its argument, but in a program that no platform accepts.

    It is the branch of platforms without the kernel.

    Raises:
        ValueError: If the program is lowered, for any platform.

    Example:
        >>> jax.eval_shape(refuse, jnp.ones(2)).shape
        (2,)
    """
    return _refused(q)


@jax.custom_jvp
def _refused(q: Array) -> Array:
    return _refuse_p.bind(q)


@_refused.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _refused(*primals), tangents[0]


def _lower(context: mlir.LoweringRuleContext, x: Any) -> Any:
    platforms = getattr(context.module_context, "platforms", None) or ("another platform",)
    raise ValueError(
        f"method 'fused' needs an NVIDIA GPU, and the program is made for {', '.join(platforms)}; "
        f"{REMEDY}"
    )


# A primitive whose lowering raises: tracing a choice by platform succeeds, and only programs for a
# platform that takes this branch are refused.
_refuse_p = core.Primitive("refuse_fused_attention")
_refuse_p.def_abstract_eval(lambda x: x)
_refuse_p.def_impl(lambda x: jax.jit(_refuse_p.bind)(x))
batching.primitive_batchers[_refuse_p] = lambda args, axes: (_refuse_p.bind(*args), axes[0])
mlir.register_lowering(_refuse_p, _lower)
