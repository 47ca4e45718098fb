"""Milliseconds of dropout: masks by a hash, as models draw them, and masks by `jax.random`.

    python -m benchmarks.dropout            # everything; --quick for a short run

Each call drops a tenth of the features of one batch; `none` drops nothing and is the cost of the
copy. Appends rows to `benchmarks/results/dropout.jsonl`, then writes the table of
`benchmarks/README.md`.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import tables, timed_models, timing
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.modules import dropout

RESULTS = Path(__file__).parent / "results" / "dropout.jsonl"
SECTION = "dropout"
RATE, WIDTH = 0.1, 128
NONE, HASH, LIBRARY = "none", "hash", "jax.random"


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    contexts: tuple[int, ...] = tuple(timed_models.BATCHES)
    """Numbers of steps of a row."""
    repeats: int = 50
    """Number of turns, after one warm-up call of each."""
    quick: bool = False
    """Whether to time only 32 steps, in three turns."""
    report_only: bool = False
    """Whether to measure nothing and only write the table again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Times dropout, then writes the table.

    Args:
        config: Options of the benchmark.
    """
    if config.quick:
        config = dataclasses.replace(config, contexts=(32,), repeats=3)
    for length in () if config.report_only else config.contexts:
        for row in measure(length, config.repeats):
            result_rows.append_row(config.out, row)
            print(f"{length} steps, {row['method']}: {1e3 * row['seconds']['cpu']:.3f} ms")
    tables.publish(config.out, RESULTS, SECTION, table)


def measure(length: int, repeats: int) -> list[dict[str, Any]]:
    """Times all kinds of masks in turns.

    Args:
        length: Number of steps of a row.
        repeats: Number of turns.

    Returns:
        A result row for each kind.

    Raises:
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    rows = timed_models.batch_size(length)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(rows, length, WIDTH)), jnp.float32)
    keys = jax.random.split(jax.random.key(0), rows)
    works = {
        NONE: (jnp.negative, (x,)),
        HASH: (lambda x, keys: dropout.drop(-x, keys, RATE, place=0), (x, keys)),
        LIBRARY: (_by_library, (x, keys)),
    }
    self_test.require()
    calls = {name: _compiled(*work) for name, work in works.items()}
    turns = timing.take_turns(calls, repeats)
    return [
        result_rows.make_row(
            experiment="benchmarks/dropout",
            method=name,
            context_length=length,
            seconds=turns[name].seconds,
            metrics={
                "batch": rows,
                "width": WIDTH,
                "rate": RATE,
                "huge_pages": timing.has_huge_pages(),
                "turns": turns[name].split(1).wall,
            },
        )
        for name in works
    ]


def _by_library(x: jax.Array, keys: jax.Array) -> jax.Array:
    def mask(key: jax.Array) -> jax.Array:
        return jax.random.bernoulli(key, 1 - RATE, x.shape[1:])

    return jnp.where(jax.vmap(mask)(keys), -x / (1 - RATE), jnp.zeros_like(x))


def _compiled(function: Any, arguments: tuple[Any, ...]) -> Any:
    compiled = jax.jit(function).lower(*arguments).compile()
    jax.block_until_ready(compiled(*arguments))
    return lambda: compiled(*arguments)


def table(rows: list[tables.Row]) -> str:
    """Formats the section: one line for each kind of mask, on each machine.

    Args:
        rows: Result rows of this benchmark, oldest first.

    Returns:
        Markdown.
    """
    parts = [
        "## Dropout",
        f"Milliseconds of processor time in which {RATE:.0%} of {WIDTH} features are dropped once, "
        "medians of turns. A block of S4D does that once in an update, one of attention twice.",
    ]
    for machine, found in tables.newest_by_machine(rows, ("method", "context_length")).items():
        lengths = sorted({length for _, length in found})
        titles = [
            f"{length:,} steps, {found[HASH, length]['metrics']['batch']} rows"
            for length in lengths
        ]
        lines = [
            [name, *(f"{1e3 * found[name, length]['seconds']['cpu']:.2f}" for length in lengths)]
            for name in (NONE, HASH, LIBRARY)
        ]
        parts += [f"### {machine}", tables.markdown(["masks", *titles], lines, left=1)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
