"""Seconds of one update, for every mixer and both tokenizations: drawing, forward, backward and optimizer, all of it.

    python -m benchmarks.training            # everything; --quick for a look
    python -m benchmarks.training --mixers attention s4d --contexts 100
    python -m benchmarks.training --peer     # beside the PyTorch model of `transformers` (extra `peers`)

Appends a line per model and context to `benchmarks/results/training.jsonl`, then writes the tables of
`benchmarks/README.md` from the newest lines of every machine. One device is timed, each model in a process of its own.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import pytorch_peer, timed_models, timing, training_report, workers
from jax_s4rl import stack
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows
from jax_s4rl.modules import mixers

RESULTS = Path(__file__).parent / "results" / "training.jsonl"

# Seconds of untimed updates before each that is timed.
SETTLE = 0.5
PEER = "peer"


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure and where to write."""

    mixers: tuple[str, ...] = mixers.NAMES
    """Mixers to time."""
    contexts: tuple[int, ...] = tuple(timed_models.BATCHES)
    """Steps of context: any of 32, 100, 341, 1024."""
    repeats: int = 10
    """Timed dispatches of each, after one to warm up."""
    updates_per_dispatch: int = 5
    """Updates in one call."""
    peer: bool = False
    """Also time the Decision Transformer of the library transformers, in PyTorch."""
    quick: bool = False
    """Only attention and s4d, at 32 steps, three dispatches."""
    report_only: bool = False
    """Measure nothing, write the tables again."""
    out: Path = RESULTS
    """Result lines are appended here."""


def main(config: Config) -> None:
    """Measures all that is asked for, then writes the report."""
    if config.quick:
        config = dataclasses.replace(config, mixers=("attention", "s4d"), contexts=(32,), repeats=3)
    if config.peer:
        pytorch_peer.versions()
    for context_length in () if config.report_only else config.contexts:
        if context_length not in timed_models.BATCHES:
            raise SystemExit(
                f"there is no context of {context_length} steps; choose from {', '.join(map(str, timed_models.BATCHES))}"
            )
        for row in measure(config, context_length):
            result_rows.append_row(config.out, row)
            print(training_report.line(row), flush=True)
    if config.out == RESULTS:
        training_report.write(list(result_rows.read_rows(config.out)))


def measure(config: Config, context_length: int) -> Iterator[dict[str, Any]]:
    """Times all models of one context length in turns; a result line for each."""
    found = list(timed_models.make(context_length, config.mixers))
    if config.peer:
        found.append(timed_models.Contender(PEER, timed_models.configure("attention", "interleaved", context_length)))
    with contextlib.ExitStack() as opened:
        running = {one.name: opened.enter_context(_start(one, config.updates_per_dispatch)) for one in found}
        turns = workers.take_turns(running, config.repeats, SETTLE)
    stack.require()  # The workers did so before their work, when the device was theirs alone; this is for the lines.
    for one in found:
        updates = 1 if one.method == PEER else config.updates_per_dispatch
        yield _row(one, running[one.name].facts, turns[one.name].split(updates))


def _start(one: timed_models.Contender, updates_per_dispatch: int) -> contextlib.AbstractContextManager[workers.Worker]:
    context_length = str(one.config.model.context_length)
    if one.method == PEER:
        return workers.apart("peer", context_length)
    return workers.apart(
        "training_worker", one.method, one.config.model.tokens, context_length, str(updates_per_dispatch)
    )


def _row(one: timed_models.Contender, facts: dict[str, Any], turns: timing.Turns) -> dict[str, Any]:
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
            "batch": timed_models.BATCHES[model.context_length],
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
