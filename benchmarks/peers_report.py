"""Tables of `benchmarks/README.md` about PyTorch models and ours, written from result rows."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import peer_worker, tables
from jax_s4rl.evaluation import documents

SECTION = "peers"
KEY = ("work", "method", "tokens", "context_length", "batch", "cores")
FAST = ("s4d", "concatenated")
# PyTorch models that are trained, and their token layouts.
LAYOUTS = {
    "transformers/sdpa": "interleaved",
    "transformers/eager": "interleaved",
    "mingpt": "interleaved",
    "minimal": "interleaved",
    "torch-s4d": "concatenated",
}
# Ratios to S4D that are aimed at, by steps of context.
AIMS = {
    "mingpt": {20: 13, 100: 13, 341: 20, 1024: 40},
    "transformers/sdpa": {20: 15, 100: 15, 341: 18, 1024: 25},
}
NUM_RESAMPLES = 10_000

Sizes = list[tuple[int, int]]
"""Steps of context, and rows of a batch, of each column."""


def line(row: tables.Row) -> str:
    """Formats one line of progress."""
    seconds, metrics = row["seconds"], row["metrics"]
    return (
        f"{metrics['work']:8} {row['method']:19} {row['tokens']:13} "
        f"context {row['context_length']:<5} batch {metrics['batch']:<3} cores {metrics['cores']} "
        f"median {1e3 * seconds['median']:8.2f} ms, processor {1e3 * seconds['cpu']:8.2f} ms"
    )


def write(rows: Sequence[tables.Row], readme: Path = tables.README) -> None:
    """Writes the tables into the README of this folder.

    Args:
        rows: Result rows of this benchmark, oldest first.
        readme: Document of the tables, with the marks of the section.

    Raises:
        ValueError: If the document does not have both marks.
    """
    documents.write_section(readme, SECTION, text(rows))


def text(rows: Sequence[tables.Row]) -> str:
    """Formats the section.

    Args:
        rows: Result rows of this benchmark, oldest first.

    Returns:
        Markdown.
    """
    parts = ["## PyTorch peers", _preface()]
    for machine, found in tables.newest_by_machine(rows, KEY).items():
        parts += [f"### {machine}", _versions(found)]
        for work, what in ((peer_worker.TRAINING, "update"), (peer_worker.ACTING, "action")):
            if of_work := {key: row for key, row in found.items() if key[0] == work}:
                parts += [times(of_work, what), ratios(of_work, what)]
    return "\n\n".join(parts)


def _preface() -> str:
    return (
        "PyTorch models and ours in the same run, `python -m benchmarks.peers`: three blocks, one "
        "head, 16 numbers and 6 actions, float32, and for each column the same batch, width and "
        "number of cores; each model in a process of its own, in turns. In training, "
        f"{100 * peer_worker.DROPOUT:.0f} % of the features are dropped and the optimizer is AdamW "
        "with clipping; compile time is apart, and ours draw their batches. `transformers` is the "
        "Decision Transformer of that library with either of its attentions; `mingpt` the "
        "published minGPT form with an explicit masked softmax; `minimal` the same weights with "
        "PyTorch's fused attention; `torch-s4d` minimal S4D layers (complex Vandermonde kernel, "
        "transforms of twice the length). `mingpt` and `transformers/eager` drop attention weights "
        "too, as published; the fused attentions and ours do not. An action is that of one episode "
        "at the end of a history: `window` maps all of it again, `cache` reads kept keys and "
        "values. Ratios are of processor time on one core, medians of turns, with the 95 % "
        "interval of a bootstrap over turns."
    )


def times(found: tables.Newest, what: str) -> str:
    """Formats the medians of wall-clock time, of one core and of more.

    Args:
        found: Rows of training or of acting, by `KEY`.
        what: What is timed, "update" or "action".

    Returns:
        A table; cells have the times for each number of cores.
    """
    sizes, cores = _sizes(found), sorted({key[5] for key in found})
    lines = []
    for work, method, layout in dict.fromkeys(key[:3] for key in found):
        rows = [[found.get((work, method, layout, *size, n)) for n in cores] for size in sizes]
        # The number of parameters grows with the table of time steps.
        counts = [row["parameters"] for each in rows for row in each if row]
        lines.append([method, layout, f"{min(counts):,}", *(_cell(each) for each in rows)])
    number = " / ".join(map(str, cores)) + (" core" if cores == [1] else " cores")
    head = [f"ms of one {what} on {number}", "tokens", "parameters"]
    return tables.markdown([*head, *_titles(found, sizes)], lines, left=2)


def ratios(found: tables.Newest, what: str) -> str:
    """Formats the processor time of every model over that of S4D, on one core.

    Args:
        found: Rows of training or of acting, by `KEY`.
        what: What is timed, "update" or "action".

    Returns:
        A table; cells have the ratio, its interval, and the aim if there is one.
    """
    sizes, lines = _sizes(found), []
    for work, method, layout in dict.fromkeys(key[:3] for key in found):
        if (method, layout) == FAST:
            continue
        aims = AIMS.get(method, {}) if work == peer_worker.TRAINING else {}
        cells = []
        for size in sizes:
            both = [found.get((work, *one, *size, 1)) for one in ((method, layout), FAST)]
            cells.append(_ratio(both, aims.get(size[0])))
        lines.append([method, layout, *cells])
    head = [f"processor time of one {what} over that of s4d, concatenated", "tokens"]
    return tables.markdown([*head, *_titles(found, sizes)], lines, left=2)


def interval(times: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Computes the ratio of two medians and its 95 % interval.

    Whole turns are drawn again, because the two times of a turn saw the same state of the machine.

    Args:
        times: Seconds of one model, turn by turn.
        others: Seconds of the other model in the same turns.

    Returns:
        Median of the times over that of the others, and the ends of its percentile interval.

    Example:
        >>> interval([4.0, 4.0, 4.0], [2.0, 2.0, 2.0])
        (2.0, 2.0, 2.0)
    """
    pairs, rng = np.array([times, others]), np.random.default_rng(0)
    draws = rng.integers(0, pairs.shape[1], (NUM_RESAMPLES, pairs.shape[1]))
    first, second = np.median(pairs[:, draws], axis=-1)
    low, high = np.quantile(first / second, (0.025, 0.975))
    return statistics.median(times) / statistics.median(others), float(low), float(high)


