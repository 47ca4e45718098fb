"""What the speed of this package was, what was aimed at, and what is reached, in one table.

    python -m benchmarks.aims

Writes the first tables of `benchmarks/README.md` from the committed rows of other benchmarks, and
below each why aims were not reached (`benchmarks.shortfalls`); it measures nothing. The column
*before* is a study of commit 6b3fe05 on another machine, which set the aims; its figures stand here
as it gave them.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks import (
    floor,
    floor_report,
    host_loop,
    lengths,
    lengths_fit,
    lengths_report,
    peer_worker,
    peers,
    peers_report,
    shortfalls,
    tables,
    whole_job,
)
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import documents

SECTION, MISSING = "aims", "-"

SOURCES: dict[str, tuple[Path, tuple[str, ...]]] = {
    "peers": (peers.RESULTS, peers_report.KEY),
    "lengths": (lengths.RESULTS, lengths_report.KEY),
    "floor": (floor.RESULTS, floor_report.KEY),
    "host_loop": (host_loop.RESULTS, ("method", "environments")),
    "whole_job": (whole_job.RESULTS, ("method",)),
}
"""File of the rows of each benchmark, and the fields that tell its rows apart."""

# Steps of context and rows of a batch, as the study had them.
SIZES = ((20, 64), (100, 16), (341, 4), (1024, 1), (1024, 4))
COMPILED_AT = 100
ENVIRONMENTS = 64


class Goal(NamedTuple):
    """One line of the table.

    Attributes:
        what: What is measured.
        before: What the study measured.
        aim: What was aimed at.
        reached: Function of the rows of one machine that formats what is reached.
    """

    what: str
    before: str
    aim: str
    reached: Callable[[shortfalls.Found], str]


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the table."""

    readme: Path = tables.README
    """Document with the marks of the section."""


def main(config: Config) -> None:
    """Writes the table.

    Args:
        config: Options of the table.
    """
    rows = {name: list(documents.read_rows(path)) for name, (path, _) in SOURCES.items()}
    documents.write_section(config.readme, SECTION, text(rows))


def text(rows: Mapping[str, Iterable[tables.Row]]) -> str:
    """Formats the section.

    Args:
        rows: Result rows of each benchmark of `SOURCES`, oldest first.

    Returns:
        Markdown.
    """
    by_machine: dict[str, dict[str, tables.Newest]] = {}
    for name, (_, key) in SOURCES.items():
        for machine, found in tables.newest_by_machine(map(_of_processor, rows[name]), key).items():
            by_machine.setdefault(machine, {})[name] = found
    parts = [
        "## Aims",
        "Ratios and times are medians of turns, of processor time unless wall-clock time is named; "
        "PyTorch and the floor on one core, lengths on all. *Before* is a study of commit 6b3fe05 "
        "on another machine, on one core. A minus: not measured on this machine. The sections "
        "below have intervals, minima, and what was compared.",
    ]
    head = ["what", "before", "aim", "reached"]
    for machine, found in by_machine.items():
        lines = [[goal.what, goal.before, goal.aim, goal.reached(found)] for goal in GOALS]
        parts += [f"### {machine}", tables.markdown(head, lines, left=1)]
        if missed := shortfalls.reasons(found, ENVIRONMENTS):
            parts += ["What was not reached, and why:", "\n".join(f"- {each}" for each in missed)]
    return "\n\n".join(parts)


def _of_processor(row: tables.Row) -> tables.Row:
    """Leaves out the number of cores, which is 1 where a benchmark keeps to one of several."""
    return {**row, "machine": row["machine"].rpartition(", ")[0] or row["machine"]}


def _joined(values: Iterable[float | None], form: str = "{:.3g}") -> str:
    return " / ".join(MISSING if value is None else form.format(value) for value in values)


def _peer(method: str) -> Callable[[shortfalls.Found], str]:
    """Returns the function that formats a PyTorch model over S4D with one token a step."""

    def reached(found: shortfalls.Found) -> str:
        rows, values = found.get("peers", {}), []
        for size in SIZES:
            models = ((method, peers_report.LAYOUTS[method]), peers_report.FAST)
            both = [rows.get((peer_worker.TRAINING, *one, *size, 1)) for one in models]
            turns = [row["metrics"]["cpu_turns"] for row in both if row is not None]
            values.append(lengths_fit.ratio(*turns).value if len(turns) == len(both) else None)
        return _joined(values)

    return reached


def _attention(measure: str) -> Callable[[shortfalls.Found], str]:
    """Returns the function that formats attention over S4D, equal tokens and parameters."""

    def reached(found: shortfalls.Found) -> str:
        models = lengths_report.ATTENTION, lengths_report.MATCHED
        pairs = lengths_report.one_run(found.get("lengths", {}), *models)
        return _joined(
            lengths_fit.ratio(*(row["metrics"][measure] for row in pairs[length])).value
            if length in pairs
            else None
            for length in lengths_report.RATIO_AIMS
        )

    return reached


def _memory(found: shortfalls.Found) -> str:
    models = lengths_report.ATTENTION, lengths_report.MATCHED
    pairs = lengths_report.one_run(found.get("lengths", {}), *models)
    longest = max(lengths_report.RATIO_AIMS)
    if longest not in pairs:
        return MISSING
    return _joined((row["metrics"]["peak_mib"] / 2**10 for row in pairs[longest]), "{:.1f}")


