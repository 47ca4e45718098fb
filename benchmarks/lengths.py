"""Time and memory against length: S4 against attention, in training and in acting.

    python -m benchmarks.lengths            # everything; --quick for a short run
    python -m benchmarks.lengths --lengths 1024 4096 --mixers s4d s4d/matched attention

Trains models with one token a step, and attention and S4D also with three, on contexts of 20 to
16,384 steps; then times one action after histories of 16 to 1,000,000 steps. Each model in training
has its own process, which lives as long as its length is timed. All models of a group take turns,
and S4D is in every group. A model that takes more than 60 s for an update, or 12 GiB of
temporaries, gets a row that says so, and no longer context. Rows are appended to
`benchmarks/results/lengths.jsonl`, a group at a time: started again at the same commit, the script
goes on where it stopped. At the end it writes the tables and figures of `benchmarks/README.md`.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import (
    acting,
    lengths_lead,
    lengths_report,
    lengths_worker,
    timed_models,
    timing,
    workers,
)
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents, result_rows

RESULTS = Path(__file__).parent / "results" / "lengths.jsonl"

Model = tuple[str, str]
"""Method and token layout."""
Row = dict[str, Any]

ONE, THREE = "concatenated", "interleaved"
PARTNER: Model = ("s4d", ONE)
GROUPS: dict[str, tuple[Model, ...]] = {
    "attention": (
        PARTNER,
        (timed_models.MATCHED, ONE),
        ("attention", ONE),
        ("s4d", THREE),
        ("attention", THREE),
    ),
    "mixers": (
        PARTNER,
        ("s4", ONE),
        ("s5", ONE),
        ("lru", ONE),
        ("lstm", ONE),
        (lengths_worker.WINDOWED, ONE),
    ),
    "selective": (PARTNER, ("mamba2", ONE), ("mamba", ONE)),
}
"""Models of one length that take turns. Groups, so that each fits into 16 GiB at any length."""
ACTING: tuple[str, ...] = ("s4d", "s4", "s5", "lru", "mamba2", "mamba", "lstm", "attention")
METHODS = tuple(dict.fromkeys(method for group in GROUPS.values() for method, _ in group))

# Batches of short contexts are small: several updates make one dispatch, as in experiments.
STEPS_OF_SHORT, UPDATES_OF_SHORT = 4096, 5
# Seconds of untimed updates before a timed dispatch, unless one takes longer itself.
SETTLE = 0.2
# An update that takes longer has few turns.
SLOW_SECONDS, SLOW_REPEATS = 10.0, 3

ACTIONS = 30
STATE_MIB, ACTION_SECONDS = 2048.0, 2.0
"""Largest state of attention that acts, and longest time of an action."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    mixers: tuple[str, ...] = METHODS
    """Models to train: s4d, s4d/matched (as many parameters as attention), attention, s4, s5, lru,
    lstm, attention/window (each token attends to 256), mamba2, mamba; those that have a state also
    act."""
    lengths: tuple[int, ...] = (20, 57, 100, 256, 1024, 4096, 16_384)
    """Numbers of steps of context in training."""
    tokens: tuple[str, ...] = (ONE, THREE)
    """Token layouts in training: concatenated (one token a step), interleaved (three)."""
    histories: tuple[int, ...] = (16, 256, 4096, 65_536, 1_000_000)
    """Numbers of steps of an episode in acting."""
    repeats: int = 10
    """Number of timed dispatches of each model; three if one update takes more than 10 s."""
    quick: bool = False
    """Whether to train only s4d with one token, on 57 steps, with three dispatches, and not to
    act."""
    report_only: bool = False
    """Whether to measure nothing and only write the tables and figures again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def main(config: Config) -> None:
    """Measures the models that have no rows yet, then writes the report.

    Args:
        config: Options of the benchmark.

    Raises:
        SystemExit: If there is no such model, or a process ended in its turns.
    """
    if config.quick:
        config = dataclasses.replace(
            config,
            mixers=("s4d",),
            lengths=(57,),
            tokens=(ONE,),
            histories=(),
            repeats=3,
        )
    if unknown := set(config.mixers) - set(METHODS):
        raise SystemExit(
            f"got mixers {', '.join(sorted(unknown))}; choose from {', '.join(METHODS)}"
        )
    if not config.report_only:
        _measure_all(config)
    if config.out == RESULTS:
        rows = list(documents.read_rows(config.out))
        lengths_report.write(rows)
        lengths_lead.write(rows)


def _measure_all(config: Config) -> None:
    """Measures what this document needs most first: attention, then acting, then other mixers."""
    for group in GROUPS:
        for length in sorted(config.lengths):
            models = wanted(config, group, length)
            if not is_done(config.out, "training", group, length, models):
                _append(config.out, train(config, group, length, models))
        if group == "attention" and config.histories:
            models = tuple((method, ONE) for method in ACTING if method in config.mixers)
            if not is_done(config.out, "acting", "acting", max(config.histories), models):
                _append(config.out, list(act(models, sorted(config.histories))))


def _append(out: Path, rows: list[Row]) -> None:
    result_rows.append_rows(out, rows)
    for row in rows:
        print(lengths_report.line(row), flush=True)


def wanted(config: Config, group: str, length: int) -> tuple[Model, ...]:
    """Returns the models of a group that are timed at a length.

    A model that was skipped at a shorter length is left out. So is attention with a window that
    hides nothing, and a group of which only the partner is left.

    Args:
        config: Options of the benchmark.
        group: Name of the group.
        length: Number of steps of context.

    Returns:
        The models, the partner first.
    """
    ended = {
        (row["method"], row["tokens"])
        for row in _own_rows(config.out, "training")
        if row["metrics"]["skipped"] and row["context_length"] < length
    }
    models = tuple(
        model
        for model in GROUPS[group]
        if model not in ended
        and model[0] in config.mixers
        and model[1] in config.tokens
        and (model[0] != lengths_worker.WINDOWED or length > lengths_worker.WINDOW)
    )
    return () if models == (PARTNER,) and group != "attention" else models


def is_done(out: Path, kind: str, group: str, length: int, models: tuple[Model, ...]) -> bool:
    """Returns whether the file has rows of all models, of this commit and machine.

    Args:
        out: File of result rows.
        kind: "training" or "acting".
        group: Name of the group.
        length: Number of steps of context, or the longest history.
        models: Models that are timed.
    """
    found = {
        (row["method"], row["tokens"])
        for row in _own_rows(out, kind)
        # In acting, the history that ends a model is its last one.
        if row["metrics"]["group"] == group
        and (row["context_length"] == length or (kind == "acting" and row["metrics"]["skipped"]))
    }
    return set(models) <= found


def _own_rows(out: Path, kind: str) -> list[Row]:
    place = result_rows.machine(), result_rows.commit()
    return [
        row
        for row in result_rows.read_rows(out)
        if (row["machine"], row["commit"]) == place and row["metrics"]["kind"] == kind
    ]


def train(config: Config, group: str, length: int, models: tuple[Model, ...]) -> list[Row]:
    """Times all models of one group and length in turns.

    Args:
        config: Options of the benchmark.
        group: Name of the group.
        length: Number of steps of context.
        models: Models that are timed.

    Returns:
        One result row for each model.

    Raises:
        SystemExit: If a process ended in its turns.
    """
    made = {model: lengths_worker.make(*model, length) for model in models}
    updates = {
        model: UPDATES_OF_SHORT if one.batch_size * length < STEPS_OF_SHORT else 1
        for model, one in made.items()
    }
    facts: dict[Model, dict[str, Any]] = {}
    running: dict[Model, workers.Worker] = {}
    with contextlib.ExitStack() as opened:
        for model in models:
            arguments = (*model, str(length), str(updates[model]))
            try:
                worker = opened.enter_context(workers.apart("lengths_worker", *arguments))
            except SystemExit:
                facts[model] = {"skipped": "its process ended, perhaps for lack of memory"}
                continue
            facts[model] = worker.facts
            if "skipped" not in worker.facts:
                running[model] = worker
        turns = take_turns(running, config.repeats, updates)
    self_test.require()
    run = {"run": time.strftime("%Y-%m-%dT%H:%M:%S")}
    return [
        _training_row(one, facts[model], turns.get(model), updates[model], {"group": group} | run)
        for model, one in made.items()
    ]


def take_turns(
    running: dict[Model, workers.Worker], repeats: int, updates: dict[Model, int]
) -> dict[Model, timing.Turns]:
    """Times workers in turns; one whose updates are slow takes part in the first turns alone.

    Args:
        running: Workers by model; their facts have the seconds of a first update.
        repeats: Number of turns.
        updates: Number of updates in a dispatch, by model.

    Returns:
        By model, the seconds of an update in every turn.

    Raises:
        SystemExit: If a process ended.
    """
    taken: dict[Model, list[dict[str, float]]] = {model: [] for model in running}
    for turn in range(repeats):
        for model, worker in running.items():
            first = worker.facts["first"]
            if first > SLOW_SECONDS and turn >= SLOW_REPEATS:
                continue
            # A long dispatch needs no other one before it.
            settle = SETTLE if first * updates[model] < SETTLE else 0.0
            taken[model].append(worker.time(settle))
    return {
        model: timing.Turns([turn["wall"] for turn in own], [turn["cpu"] for turn in own]).split(
            updates[model]
        )
        for model, own in taken.items()
    }


def _training_row(
    one: timed_models.TimedModel,
    facts: dict[str, Any],
    turns: timing.Turns | None,
    updates: int,
    place: dict[str, str],
) -> Row:
    model = one.config.model
    seconds = {"compile": facts["compile"]} if "compile" in facts else {}
    return result_rows.make_row(
        experiment="benchmarks/lengths",
        method=one.method,
        tokens=model.tokens,
        context_length=model.context_length,
        parameters=facts.get("parameters"),
        seconds=seconds | (turns.seconds if turns else {}),
        metrics={
            "kind": "training",
            **place,
            "skipped": facts.get("skipped"),
            "batch": one.batch_size,
            "dropout": model.dropout,
            "mlp_ratio": model.mlp_ratio,
            "window": model.mixer.window,
            "updates_per_dispatch": updates,
            **{
                name: facts.get(name)
                for name in ("temporary_mib", "prepared_mib", "peak_mib", "first")
            },
            "huge_pages": timing.has_huge_pages(),
            "turns": turns.wall if turns else [],
            "cpu_turns": turns.cpu if turns else [],
        },
    )


def act(models: tuple[Model, ...], histories: list[int]) -> Iterator[Row]:
    """Times one action of every model after every history, all in turns, one episode at a time.

    A step of attention reads its whole cache, however much of it is filled, so an empty episode
    takes as long as a full one. Attention has its learned table of time steps, as in training.

    Args:
        models: Models that act.
        histories: Numbers of steps of an episode, in ascending order.

    Yields:
        One result row for each model and history.

    Raises:
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    self_test.require()
    facts: dict[tuple[Model, int], dict[str, Any]] = {}
    calls = {}
    for model in models:
        for history in histories:
            found, call = _prepare_acting(model, history)
            facts[model, history] = found
            if call is None:
                break
            calls[str((model, history))] = call
    times = timing.take_turns(calls, ACTIONS)
    run = time.strftime("%Y-%m-%dT%H:%M:%S")
    for (model, history), found in facts.items():
        turns = times.get(str((model, history)))
        seconds = {"compile": found["compile"]} if "compile" in found else {}
        yield result_rows.make_row(
            experiment="benchmarks/lengths",
            method=model[0],
            tokens=model[1],
            context_length=history,
            parameters=found.get("parameters"),
            seconds=seconds | (turns.split(1).seconds if turns else {}),
            metrics={
                "kind": "acting",
                "group": "acting",
                "run": run,
                "skipped": found.get("skipped"),
                "batch": 1,
                "state_kib": found["state_kib"],
                "huge_pages": timing.has_huge_pages(),
                "turns": turns.split(1).wall if turns else [],
                "cpu_turns": turns.split(1).cpu if turns else [],
            },
        )


def _prepare_acting(model: Model, history: int) -> tuple[dict[str, Any], Callable[[], Any] | None]:
    """Returns facts about a model that acts, and a call that takes a step unless it is too dear."""
    config = timed_models.configure(*model, history)
    if model[0] == "attention":
        # Keys and values of every token in every block, in float32. Known before they are made.
        shape = config.model
        state = 8 * shape.num_layers * shape.width * shape.tokens_per_step * history / 2**20
        if state > STATE_MIB:
            reason = f"has a state of {state:,.0f} MiB, limit {STATE_MIB:,.0f}"
            return {"skipped": reason, "state_kib": state * 2**10}, None
    call, facts = acting.prepare(config, history, 1)
    # The first call warms up.
    call()
    began = time.perf_counter()
    call()
    if (once := time.perf_counter() - began) > ACTION_SECONDS:
        reason = f"an action takes {once:.1f} s, limit {ACTION_SECONDS:.0f}"
        return facts | {"skipped": reason}, None
    return facts, call


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
