"""What `jax.shard_map` needs to know of arrays that are replicated and meet arrays that are not.

Inside `shard_map` JAX tracks over which mesh axes each array varies. Its own operations make arrays vary as needed, and
the derivative of that step is the sum over devices. Functions with a derivative rule of their own, and the carry of a
loop, have to say so themselves.
"""

from typing import Any

import jax


def vary_alike(*trees: Any) -> Any:
    """Makes all arrays vary over the mesh axes that any of them varies over; outside of `shard_map` nothing happens.

    The derivative with respect to an array that was replicated is summed over the devices.

    Args:
        *trees: Pytrees of arrays.

    Returns:
        The pytrees, in a tuple; a single one as it is.

    Example:
        >>> import jax.numpy as jnp
        >>> vary_alike(jnp.ones(1), (jnp.zeros(1),))
        (Array([1.], dtype=float32), (Array([0.], dtype=float32),))
    """
    axes = frozenset().union(*(_axes(x) for x in jax.tree.leaves(trees)))
    alike = jax.tree.map(lambda x: _vary(x, axes - _axes(x)), trees)
    return alike[0] if len(trees) == 1 else alike


def varying_axes(*trees: Any) -> frozenset[str]:
    """The mesh axes of `jax.shard_map` over which any of the arrays varies.

    Example:
        >>> import jax.numpy as jnp
        >>> varying_axes(jnp.ones(1))
        frozenset()
    """
    return frozenset().union(*(_axes(x) for x in jax.tree.leaves(trees)))


def _axes(x: Any) -> frozenset[str]:
    kind = jax.typeof(x)
    # The name of this set has changed twice; JAX 0.6 has none, and makes arrays vary by itself in derivative rules too.
    named = getattr(kind, "vma", None) or getattr(getattr(kind, "manual_axis_type", None), "varying", ())
    return frozenset(named)


def _vary(x: Any, axes: frozenset[str]) -> Any:
    if not axes:
        return x
    names = tuple(sorted(axes))
    return jax.lax.pcast(x, names, to="varying")
