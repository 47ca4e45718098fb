"""Checks arguments at trace time; an error says what it got, what it expects and what to do."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from jax_s4rl.kernels import complex_pair as cplx


def is_concrete(*arrays: Any) -> bool:
    """Returns whether all values are known now: not traced, and entirely on this host.

    Example:
        >>> traced = jax.jit(lambda x: (x > 0) & is_concrete(x))
        >>> is_concrete(jnp.ones(2)), bool(traced(jnp.ones(())))
        (True, False)
    """
    leaves = jax.tree.leaves(arrays)
    return all(
        not isinstance(x, jax.core.Tracer) and getattr(x, "is_fully_addressable", True)
        for x in leaves
    )


def length(L: Any, name: str = "L", least: int = 1) -> int:
    """Checks that a length is an integer of at least `least`, and returns it as an int.

    Raises:
        ValueError: If it is not an integer, not known at trace time, or too small.

    Example:
        >>> length(np.int64(8))
        8
    """
    number = _index(L)
    if number is None or number < least:
        is_whole = isinstance(L, float) and L.is_integer() and least <= L
        remedy = (
            f"write {int(L)}"
            if is_whole
            else "pass the number of steps as an int, known at trace time"
        )
        raise ValueError(f"{name} must be an integer of at least {least}, got {L!r}; {remedy}")
    return number


def reaches(size: Any, limit: int) -> bool:
    """Returns whether a size reaches a limit; a symbolic size of `jax.export` does.

    Example:
        >>> reaches(3, 4)
        False
    """
    return not isinstance(size, int) or size >= limit


def even(N: Any) -> int:
    """Checks that a state size splits into conjugate pairs, and returns half of it.

    Raises:
        ValueError: If it is not an even integer of at least 2.

    Example:
        >>> even(8)
        4
    """
    number = _index(N)
    if number is None or number < 2 or number % 2:
        is_number = isinstance(N, int | float | np.number) and math.isfinite(N)
        remedy = (
            f"use N = {max(2, 2 * math.ceil(N / 2))}"
            if is_number
            else "pass an int, known at trace time"
        )
        raise ValueError(
            f"N must be an even integer of at least 2 (conjugate pairs), got {N!r}; {remedy}"
        )
    return number // 2


def choice(name: str, got: str, allowed: Sequence[str]) -> str:
    """Checks that a method or measure is one of those that exist, and returns it.

    Raises:
        ValueError: If `got` is not among `allowed`.

    Example:
        >>> choice("method", "fft", ("fft", "scan"))
        'fft'
    """
    if got not in allowed:
        raise ValueError(f"unknown {name} {got!r}; expected one of {', '.join(map(repr, allowed))}")
    return got


def shape(name: str, array: Any, wanted: Sequence[Any]) -> None:
    """Checks that an array (or a Pair) has the expected shape.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> shape("D", jnp.ones(2), (3,))
        Traceback (most recent call last):
        ValueError: D has shape (2,), expected (3,); see the shapes in the docstring
    """
    if tuple(array.shape) != tuple(wanted):
        got = tuple(array.shape)
        raise ValueError(
            f"{name} has shape {got}, expected {tuple(wanted)}; see the shapes in the docstring"
        )


def real(name: str, array: Any) -> None:
    """Checks that an array is real and floating.

    A cast would silently drop an imaginary part.

    Raises:
        ValueError: If the dtype is another one.

    Example:
        >>> real("u", jnp.ones(2, jnp.int32))
        Traceback (most recent call last):
        ValueError: u must be real and floating, got dtype int32; cast with `.astype(jnp.float32)`
    """
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"{name} must be real and floating, got dtype {array.dtype}; "
            "cast with `.astype(jnp.float32)`"
        )


def flags(name: str, array: Any, wanted: Sequence[Any]) -> None:
    """Checks that resets or a mask are a bool array of the expected shape; None passes.

    Raises:
        ValueError: If the dtype or the shape is another one.

    Example:
        >>> flags("resets", jnp.ones(2), (2,))
        Traceback (most recent call last):
        ValueError: resets must be a bool array, got float32; pass `jnp.asarray(resets) != 0`
    """
    if array is None:
        return
    if getattr(array, "dtype", None) != jnp.bool_:
        got = getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"{name} must be a bool array, got {got}; pass `jnp.asarray({name}) != 0`")
    shape(name, array, wanted)


def one_step(u: Any, state: cplx.Pair, reset: Any, *, system: Sequence[int], features: int) -> None:
    """Checks the arguments of a `step`.

    They are u [*batch, features], state [*batch, *system] and reset [*batch].

    Raises:
        ValueError: If u is not real and floating, reset is not bool, or shapes do not match.

    Example:
        >>> one_step(jnp.ones((2, 3)), cplx.zeros((2, 3, 4)), None, system=(3, 4), features=3)
    """
    real("u", u)
    # The state decides on the batch axes. With too few axes it has none, and fails the next check.
    batch = tuple(state.shape[: max(0, state.ndim - len(system))])
    shape("state", state, (*batch, *system))
    if tuple(u.shape) != (*batch, features):
        raise ValueError(
            f"u has shape {tuple(u.shape)}, expected {(*batch, features)} for a state of shape "
            f"{tuple(state.shape)}; give u and init_state the same batch axes"
        )
    flags("reset", reset, batch)


def spacing(name: str, step: Any) -> None:
    """Checks that no concrete sample spacing is negative.

    Raises:
        ValueError: If one is.

    Example:
        >>> spacing("step", -jnp.ones(1))
        Traceback (most recent call last):
        ValueError: step has an entry of -1, but must be positive; pass `jnp.exp(log_step)`
    """
    if is_concrete(step) and bool((np.asarray(step) < 0).any()):
        least = float(np.asarray(step).min())
        raise ValueError(
            f"{name} has an entry of {least:.3g}, but must be positive; pass `jnp.exp(log_step)`"
        )


def rate(value: Any) -> None:
    """Checks that a rate given as a Python number is positive.

    Raises:
        ValueError: If it is not.

    Example:
        >>> rate(0)
        Traceback (most recent call last):
        ValueError: rate must be positive, got 0; use 1 for the sampling rate of training, ...
    """
    if isinstance(value, int | float) and not value > 0:
        raise ValueError(
            f"rate must be positive, got {value!r}; use 1 for the sampling rate of training, "
            "2 for half as many samples"
        )


def stable(Lambda: cplx.Pair) -> None:
    """Checks that no concrete real part is above zero; a traced Lambda is not checked.

    Raises:
        ValueError: If one is.

    Example:
        >>> stable(cplx.as_pair(jnp.ones(1)))
        Traceback (most recent call last):
        ValueError: Lambda has a real part of 1, which grows without bound; ...
    """
    if is_concrete(Lambda.re) and bool((np.asarray(Lambda.re) > 0).any()):
        top = float(np.asarray(Lambda.re).max())
        raise ValueError(
            f"Lambda has a real part of {top:.3g}, which grows without bound; it must be at most "
            "0: make it from a free parameter with initialization.negative_real"
        )


def _index(value: Any) -> int | None:
    """Returns an integer of Python or NumPy as an int, and None for any other value."""
    # `operator.index` would accept a bool.
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