def _exponent(found: shortfalls.Found) -> str:
    times = lengths_report.curve(
        found.get("lengths", {}), lengths_report.S4D, lengths_report.PROCESSOR
    )
    kept = {
        length: turns for length, turns in times.items() if length >= lengths_report.LINEAR_FROM
    }
    if len(kept) < 2:
        return MISSING
    whole, last = (
        lengths_fit.exponent(part).value for part in (kept, dict(list(kept.items())[-2:]))
    )
    return f"{whole:.2f} (last quadrupling {last:.2f})"


def _floor(found: shortfalls.Found) -> str:
    rows = found.get("floor", {})
    return _joined(
        (
            floor_report.over_floor(rows, length) if (floor_report.UPDATE, length) in rows else None
            for length in floor.Config.contexts
        ),
        "{:.2f}",
    )


def _action(found: shortfalls.Found) -> str:
    rows = lengths_report.own(found.get("lengths", {}), "acting", lengths_report.S4D)
    timed = {history: row for history, row in rows.items() if row["metrics"]["turns"]}
    return (
        " / ".join(
            f"{1e3 * row['seconds']['median']:.2f} at {history:,}" for history, row in timed.items()
        )
        or MISSING
    )


def _action_in_rollout(found: shortfalls.Found) -> str:
    row = found.get("host_loop", {}).get((lengths_report.S4D[0], 1))
    return MISSING if row is None else f"{1e3 * row['seconds']['policy']:.2f}"


def _host_loop(found: shortfalls.Found) -> str:
    rows = found.get("host_loop", {})
    return (
        ", ".join(
            f"{mixer} {row['metrics']['share_outside']:.0%}"
            for (mixer, count), row in rows.items()
            if count == ENVIRONMENTS
        )
        or MISSING
    )


def _compiling(found: shortfalls.Found) -> str:
    row = lengths_report.own(found.get("lengths", {}), "training", lengths_report.S4D).get(
        COMPILED_AT
    )
    if row is None:
        return MISSING
    return f"{row['seconds']['compile']:.1f} s / {row['metrics']['peak_mib'] / 2**10:.1f} GiB"


def _whole_job(found: shortfalls.Found) -> str:
    rows = found.get("whole_job", {})
    methods = (whole_job.EMPTY, whole_job.FILLED)
    return _joined(
        (rows[method,]["seconds"]["whole"] if (method,) in rows else None for method in methods),
        "{:.1f}",
    )


_PEER_SIZES = "K = 20 / 100 / 341 / 1,024 / 1,024 with 4 rows"
_LONG = "equal parameters, K = 57 / 1,024 / 4,096 / 16,384"
GOALS = (
    Goal(
        f"minGPT form of the decision transformer in PyTorch over S4D, one token, {_PEER_SIZES}",
        *("11.4 / 11.4 / 17 / 20 / 32", "13 / 13 / 20 / - / 40", _peer("mingpt")),
    ),
    Goal(
        f"`transformers` (sdpa) over S4D, one token, {_PEER_SIZES}",
        *("13.6 / 12.6 / 15 / 13 / 21", "15 / 15 / 18 / - / 25", _peer("transformers/sdpa")),
    ),
    Goal(
        f"attention over S4D, one token both, {_LONG}",
        *("0.87 / 1.36 / 2.4 to 2.8 / 8.8", "1.0 / 1.6 / 3.5 / 12"),
        _attention(lengths_report.PROCESSOR),
    ),
    Goal(
        "the same by wall-clock time",
        *("- / - / 2.2 / 8.3", "", _attention(lengths_report.WALL)),
    ),
    Goal(
        "GiB of memory at 16,384 steps, attention / S4D, with imports and compiling",
        *("3.4 / 0.9", "", _memory),
    ),
    Goal(
        "exponent of an S4D update, 256 to 16,384 steps",
        *("0.98 (last quadrupling 1.21)", "at most 1.05", _exponent),
    ),
    Goal(
        "S4D update over bare products and transforms, K = 100 / 341 / 1,024",
        *("1.81 / 1.8 to 1.9 / 2.12", "1.5 everywhere", _floor),
    ),
    Goal(
        "ms of one action of S4D, batch 1, by history, between actions of other models, wall-clock "
        "time",
        *("0.56 to 0.64", "0.2, constant", _action),
    ),
    Goal(
        "the same in a rollout of one environment, two blocks of width 64",
        *("", "", _action_in_rollout),
    ),
    Goal(
        f"host loop of {ENVIRONMENTS} CartPoles: share of the time outside the environments",
        *("63 to 65 %", f"{host_loop.AIM:.0%}", _host_loop),
    ),
    Goal(
        "compiling an S4D update of 3 blocks / peak memory of its process, wall-clock time",
        *("9 to 13 s / 1.1 GiB", "6 s / 0.8 GiB", _compiling),
    ),
    Goal(
        "seconds of 400 updates and 100 episodes of CartPole, cache empty / filled, wall-clock "
        "time",
        *("33.7 / 18.3", "20 / 10", _whole_job),
    ),
)


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
