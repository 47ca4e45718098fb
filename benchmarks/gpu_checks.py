"""Checks of `benchmarks.gpu`: every method of every kernel against float64 NumPy."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import gpu_cases, long_sequences
from jax_s4rl.kernels import attention
from jax_s4rl.kernels.reference import attention as attention_reference

# Largest error relative to the largest entry; bfloat16 has eight bits.
BOUNDS = {gpu_cases.FLOAT32: 1e-4, gpu_cases.BFLOAT16: 2e-2}


class Check(NamedTuple):
    """A method to be compared with the float64 reference.

    Attributes:
        method: Family and method of a kernel.
        dtype: Dtype of the inputs.
        run: Returns the errors of outputs and of the gradient, relative to the largest entry.
    """

    method: str
    dtype: str
    run: Callable[[], tuple[float, float]]


def checks(sizes: gpu_cases.Sizes) -> Iterator[Check]:
    """Yields a check for every method of every kernel, the ones for this device alone included."""
    for family in sizes.families:
        for method in gpu_cases.MODULES[family].METHODS:
            run = functools.partial(_check_kernel, family, method, sizes.checked)
            yield Check(f"{family}/{method}", gpu_cases.FLOAT32, run)
    on_gpu = jax.default_backend() == "gpu"
    for method in attention.METHODS:
        if method != "fused":
            run = functools.partial(_check_attention, method, gpu_cases.FLOAT32)
            yield Check(f"attention/{method}", gpu_cases.FLOAT32, run)
        if method != "fused" or on_gpu:
            run = functools.partial(_check_attention, method, gpu_cases.BFLOAT16)
            yield Check(f"attention/{method}", gpu_cases.BFLOAT16, run)


def _check_kernel(family: str, method: str, length: int) -> tuple[float, float]:
    """Compares a method with a plain loop over time in float64 NumPy.

    The gradient is checked by the reference's outputs alone: the map T is linear in its input u, so
    the gradient g of `sum(w T(u))` fulfils `sum(g u) = sum(w T(u))` for all w.
    """
    known = long_sequences.FAMILIES[family]
    parameters = known.make(long_sequences.DEFAULT, length)
    u = long_sequences.make_input(long_sequences.NOISE, length)[None]
    weights = np.random.default_rng(1).normal(size=u.shape).astype(np.float32)
    wanted, _ = long_sequences.reference(known.exact(parameters), u)

    @jax.jit
    def run(parameters: Any, u: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, pull = jax.vjp(
            lambda u: gpu_cases.MODULES[family].apply(parameters, u, method=method)[0],
            jnp.asarray(u),
        )
        return y, pull(weights)[0]

    y, gradient = (np.asarray(x, np.float64) for x in run(parameters, u, weights))
    return long_sequences.error(y, wanted), _slope_error(gradient, u, weights, wanted)


def _check_attention(method: str, dtype: str) -> tuple[float, float]:
    """Compares attention with one query at a time in float64 NumPy; it is linear in the values."""
    rng = np.random.default_rng(0)
    q, k, v, weights = (
        jnp.asarray(x, dtype)
        for x in rng.normal(size=(4, 1, 128, 2, gpu_cases.HEAD_DIM)).astype(np.float32)
    )

    @jax.jit
    def run(q: jax.Array, k: jax.Array, v: jax.Array, weights: jax.Array) -> Any:
        y, pull = jax.vjp(lambda v: attention.attend(q, k, v, method=method), v)
        return y, pull(weights)[0]

    y, gradient = (np.asarray(x, np.float64) for x in run(q, k, v, weights))
    # The rounded inputs are those of the reference too.
    exact = [np.asarray(x, np.float64) for x in (q, k, v, weights)]
    wanted = attention_reference.attend(exact[0], exact[1], exact[2])
    error = float(np.abs(y - wanted).max() / np.abs(wanted).max())
    return error, _slope_error(gradient, exact[2], exact[3], wanted)


def _slope_error(gradient: Any, u: Any, weights: Any, wanted: Any) -> float:
    scale = np.linalg.norm(weights) * np.linalg.norm(wanted)
    return float(abs(np.sum(gradient * u) - np.sum(weights * wanted)) / scale)