def _sizes(found: tables.Newest) -> Sizes:
    return sorted({key[3:5] for key in found})


def _titles(found: tables.Newest, sizes: Sizes) -> list[str]:
    widths = {key[3:5]: row["metrics"]["width"] for key, row in found.items()}
    usual = max(widths.values())
    return [
        f"{context:,} steps x {batch}"
        + ("" if widths[context, batch] == usual else f", width {widths[context, batch]}")
        for context, batch in sizes
    ]


def _cell(rows: Sequence[tables.Row | None]) -> str:
    return " / ".join(
        "-" if row is None else documents.milliseconds(row["seconds"]["median"]) for row in rows
    )


def _ratio(both: Sequence[tables.Row | None], aim: float | None) -> str:
    row, other = both
    if row is None or other is None:
        return "-"
    turns = [one["metrics"]["cpu_turns"] for one in (row, other)]
    if len(turns[0]) != len(turns[1]):
        return "-"
    value, low, high = interval(*turns)
    wanted = "" if aim is None else f"; aim {aim}"
    return f"{value:.3g} ({low:.3g}-{high:.3g}{wanted})"


def _versions(found: tables.Newest) -> str:
    used = [row["metrics"]["peers"] | {"jax": row["versions"]["jax"]} for row in found.values()]
    names = dict.fromkeys(
        f"{name} {version}" for versions in used for name, version in sorted(versions.items())
    )
    return f"Versions: {', '.join(names)}."
