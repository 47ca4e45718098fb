"""What a caller can do wrong with static values: one error each, at trace time, with got, wanted and remedy."""

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
    """Whether all values are known now (not traced, and wholly on this host).

    Example:
        >>> is_concrete(jnp.ones(2)), bool(jax.jit(lambda x: (x > 0) & is_concrete(x))(jnp.ones(())))
        (True, False)
    """
    leaves = jax.tree.leaves(arrays)
    return all(not isinstance(x, jax.core.Tracer) and getattr(x, "is_fully_addressable", True) for x in leaves)


def length(L: Any, name: str = "L", least: int = 1) -> int:
    """Check that a length is an integer of at least `least`, and give it as an int.

    Example:
        >>> length(np.int64(8))
        8
    """
    found = _index(L)
    if found is None or found < least:
        whole = isinstance(L, float) and L.is_integer() and least <= L
        remedy = f"write {int(L)}" if whole else "pass the number of steps as an int, known at trace time"
        raise ValueError(f"{name} must be an integer of at least {least}, got {L!r}; {remedy}")
    return found


def reaches(size: Any, limit: int) -> bool:
    """Whether a size reaches a limit; one that `jax.export` leaves open does.

    Example:
        >>> reaches(3, 4)
        False
    """
    return not isinstance(size, int) or size >= limit


def even(N: Any) -> int:
    """Check that a state size can be split into conjugate pairs, and give half of it.

    Example:
        >>> even(8)
        4
    """
    found = _index(N)
    if found is None or found < 2 or found % 2:
        known = isinstance(N, int | float | np.number) and math.isfinite(N)
        remedy = f"use N = {max(2, 2 * math.ceil(N / 2))}" if known else "pass an int, known at trace time"
        raise ValueError(f"N must be an even integer of at least 2 (conjugate pairs), got {N!r}; {remedy}")
    return found // 2


def choice(name: str, got: str, allowed: Sequence[str]) -> str:
    """Check that a method or measure is one of those that exist.

    Example:
        >>> choice("method", "fft", ("fft", "scan"))
        'fft'
    """
    if got not in allowed:
        raise ValueError(f"unknown {name} {got!r}; expected one of {', '.join(map(repr, allowed))}")
    return got


def shape(name: str, array: Any, wanted: Sequence[Any]) -> None:
    """Check that an array (or a Pair) has the shape wanted.

    Example:
        >>> shape("D", jnp.ones(2), (3,))
        Traceback (most recent call last):
        ValueError: D has shape (2,), expected (3,); see the shapes in the docstring
    """
    if tuple(array.shape) != tuple(wanted):
        got = tuple(array.shape)
        raise ValueError(f"{name} has shape {got}, expected {tuple(wanted)}; see the shapes in the docstring")


def real(name: str, array: Any) -> None:
    """Check that an array is real and floating: a cast would drop an imaginary part without a word.

    Example:
        >>> real("u", jnp.ones(2, jnp.int32))
        Traceback (most recent call last):
        ValueError: u must be real and floating, got dtype int32; cast with `.astype(jnp.float32)`
    """
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"{name} must be real and floating, got dtype {array.dtype}; cast with `.astype(jnp.float32)`")


def flags(name: str, array: Any, wanted: Sequence[Any]) -> None:
    """Check resets or a mask, None being none at all: bool, and of the shape wanted.

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
    """Check what a `step` is given: u (*batch, features), state (*batch, *system), reset (*batch).

    Example:
        >>> one_step(jnp.ones((2, 3)), cplx.zeros((2, 3, 4)), None, system=(3, 4), features=3)
    """
    real("u", u)
    batch = tuple(state.shape[: max(0, state.ndim - len(system))])
    shape("state", state, (*batch, *system))
    if tuple(u.shape) != (*batch, features):
        raise ValueError(
            f"u has shape {tuple(u.shape)}, expected {(*batch, features)} for a state of shape {tuple(state.shape)}; "
            "give u and init_state the same batch axes"
        )
    flags("reset", reset, batch)


def spacing(name: str, step: Any) -> None:
    """Check that no known sample spacing is negative.

    Example:
        >>> spacing("step", -jnp.ones(1))
        Traceback (most recent call last):
        ValueError: step has an entry of -1, but must be positive; pass `jnp.exp(log_step)`
    """
    if is_concrete(step) and bool((np.asarray(step) < 0).any()):
        least = float(np.asarray(step).min())
        raise ValueError(f"{name} has an entry of {least:.3g}, but must be positive; pass `jnp.exp(log_step)`")


def rate(value: Any) -> None:
    """Check that a rate given as a Python number is positive.

    Example:
        >>> rate(0)
        Traceback (most recent call last):
        ValueError: rate must be positive, got 0; 1 is the rate of training, 2 half as many samples
    """
    if isinstance(value, int | float) and not value > 0:
        raise ValueError(f"rate must be positive, got {value!r}; 1 is the rate of training, 2 half as many samples")


def stable(Lambda: cplx.Pair) -> None:
    """Check that no known real part is above zero (a traced Lambda cannot be checked, and is not).

    Example:
        >>> stable(cplx.as_pair(jnp.ones(1)))
        Traceback (most recent call last):
        ValueError: Lambda has a real part of 1, which grows without bound; ...
    """
    if is_concrete(Lambda.re) and bool((np.asarray(Lambda.re) > 0).any()):
        top = float(np.asarray(Lambda.re).max())
        raise ValueError(
            f"Lambda has a real part of {top:.3g}, which grows without bound; it must be at most 0: "
            "make it from a free parameter with initialization.negative_real"
        )


def _index(value: Any) -> int | None:
    """The value as an int, or None: bools and floats are none, integers of NumPy are."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
