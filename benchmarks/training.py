"""Seconds of one update, for every mixer and both tokenizations: drawing, forward, backward and optimizer, all of it.

    python -m benchmarks.training            # everything; --quick for a look
    python -m benchmarks.training --mixers attention s4d --contexts 100
    python -m benchmarks.training --peer     # beside the PyTorch model of `transformers` (extra `peers`)

Appends a line per model and context to `benchmarks/results/training.jsonl`, then writes the tables of
`benchmarks/README.md` from the newest lines of every machine. One device is timed.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from benchmarks import contenders, peer, timing, training_report
from experiments import learning, results
from jax_s4rl.data import regimes, windows
from jax_s4rl.models import decision
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import optimizer, update

RESULTS = results.ROOT / "benchmarks" / "results" / "training.jsonl"

# Rows of a batch, by steps of context: the longer, the fewer fit.
BATCHES = {32: 64, 100: 64, 341: 16, 1024: 4}
# Seconds of untimed updates before each that is timed.
SETTLE = 0.5


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure and where to write."""

    mixers: tuple[str, ...] = mixers.NAMES
    """Mixers to time."""
    contexts: tuple[int, ...] = tuple(BATCHES)
    """Steps of context: any of 32, 100, 341, 1024."""
    repeats: int = 10
    """Timed dispatches of each, after one to warm up."""
    updates_per_dispatch: int = 2
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
    for context_length in () if config.report_only else config.contexts:
        if context_length not in BATCHES:
            raise SystemExit(
                f"there is no context of {context_length} steps; choose from {', '.join(map(str, BATCHES))}"
            )
        for row in measure(config, context_length):
            results.append_row(config.out, row)
            print(training_report.line(row), flush=True)
    if config.out == RESULTS:
        training_report.write(list(results.read_rows(config.out)))


def measure(config: Config, context_length: int) -> Iterator[dict[str, Any]]:
    """Times all models of one context length in turns; a result line for each."""
    found = list(contenders.make(context_length, config.mixers))
    prepared = {one.name: prepare(one, config.updates_per_dispatch) for one in found}
    calls = {name: call for name, (call, _) in prepared.items()}
    with contextlib.ExitStack() as stack:
        if config.peer:
            calls["peer"] = stack.enter_context(peer.apart(context_length, BATCHES[context_length]))
        for call in calls.values():
            jax.block_until_ready(call())
        seconds = timing.take_turns(calls, config.repeats, settle=SETTLE)
    for one in found:
        each = {name: value / config.updates_per_dispatch for name, value in seconds[one.name].items()}
        yield _row(one.method, one.config, prepared[one.name][1], each)
    if config.peer:
        reference = contenders.configure("attention", "interleaved", context_length)
        facts = {"parameters": peer.num_parameters(reference), "compile": 0.0, "peer": peer.versions()}
        # Its processor time is another process's.
        yield _row("peer", reference, facts, {name: seconds["peer"][name] for name in ("minimum", "median")})


def prepare(contender: contenders.Contender, updates_per_dispatch: int) -> tuple[Callable[[], Any], dict[str, Any]]:
    """A call that makes a dispatch of updates, as experiments make them, and the facts of its program."""
    config, device = contender.config, jax.devices()[:1]
    context_length = config.model.context_length
    record = contenders.record(context_length)
    boxed = decision.init(config, jax.random.key(0))
    params = groups.strip(boxed)
    descent = optimizer.make(optimizer.OptimizerConfig(), groups.labels(boxed), 10_000)
    run = update.make(
        learning.loss_function(config),
        regimes.make("windows", record, context_length=context_length),
        descent,
        batch_size=BATCHES[context_length],
        updates_per_dispatch=updates_per_dispatch,
        devices=device,
    )
    held = [update.place([update.init(params, descent, jax.random.key(1))], device)]
    store = update.replicate(windows.make_store(record), device)
    began = time.perf_counter()
    compiled = run.lower(held[0], store).compile()  # pyright: ignore[reportFunctionMemberAccess]
    facts = {
        "parameters": decision.num_parameters(params),
        "compile": time.perf_counter() - began,
        "temporary_mib": _temporary_mib(compiled),
    }

    def call() -> Any:
        held[0], metrics = compiled(held[0], store)
        return held[0], metrics

    return call, facts


def _temporary_mib(compiled: Any) -> float | None:
    analysis = compiled.memory_analysis()
    return None if analysis is None else analysis.temp_size_in_bytes / 2**20


def _row(method: str, config: Any, facts: dict[str, Any], seconds: dict[str, float]) -> dict[str, Any]:
    rest = {name: value for name, value in facts.items() if name not in ("parameters", "compile")}
    return results.make_row(
        experiment="benchmarks/training",
        method=method,
        tokens=config.model.tokens,
        context_length=config.model.context_length,
        parameters=facts["parameters"],
        seconds={"compile": facts["compile"]} | seconds,
        metrics=rest
        | {
            "batch": BATCHES[config.model.context_length],
            "width": config.model.width,
            "num_layers": config.model.num_layers,
            "mlp_ratio": config.model.mlp_ratio if method != "peer" else 4.0,
            "huge_pages": timing.has_huge_pages(),
        },
    )


if __name__ == "__main__":
    import tyro

    timing.with_huge_pages()
    main(tyro.cli(Config, description=__doc__))
