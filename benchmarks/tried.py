"""What was tried to make an update faster, with the gain that was predicted and the one measured.

    python -m benchmarks.tried            # everything; --quick for a short run

Each trial has two forms of the same operation, with about the same result, in turns on one core.
The predictions are of an earlier study on another processor, and are shares of the operation. A
trial is kept here, whether or not it was taken, so that nobody has to try it again without a new
idea; it may gain on another processor. Appends rows to `benchmarks/results/tried.jsonl`, then
writes the table of `benchmarks/README.md`.
"""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import lengths_fit, tables, timing
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.modules import dropout

RESULTS = Path(__file__).parent / "results" / "tried.jsonl"
SECTION = "tried"
WIDTH, RATE = 128, 0.1

Form = Callable[..., Any]


class Trial(NamedTuple):
    """Two forms of an operation.

    Attributes:
        what: What is different in the second form.
        predicted: Predicted time of the first form over that of the second.
        taken: Whether the package has the second form.
        make: Function that makes both forms and their arguments.
        tolerance: Largest difference of their results, relative to the largest number; None where
            they draw other random numbers.
    """

    what: str
    predicted: str
    taken: bool
    make: Callable[[], tuple[Form, Form, tuple[Any, ...]]]
    tolerance: float | None


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    repeats: int = 40
    """Number of turns."""
    quick: bool = False
    """Whether to make three turns."""
    report_only: bool = False
    """Whether to measure nothing and only write the table again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Times all trials, then writes the table.

    Args:
        config: Options of the benchmark.
    """
    if config.quick:
        config = dataclasses.replace(config, repeats=3)
    # Before JAX starts its threads.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in () if config.report_only else TRIALS:
        row = measure(name, config.repeats)
        result_rows.append_row(config.out, row)
        print(f"{name}: {row['metrics']['gain']:.2f}", flush=True)
    tables.publish(config.out, RESULTS, SECTION, table)


def measure(name: str, repeats: int) -> dict[str, Any]:
    """Times one trial.

    Args:
        name: Name of the trial.
        repeats: Number of turns, after one call of each that warms up.

    Returns:
        A result row; its `gain` is the time of the first form over that of the second.

    Raises:
        ValueError: If the forms differ, or the installed JAX must not be used.
    """
    self_test.require()
    before, after, arguments = TRIALS[name].make()
    compiled = {
        form: jax.jit(function).lower(*arguments).compile()
        for form, function in (("before", before), ("after", after))
    }
    check_alike(name, *(compiled[form](*arguments) for form in ("before", "after")))
    calls: dict[str, Callable[[], Any]] = {
        form: lambda program=program: program(*arguments) for form, program in compiled.items()
    }
    turns = timing.take_turns(calls, repeats)
    gain = lengths_fit.ratio(turns["before"].cpu, turns["after"].cpu)
    return result_rows.make_row(
        experiment="benchmarks/tried",
        method=name,
        seconds={form: turns[form].seconds["cpu"] for form in turns},
        metrics={
            "gain": gain.value,
            "gain_interval": [gain.low, gain.high],
            "gain_of_minima": min(turns["before"].cpu) / min(turns["after"].cpu),
            "huge_pages": timing.has_huge_pages(),
            "turns": {form: turns[form].split(1).cpu for form in turns},
        },
    )


def check_alike(name: str, before: Any, after: Any) -> None:
    """Checks that both forms of a trial have the same result.

    Args:
        name: Name of the trial.
        before: Result of the first form.
        after: Result of the second form.

    Raises:
        ValueError: If they differ by more than the tolerance.
    """
    tolerance = TRIALS[name].tolerance
    if tolerance is None:
        return
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    worst = max(float(jnp.abs(a - b).max() / jnp.abs(a).max()) for a, b in pairs)
    if not worst <= tolerance:
        raise ValueError(
            f"got results of the trial {name!r} that differ by {worst:.1e}, wanted at most "
            f"{tolerance:.1e}; mend the second form"
        )


def _noise(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def _products() -> tuple[Form, Form, tuple[Any, ...]]:
    def plain(x: jax.Array, weight: jax.Array, g: jax.Array) -> tuple[jax.Array, ...]:
        return x @ weight, g @ weight.T, x.T @ g

    def halved(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        x, weight, g = (array.astype(jnp.bfloat16) for array in arrays)
        single = jnp.float32
        return (
            jnp.matmul(x, weight, preferred_element_type=single),
            jnp.matmul(g, weight.T, preferred_element_type=single),
            jnp.matmul(x.T, g, preferred_element_type=single),
        )

    rows = 16 * 341
    return plain, halved, (_noise(rows, WIDTH), _noise(WIDTH, 2 * WIDTH), _noise(rows, 2 * WIDTH))


def _flat_optimizer() -> tuple[Form, Form, tuple[Any, ...]]:
    # As many arrays, of such sizes, as two blocks of width 64 have.
    params = {str(number): _noise(64, 16 if number % 3 else 128) for number in range(36)}
    optimizer = optax.adamw(1e-3)
    flat = optax.flatten(optimizer)

    def by(transformation: optax.GradientTransformation, which: int) -> Form:
        def update(params: Any, *states: Any) -> Any:
            with jax.numpy_dtype_promotion("standard"):
                changes, _ = transformation.update(params, states[which], params)
            return optax.apply_updates(params, changes)

        return update

    return by(optimizer, 0), by(flat, 1), (params, optimizer.init(params), flat.init(params))


def _masks(second: str) -> tuple[Form, Form, tuple[Any, ...]]:
    def by_library(x: jax.Array, keys: jax.Array) -> jax.Array:
        draw = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - RATE, x.shape[1:]))
        return jnp.where(draw(keys), x / (1 - RATE), jnp.zeros_like(x))

    def by_half(x: jax.Array, keys: jax.Array) -> jax.Array:
        draw = jax.vmap(lambda key: jax.random.bits(key, x.shape[1:], jnp.uint16))
        kept = draw(keys) < np.uint16(round((1 - RATE) * 2**16))
        return jnp.where(kept, x / (1 - RATE), jnp.zeros_like(x))

    def by_hash(x: jax.Array, keys: jax.Array) -> jax.Array:
        return dropout.drop(x, keys, RATE, place=0)

    x, keys = _noise(16, 341, WIDTH), jax.random.split(jax.random.key(0), 16)
    return by_library, {"half": by_half, "hash": by_hash}[second], (x, keys)


