"""Seconds of one update, for every mixer and both token layouts.

    python -m benchmarks.training            # everything; --quick for a short run
    python -m benchmarks.training --mixers attention s4d --contexts 100

An update includes drawing the batch, forward, backward and optimizer. Appends a row per model and
context to `benchmarks/results/training.jsonl`, then writes the tables of `benchmarks/README.md`
from the newest rows of every machine. One device is timed; each model has its own process. PyTorch
models are timed by `benchmarks.peers`.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import timed_models, timing, training_report, workers
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows
from jax_s4rl.modules import mixers

RESULTS = Path(__file__).parent / "results" / "training.jsonl"

# Seconds of untimed updates before each timed one.
SETTLE = 0.5


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    mixers: tuple[str, ...] = mixers.NAMES
    """Mixers to time."""
    contexts: tuple[int, ...] = tuple(timed_models.BATCHES)
    """Numbers of steps of context: any of 32, 100, 341, 1024."""
    repeats: int = 10
    """Number of timed dispatches of each model, after one warm-up dispatch."""
    updates_per_dispatch: int = 5
    """Number of updates in one dispatch."""
    quick: bool = False
    """Whether to time only attention and s4d, at 32 steps, with three dispatches."""
    report_only: bool = False
    """Whether to measure nothing and only write the tables again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Times the chosen models, then writes the report.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If a context length is unknown.
    """
    if config.quick:
        config = dataclasses.replace(config, mixers=("attention", "s4d"), contexts=(32,), repeats=3)
    for context_length in () if config.report_only else config.contexts:
        if context_length not in timed_models.BATCHES:
            raise SystemExit(
                f"there is no context of {context_length} steps; "
                f"choose from {', '.join(map(str, timed_models.BATCHES))}"
            )
        for row in measure(config, context_length):
            result_rows.append_row(config.out, row)
            print(training_report.line(row), flush=True)
    if config.out == RESULTS:
        training_report.write(list(documents.read_rows(config.out)))


def measure(config: Config, context_length: int) -> Iterator[dict[str, Any]]:
    """Times all models of one context length in turns.

    Args:
        config: Options of the benchmark.
        context_length: Number of steps of context.

    Yields:
        One result row for each model.
    """
    contenders = list(timed_models.make(context_length, config.mixers))
    with contextlib.ExitStack() as opened:
        running = {
            one.name: opened.enter_context(_start(one, config.updates_per_dispatch))
            for one in contenders
        }
        turns = workers.take_turns(running, config.repeats, SETTLE)
    # The workers ran the self-test before their work, while the device was theirs alone; this one
    # adds its verdict to the rows.
    self_test.require()
    for one in contenders:
        own = turns[one.name].split(config.updates_per_dispatch)
        yield _row(one, running[one.name].facts, own)


def _start(
    one: timed_models.TimedModel, updates_per_dispatch: int
) -> contextlib.AbstractContextManager[workers.Worker]:
    return workers.apart(
        "training_worker",
        one.method,
        one.config.model.tokens,
        str(one.config.model.context_length),
        str(updates_per_dispatch),
    )


def _row(
    one: timed_models.TimedModel, facts: dict[str, Any], turns: timing.Turns
) -> dict[str, Any]:
    model = one.config.model
    rest = {name: value for name, value in facts.items() if name not in ("parameters", "compile")}
    return result_rows.make_row(
        experiment="benchmarks/training",
        method=one.method,
        tokens=model.tokens,
        context_length=model.context_length,
        parameters=facts["parameters"],
        seconds={"compile": facts["compile"]} | turns.seconds,
        metrics=rest
        | {
            "batch": one.batch_size,
            "width": model.width,
            "num_layers": model.num_layers,
            "mlp_ratio": model.mlp_ratio,
            "huge_pages": timing.has_huge_pages(),
            "turns": turns.wall,
        },
    )


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
