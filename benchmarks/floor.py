"""One update of S4D against its floor: the bare products and transforms that it cannot do without.

    python -m benchmarks.floor            # everything; --quick for a short run

The floor has the dense products of the three gates, forward and both derivatives, and the Fourier
transforms of inputs, outputs and their derivatives, or the products with Toeplitz matrices where
rows are short; each as one bare operation of XLA, on one core, in turns with the update. Norms,
activations and kernels are timed beside them: they show where the rest of an update goes. Appends
rows to `benchmarks/results/floor.jsonl`, then writes the table of `benchmarks/README.md`.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import floor_report, timed_models, timing, training_worker
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows
from jax_s4rl.kernels import convolution, initialization, s4d

RESULTS = Path(__file__).parent / "results" / "floor.jsonl"
MIXER = "s4d"
STATE_SIZE = 64
Work = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    contexts: tuple[int, ...] = (100, 341, 1024)
    """Numbers of steps of context."""
    repeats: int = 20
    """Number of turns, after one warm-up call of each."""
    updates_per_dispatch: int = 5
    """Number of updates in one dispatch."""
    quick: bool = False
    """Whether to time only 100 steps, in three turns."""
    report_only: bool = False
    """Whether to measure nothing and only write the table again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Times updates and floors, then writes the report.

    Args:
        config: Options of the benchmark.
    """
    if config.quick:
        config = dataclasses.replace(config, contexts=(100,), repeats=3)
    # Before JAX starts its threads. The floor is a sum, so nothing may run beside anything else.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for context_length in () if config.report_only else config.contexts:
        for row in measure(config, context_length):
            result_rows.append_row(config.out, row)
            print(floor_report.line(row), flush=True)
    if config.out == RESULTS:
        floor_report.write(list(documents.read_rows(config.out)))


def measure(config: Config, context_length: int) -> Iterator[dict[str, Any]]:
    """Times one update and all its parts in turns.

    Args:
        config: Options of the benchmark.
        context_length: Number of steps of context.

    Yields:
        One result row for each part; that of the update is the first.

    Raises:
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    self_test.require()
    rows = timed_models.batch_size(context_length)
    model = timed_models.configure(MIXER, "concatenated", context_length)
    update, facts = training_worker.prepare(
        timed_models.TimedModel(MIXER, model, rows), config.updates_per_dispatch
    )
    calls: dict[str, Callable[[], Any]] = {floor_report.UPDATE: update}
    width, layers = model.model.width, model.model.num_layers
    for name, (function, arguments) in parts(rows, context_length, width).items():
        calls[name] = _repeated(function, arguments, layers)
    for call in calls.values():
        jax.block_until_ready(call())
    turns = timing.take_turns(calls, config.repeats)
    for name, times in turns.items():
        split = times.split(config.updates_per_dispatch if name == floor_report.UPDATE else 1)
        yield result_rows.make_row(
            experiment="benchmarks/floor",
            method=name,
            context_length=context_length,
            parameters=facts["parameters"],
            seconds=split.seconds,
            metrics={
                "batch": rows,
                "width": width,
                "num_layers": layers,
                "cores": 1,
                "huge_pages": timing.has_huge_pages(),
                "processor_minimum": min(split.cpu),
                "turns": split.wall,
            },
        )


def parts(rows: int, length: int, width: int) -> dict[str, Work]:
    """Makes the bare operations of one block, and those that stand beside them.

    Args:
        rows: Number of rows of a batch.
        length: Number of steps of a row.
        width: Number of features.

    Returns:
        Functions and their arguments by name; those of `floor_report.FLOOR` are the floor.
    """
    rng = np.random.default_rng(0)

    def noise(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    x, weight = noise(rows * length, width), noise(width, 2 * width)
    sequences, gates = noise(rows, length, width), noise(rows, length, 2 * width)
    return {
        "products": (_dense, (x, weight, noise(rows * length, 2 * width))),
        "convolution": _bare_convolution(rows, length, width, noise),
        "norm": (_with_derivative(_norm), (sequences,)),
        "activations": (_with_derivative(_activations), ((sequences, gates),)),
        "kernel": (_with_derivative(lambda own: s4d.kernel(own, length)), (_parameters(width),)),
    }


def _bare_convolution(rows: int, length: int, width: int, noise: Callable[..., jax.Array]) -> Work:
    if convolution.fastest((rows, length, width)) == "toeplitz":
        return _toeplitz, (noise(width, length, length), noise(width, rows, length))
    n = convolution.fft_length(length)
    # As in `_fourier`: several transforms, which XLA could run on several cores. Inputs and the
    # derivatives of outputs go there, outputs and the derivatives of inputs come back.
    sizes = (rows * width // 4, n), (rows * width // 4, n // 2 + 1)
    spectra = [jax.lax.complex(noise(*sizes[1]), noise(*sizes[1])) for _ in range(8)]
    return _transforms, ([noise(*sizes[0]) for _ in range(8)], spectra)


def _dense(x: jax.Array, weight: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, ...]:
    return x @ weight, cotangent @ weight.T, x.T @ cotangent


def _toeplitz(matrix: jax.Array, x: jax.Array) -> tuple[jax.Array, ...]:
    forward = jnp.einsum("hij,hbj->hbi", matrix, x)
    back = jnp.einsum("hij,hbi->hbj", matrix, x)
    return forward, back, jnp.einsum("hbi,hbj->hij", x, x)


def _transforms(x: list[jax.Array], spectra: list[jax.Array]) -> list[jax.Array]:
    n = x[0].shape[-1]
    there = [jax.lax.fft(each, jax.lax.FftType.RFFT, (n,)) for each in x]
    back = [jax.lax.fft(each, jax.lax.FftType.IRFFT, (n,)) for each in spectra]
    return there + back


def _norm(x: jax.Array) -> jax.Array:
    norm: Any = nn.LayerNorm()
    ones = {"params": {"scale": jnp.ones(x.shape[-1]), "bias": jnp.zeros(x.shape[-1])}}
    return norm.apply(ones, x)


def _activations(both: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    return nn.gelu(both[0]), nn.glu(both[1])


def _parameters(width: int) -> s4d.Parameters:
    start = initialization.diagonal("lin", STATE_SIZE)
    C = initialization.output(jax.random.key(0), (width, STATE_SIZE // 2))
    step = jnp.asarray(np.geomspace(1e-3, 1e-1, width), jnp.float32)
    return s4d.Parameters(start.Lambda, start.B, C, jnp.zeros(width), step)


def _with_derivative(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def both(x: Any) -> Any:
        y, back = jax.vjp(function, x)
        return back(y)

    return both


def _repeated(function: Callable[..., Any], arguments: tuple[Any, ...], times: int) -> Any:
    compiled = jax.jit(function).lower(*arguments).compile()

    def call() -> Any:
        # One after the other, as in the blocks of a model.
        return [jax.block_until_ready(compiled(*arguments)) for _ in range(times)][-1]

    return call


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
