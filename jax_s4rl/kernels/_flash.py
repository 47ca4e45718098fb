"""The flash kernel that JAX offers on NVIDIA GPUs, with derivatives of every order, and a refusal elsewhere."""

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


class _How(NamedTuple):
    """The width of the window, whether ranks say more than causality and the window do, and whose kernel it is."""

    window: int | None
    masked: bool
    kernel: str

    def run(self, q: Array, k: Array, v: Array, ranks: _blockwise.Ranks) -> Array:
        q, k, v = _alike(q, k, v)
        flat = [x.reshape(-1, *x.shape[-3:]) for x in (q, k, v)]
        run = partial(jax.nn.dot_product_attention, *flat, implementation=self.kernel)
        if not self.masked:
            reach = None if self.window is None else (self.window - 1, 0)
            return run(is_causal=True, local_window_size=reach).reshape(q.shape)
        key, oldest, query = ranks.key[..., None, :], ranks.oldest[..., None], ranks.query[..., None]
        seen = (key >= oldest) & (key <= query)
        seen = jnp.broadcast_to(seen, (*q.shape[:-3], *seen.shape[-2:])).reshape(-1, 1, *seen.shape[-2:])
        out = run(mask=seen).reshape(q.shape)
        return jnp.where((ranks.query >= 0)[..., None, None], out, 0)


def why_not(q: Array) -> str | None:
    """What the kernel lacks for such inputs on every platform; None if nothing.

    Example:
        >>> why_not(jnp.ones((4, 1, 8)))
        'bfloat16 or float16 inputs, got float32'
    """
    if q.dtype not in (jnp.bfloat16, jnp.float16):
        return f"bfloat16 or float16 inputs, got {q.dtype}"
    if q.shape[-1] % 8 or q.shape[-1] > 128:
        return f"a head_dim that is a multiple of 8 up to 128, got {q.shape[-1]}"
    if axes := _sharding.varying_axes(q):
        return f"jax.shard_map with check_vma=False, got inputs that vary over {', '.join(sorted(axes))}"
    return None if _has_cudnn() else "cuDNN, and JAX finds none: install jax[cuda12] on this host"


@functools.cache
def _has_cudnn() -> bool:
    """Whether JAX can make a program with the kernel here; that takes its CUDA packages, but no GPU."""
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
    """As `blockwise.attend`, for queries that are their own keys.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        ranks: Who sees whom.
        window: Number of tokens that a query sees; None for all.
        masked: False where causality and the window say all that the ranks do; if not, a matrix of L x L is made.
        kernel: Of JAX: `"cudnn"`, or `"xla"` on any platform, for tests.

    Returns:
        The attended values. Reverse mode takes the kernel's own derivative; forward mode and second derivatives are
        those of `blockwise`.

    Example:
        >>> x, rank = jnp.ones((2, 1, 1)), jnp.arange(2)
        >>> attend(x, x, x, _blockwise.Ranks(0 * rank, rank, rank), window=None, masked=False, kernel="xla").shape
        (2, 1, 1)
    """
    return _attend(_How(window, masked, kernel), q, k, v, ranks)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _attend(how: _How, q: Array, k: Array, v: Array, ranks: _blockwise.Ranks) -> Array:
    return how.run(q, k, v, ranks)


@_attend.defjvp
def _derivative(how: _How, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    *inputs, ranks = primals
    structure: list[Any] = []

    # Differentiated again, the values that the kernel saves have no tangent: `linear_maps.call` takes second
    # derivatives from its first function alone.
    @jax.custom_jvp
    def saving(*primals: Any) -> tuple[Array, list[Array]]:
        out, pull = jax.vjp(how.run, *primals)
        leaves, tree = jax.tree.flatten(pull)
        structure[:] = [tree]
        return out, leaves

    @saving.defjvp
    def _(primals: tuple, tangents: tuple):
        out, leaves = saving(*primals)
        *inputs, ranks = primals
        moved = jax.jvp(lambda *x: _attend(how, *x, ranks), tuple(inputs), tuple(tangents[:3]))[1]
        return (out, leaves), (moved, [_no_tangent(x) for x in leaves])

    out, leaves = saving(*primals)

    def push(tangents: tuple[Array, Array, Array]) -> Array:
        reach = None if how.masked else how.window
        return jax.jvp(lambda q, k, v: _blockwise.attend(q, k, v, ranks, reach=reach), tuple(inputs), tangents)[1]

    def pull(cotangent: Array) -> tuple[Array, Array, Array]:
        cotangent, *_ = _alike(cotangent, *inputs)
        return tuple(jax.tree.unflatten(structure[0], leaves)(cotangent)[:3])

    return out, _linear_maps.call(push, pull, tuple(tangents[:3]))


def _alike(*arrays: Array) -> tuple[Array, ...]:
    """The arrays plus zero: under `vmap` the kernel does not take arrays of which only some are mapped."""
    nothing = sum(x.reshape(-1)[:0].sum() for x in arrays)
    return tuple(x + nothing for x in arrays)


def _no_tangent(x: Array) -> Any:
    return jnp.zeros_like(x) if jnp.issubdtype(x.dtype, jnp.inexact) else np.zeros(x.shape, jax.dtypes.float0)


def refuse(q: Array) -> Array:
    """Nothing, but a program with it is refused: the branch of platforms without the kernel.

    Raises:
        ValueError: The program is lowered, for whatever platform.

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
    found = getattr(context.module_context, "platforms", None) or ("another platform",)
    raise ValueError(f"method 'fused' needs an NVIDIA GPU, and the program is made for {', '.join(found)}; {REMEDY}")


_refuse_p = core.Primitive("refuse_fused_attention")
_refuse_p.def_abstract_eval(lambda x: x)
_refuse_p.def_impl(lambda x: jax.jit(_refuse_p.bind)(x))
batching.primitive_batchers[_refuse_p] = lambda args, axes: (_refuse_p.bind(*args), axes[0])
mlir.register_lowering(_refuse_p, _lower)
