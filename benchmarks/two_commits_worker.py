"""Worker that times one kernel of the commit that is checked out in the current folder.

`benchmarks.two_commits` runs it by its path. It imports the package of the current folder and uses
only what every commit since the first one has.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    # Python puts the folder of the script first; the package of the current folder must win. This
    # has to come before the imports below.
    sys.path[0] = str(Path.cwd())

import jax
import jax.numpy as jnp

from benchmarks import workers
from jax_s4rl.kernels import attention, convolution, initialization, lru, s4, s4d, s5

STATES = 64


class Case(NamedTuple):
    """A function of parameters and inputs.

    Attributes:
        family: Function below that makes the function and its parameters.
        batch: Number of rows.
        length: Number of steps of a row.
        options: Options of the function.
    """

    family: Callable[..., tuple[Callable[..., Any], Any]]
    batch: int
    length: int
    options: dict[str, Any]


FEATURES = 128


def of_s4d(length: int, **options: Any) -> tuple[Callable[..., Any], Any]:
    """Makes S4D-Lin and its parameters."""
    start, keys = initialization.diagonal("lin", STATES), jax.random.split(jax.random.key(0), 2)
    C = initialization.output(keys[0], (FEATURES, STATES // 2))
    parameters = s4d.Parameters(
        start.Lambda, start.B, C, jnp.ones(FEATURES), _steps(keys[1], FEATURES)
    )
    return partial(_run, s4d.apply, options), parameters


def of_s4(length: int, **options: Any) -> tuple[Callable[..., Any], Any]:
    """Makes S4-LegS, truncated for its length, and its parameters."""
    start, keys = initialization.low_rank("legs", STATES), jax.random.split(jax.random.key(0), 2)
    C = initialization.output(keys[0], (FEATURES, STATES // 2))
    parameters = s4.Parameters(*start, C, jnp.ones(FEATURES), _steps(keys[1], FEATURES))
    return partial(_run, s4.apply, {"length": length} | options), parameters


def of_s5(length: int, **options: Any) -> tuple[Callable[..., Any], Any]:
    """Makes S5 and its parameters."""
    keys = jax.random.split(jax.random.key(0), 2)
    start = initialization.s5(keys[0], FEATURES, STATES // 2)
    parameters = s5.Parameters(*start, jnp.ones(FEATURES), _steps(keys[1], STATES // 2))
    return partial(_run, s5.apply, options), parameters


def of_lru(length: int, **options: Any) -> tuple[Callable[..., Any], Any]:
    """Makes LRU and its parameters."""
    keys = jax.random.split(jax.random.key(0), 2)
    ring, start = (
        initialization.lru_ring(keys[0], STATES // 2, 0.9, 0.99),
        initialization.s5(keys[1], FEATURES, 32),
    )
    Lambda = type(start.Lambda)(-jnp.exp(ring.log_decay), jnp.exp(ring.log_angle))
    parameters = lru.Parameters(
        Lambda, start.B, start.C, jnp.ones(FEATURES), jnp.exp(ring.log_gain)
    )
    return partial(_run, lru.apply, options), parameters


def of_attention(length: int, **options: Any) -> tuple[Callable[..., Any], Any]:
    """Makes attention of one head, and its parameters.

    Queries, keys and values are the inputs, each scaled by one parameter.
    """

    def run(scales: Any, u: Any, resets: Any) -> Any:
        q, k, v = (scale * u[..., None, :] for scale in scales)
        return attention.attend(q, k, v, resets=resets, **options)[..., 0, :]

    return run, (jnp.ones(()), jnp.ones(()), jnp.ones(()))


def of_convolution(length: int, **options: Any) -> tuple[Callable[..., Any], Any]:
    """Makes a causal convolution and its kernel."""
    kernel = jax.random.normal(jax.random.key(0), (FEATURES, length)) / length**0.5
    return lambda kernel, u, resets: convolution.causal(u, kernel, **options), kernel


CASES = {
    "convolution/fft": Case(of_convolution, 16, 1024, {"method": "fft"}),
    "convolution/toeplitz": Case(of_convolution, 64, 32, {"method": "toeplitz"}),
    "s4d/auto, short": Case(of_s4d, 64, 32, {}),
    "s4d/auto": Case(of_s4d, 64, 100, {}),
    "s4d/fft": Case(of_s4d, 16, 1024, {"method": "fft"}),
    "s4d/chunked": Case(of_s4d, 16, 1024, {"method": "chunked"}),
    "s4d/resets": Case(of_s4d, 64, 100, {"resets": True}),
    "s4/auto": Case(of_s4, 64, 100, {}),
    "s4/fft": Case(of_s4, 16, 1024, {"method": "fft"}),
    "s4/resets": Case(of_s4, 64, 100, {"resets": True}),
    "s5/auto": Case(of_s5, 64, 100, {}),
    "s5/long": Case(of_s5, 16, 1024, {}),
    "s5/resets": Case(of_s5, 64, 100, {"resets": True}),
    "s5/associative": Case(of_s5, 16, 1024, {"method": "associative"}),
    "lru/auto": Case(of_lru, 64, 100, {}),
    "attention/auto": Case(of_attention, 64, 100, {}),
    "attention/long": Case(of_attention, 8, 1024, {}),
    "attention/resets": Case(of_attention, 64, 100, {"resets": True}),
}


def make(name: str, direction: str) -> tuple[Callable[..., Any], tuple]:
    """Makes the function of a case and its arguments.

    Args:
        name: Name of the case, one of `CASES`.
        direction: "forward", or "forward+backward" for the gradients of parameters and inputs.

    Returns:
        The function and its arguments.
    """
    case = CASES[name]
    options = dict(case.options)
    resets = None
    if options.pop("resets", False):
        # An episode starts every 30 steps.
        resets = jnp.broadcast_to(jnp.arange(case.length) % 30 == 0, (case.batch, case.length))
    run, parameters = case.family(case.length, **options)
    u = jax.random.normal(jax.random.key(1), (case.batch, case.length, FEATURES))
    if direction == "forward":
        return run, (parameters, u, resets)
    weights = jax.random.normal(jax.random.key(2), u.shape)

    def slopes(weights: Any, parameters: Any, u: Any, resets: Any) -> Any:
        return jax.vjp(lambda parameters, u: run(parameters, u, resets), parameters, u)[1](weights)

    return slopes, (weights, parameters, u, resets)


def main(name: str, direction: str) -> None:
    """Compiles one case and serves it until the input ends.

    Args:
        name: Name of the case.
        direction: "forward" or "forward+backward".
    """
    function, arguments = make(name, direction)
    began = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    case = CASES[name]
    facts = {
        "length": case.length,
        "batch": case.batch,
        "features": FEATURES,
        "compile": time.perf_counter() - began,
    }
    workers.serve(lambda: compiled(*arguments), facts)


def _run(
    apply: Callable[..., Any], options: dict[str, Any], parameters: Any, u: Any, resets: Any
) -> Any:
    return apply(parameters, u, None, resets, **options)[0]


def _steps(key: jax.Array, count: int) -> jax.Array:
    return jnp.exp(initialization.log_step(key, (count,)))


if __name__ == "__main__":
    main(*sys.argv[1:])
