"""Real linear recurrence ``x[k] = exp(log_decay[k]) x[k-1] + added[k]``, time being the first axis.

`recurrence` is the counterpart for complex numbers, and explains the derivative: JAX differentiates
the equation that the states solve, so that the gradient is the same recurrence run backwards.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

METHODS = ("auto", "scan", "tree")

# Decays above exp(SLOW) are applied by their difference from one.
SLOW = -0.5


def states(
    method: str, log_decay: Float[Array, "T *shape"], added: Float[Array, "T *shape"]
) -> Float[Array, "T *shape"]:
    """Returns the states after every step, from state zero.

    Args:
        method: `"scan"` (step by step), `"tree"` (neighbours are combined in a tree), or `"auto"`:
            `"scan"` in a program for CPU and `"tree"` in one for GPU or TPU.
        log_decay: Logarithms of decays, at most 0; the first has no effect.
        added: What each step adds.

    Returns:
        The states.

    Example:
        >>> states("scan", jnp.log(jnp.full(3, 0.5)), jnp.ones(3))
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    factors = jnp.exp(log_decay[1:])

    # The left side of the equation, from which JAX takes the derivative with respect to decays.
    def matvec(x: Array) -> Array:
        return x - jnp.concatenate([jnp.zeros_like(x[:1]), factors * x[:-1]])

    def solve(_: Callable, right: Array) -> Array:
        return _run(method, log_decay, right, False)

    # Backwards, step k takes the decay of step k + 1; that of the first has no effect again.
    def transposed(_: Callable, cotangent: Array) -> Array:
        return _run(method, jnp.roll(log_decay, -1, 0), cotangent, True)

    return lax.custom_linear_solve(matvec, added, solve, transposed)


def decayed(log_decay: Float[Array, "..."], x: Float[Array, "..."]) -> Array:
    """Computes `exp(log_decay) x`.

    A decay near one is applied by its difference from one: rounded to float32 it would lose the
    digits that a long memory depends on.

    Args:
        log_decay: Logarithms of decays, at most 0, of any shape that broadcasts to that of `x`.
        x: States.

    Returns:
        The states after the decay.

    Example:
        >>> decayed(jnp.log(jnp.array([0.5, 1.0])), jnp.array([4.0, 3.0]))
        Array([2., 3.], dtype=float32)
    """
    near_one = x + jnp.expm1(log_decay) * x
    return jnp.where(log_decay > SLOW, near_one, jnp.exp(log_decay) * x)


def _run(method: str, log_decay: Array, added: Array, reverse: bool) -> Array:
    if method == "auto":
        # The platform is chosen inside the solver, so that JAX does not differentiate the choice.
        return lax.platform_dependent(
            log_decay,
            added,
            cpu=partial(_by_steps, reverse=reverse),
            default=partial(_by_tree, reverse=reverse),
        )
    return (_by_steps if method == "scan" else _by_tree)(log_decay, added, reverse)


def _by_steps(log_decay: Array, added: Array, reverse: bool) -> Array:
    def advance(x: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        x = decayed(now[0], x) + now[1]
        return x, x

    return lax.scan(advance, jnp.zeros_like(added[0]), (log_decay, added), reverse=reverse)[1]


def _by_tree(log_decay: Array, added: Array, reverse: bool) -> Array:
    def combine(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
        return left[0] + right[0], decayed(right[0], left[1]) + right[1]

    return lax.associative_scan(combine, (log_decay, added), reverse=reverse)[1]
