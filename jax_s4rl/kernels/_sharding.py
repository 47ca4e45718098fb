"""Combines replicated arrays with arrays that vary over devices, inside `jax.shard_map`.

There, JAX tracks over which mesh axes each array varies. Its own operations make arrays vary as
needed, and the derivative of that step is the sum over devices. Functions with custom derivative
rules, and the carry of a loop, have to state it explicitly.
"""

from typing import Any

import jax


def vary_alike(*trees: Any) -> Any:
    """Makes all arrays vary over the mesh axes that any of them varies over.

    Outside of `shard_map` nothing happens. The derivative with respect to a replicated array is
    summed over the devices.

    Args:
        *trees: Pytrees of arrays.

    Returns:
        The pytrees in a tuple; a single pytree as it is.

    Example:
        >>> import jax.numpy as jnp
        >>> vary_alike(jnp.ones(1), (jnp.zeros(1),))
        (Array([1.], dtype=float32), (Array([0.], dtype=float32),))
    """
    axes = frozenset().union(*(_axes(x) for x in jax.tree.leaves(trees)))
    alike = jax.tree.map(lambda x: _vary(x, axes - _axes(x)), trees)
    return alike[0] if len(trees) == 1 else alike


def varying_axes(*trees: Any) -> frozenset[str]:
    """Returns the mesh axes of `jax.shard_map` over which any of the arrays varies.

    Example:
        >>> import jax.numpy as jnp
        >>> varying_axes(jnp.ones(1))
        frozenset()
    """
    return frozenset().union(*(_axes(x) for x in jax.tree.leaves(trees)))


def _axes(x: Any) -> frozenset[str]:
    kind = jax.typeof(x)
    # The name of this set has changed twice. JAX 0.6 has no such set, and makes arrays vary by
    # itself in derivative rules too.
    named = getattr(kind, "vma", None) or getattr(
        getattr(kind, "manual_axis_type", None), "varying", ()
    )
    return frozenset(named)


def _vary(x: Any, axes: frozenset[str]) -> Any:
    if not axes:
        return x
    # The order in a set is not fixed.
    names = tuple(sorted(axes))
    return jax.lax.pcast(x, names, to="varying")