def _turned_rows() -> tuple[Form, Form, tuple[Any, ...]]:
    parts = [slice(32 * part, 32 * part + 32) for part in range(4)]

    def padded(x: jax.Array) -> jax.Array:
        return jnp.pad(x, [(0, 0), (0, 0), (0, 1024)])

    def by_part(x: jax.Array) -> list[jax.Array]:
        return [padded(jnp.swapaxes(x[..., part], 1, 2)) for part in parts]

    def first(x: jax.Array) -> list[jax.Array]:
        # As the barrier of `kernels._fourier`: a loop that never runs.
        turned = jnp.swapaxes(x, 1, 2)
        turned, _ = jax.lax.while_loop(
            lambda both: both[1] > 1,
            lambda both: (both[0] + 1, both[1] - 1),
            (turned, x[0, 0, 0] * 0),
        )
        return [padded(turned[:, part]) for part in parts]

    return by_part, first, (_noise(4, 1024, WIDTH),)


def _turned_matrices() -> tuple[Form, Form, tuple[Any, ...]]:
    def axes(x: jax.Array) -> jax.Array:
        return jnp.transpose(x, (2, 0, 1))

    def matrix(x: jax.Array) -> jax.Array:
        return x.reshape(-1, WIDTH).T.reshape(WIDTH, *x.shape[:2])

    return axes, matrix, (_noise(64, 100, WIDTH),)


def _bias_gradients() -> tuple[Form, Form, tuple[Any, ...]]:
    def summed(g: jax.Array) -> jax.Array:
        return g.sum((0, 1))

    def product(g: jax.Array) -> jax.Array:
        ones = jnp.ones(g.shape[:2], g.dtype)
        return jax.lax.dot_general(ones, g, (((1,), (1,)), ((0,), (0,)))).sum(0)

    return summed, product, (_noise(64, 100, 2 * WIDTH),)


TRIALS = {
    "turned rows": Trial(
        "rows turned behind a barrier before they are cut and padded for the transforms",
        *("1.02 to 1.04 of an update", True, _turned_rows, 0.0),
    ),
    "turned matrices": Trial(
        "a matrix turned in place of one of three axes", "-", True, _turned_matrices, 0.0
    ),
    "bias gradients": Trial(
        "gradients of biases summed by a product with ones", "-", True, _bias_gradients, 1e-5
    ),
    "bfloat16": Trial(
        "dense products of bfloat16 numbers, summed in float32", "1.9", False, _products, 2e-2
    ),
    "flat optimizer": Trial(
        "AdamW on one array in place of 36 (`optax.flatten`)", "3.6", False, _flat_optimizer, 1e-5
    ),
    "masks of 16 bits": Trial(
        "dropout masks from 16 bits of `jax.random` in place of 32",
        *("2", False, lambda: _masks("half"), None),
    ),
    "masks by a hash": Trial(
        "dropout masks by a hash of the key", "-", True, lambda: _masks("hash"), None
    ),
}


def table(rows: list[tables.Row]) -> str:
    """Formats the section: one line for each trial, on each machine.

    Args:
        rows: Result rows of this benchmark, oldest first.

    Returns:
        Markdown.
    """
    parts = [
        "## What was tried",
        "Two forms of an operation in turns on one core. *Gain*: processor time of the plain form "
        "over that of the other one, medians with an interval of 95 %. *Predicted*: by a study on "
        "a processor of another maker. `benchmarks/tried.py` has both forms of each.",
    ]
    head = ["the other form", "taken", "predicted", "gain", "by minima", "ms before"]
    for machine, found in tables.newest_by_machine(rows, ("method",)).items():
        lines = [
            [
                TRIALS[name].what,
                "yes" if TRIALS[name].taken else "no",
                TRIALS[name].predicted,
                f"{row['metrics']['gain']:.2f} ("
                + " to ".join(f"{end:.2f}" for end in row["metrics"]["gain_interval"])
                + ")",
                f"{row['metrics']['gain_of_minima']:.2f}",
                f"{1e3 * row['seconds']['before']:.2f}",
            ]
            for (name,), row in found.items()
            if name in TRIALS
        ]
        parts += [f"### {machine}", tables.markdown(head, lines, left=3)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
