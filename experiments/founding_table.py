"""The numbers of the founding report beside those of the rows, in two columns.

    python -m experiments.founding_table

prints four tables: scores, with floors and ceilings that are exact but for CartPole; scores with
one difference at a time; numbers of parameters; times of an update
(`benchmarks.founding_times`). Theirs are of the report's table and figure (its
source is named in `experiments.founding_report`), one run each; the others are means of several
runs with 95 % bootstrap intervals.
"""

import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments import founding_report, runner
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import bootstrap, result_rows

Row = Mapping[str, Any]
RESULTS = runner.results_file(founding_report.EXPERIMENT.name)
TIMES = runner.results_file("founding_times")
COLUMNS = (founding_report.THEIR_WAY, founding_report.RIGHT_WAY)
ATTENTION, S4 = founding_report.THEIR_MIXERS
METHODS = {ATTENTION: "DT", S4: "S4", "s4d": "S4D", "lstm": "LSTM", "mlp": "MLP"}
BASELINES = {"bc": "BC", "percent_bc": "%BC"}
NOTHING = "-"


class Number(NamedTuple):
    """A number of the report.

    Attributes:
        title: Task and meaning.
        data: Pattern of the names of its datasets.
        key: Name of the metric in result rows.
        theirs: Published values by method; none for a number that the report lacks.
    """

    title: str
    data: str
    key: str
    theirs: Mapping[str, float]


# Read off the report's figure by length: decision transformer, S4.
_UMBRELLA = {1: (1.0, 1.0), 2: (0.26, 0.50), 4: (0.51, 0.485), 8: (0.36, 0.4925)}
NUMBERS = (
    Number(
        "graph walk: optimal walks",
        "founding/graph-*",
        "optimal_share_greedy",
        {ATTENTION: 1.0, S4: 1.0},
    ),
    Number("graph walk: slope of achieved on target", "founding/graph-*", "slope_greedy", {}),
    *(
        Number(
            f"umbrella {length}: total reward above 0.5",
            founding_report.UMBRELLA_DATA[length],
            "share_above_half_greedy",
            dict(zip((ATTENTION, S4), values, strict=True)),
        )
        for length, values in _UMBRELLA.items()
    ),
    *(
        Number(f"umbrella {length}: right first actions", data, "first_action_greedy", {})
        for length, data in founding_report.UMBRELLA_DATA.items()
    ),
    Number(
        "DoorKey: steps of those allowed",
        founding_report.DOOR_KEY.dataset,
        "steps_share_greedy",
        {ATTENTION: 0.18, S4: 0.11},
    ),
    Number("DoorKey: success", founding_report.DOOR_KEY.dataset, "success_greedy", {}),
    Number(
        "CartPole: steps, longest recorded as target",
        founding_report.CARTPOLE.dataset,
        "steps_greedy",
        {},
    ),
    Number(
        "CartPole: steps, best of all targets",
        founding_report.CARTPOLE.dataset,
        "best_of_sweep_greedy",
        {ATTENTION: 107.0, S4: 129.0},
    ),
)
# Numbers that single differences are about.
SWITCHED = (
    (
        "graph walk: optimal walks",
        founding_report.GRAPHS[0].dataset,
        "optimal_share_greedy",
    ),
    (
        "umbrella 8: right first actions",
        founding_report.UMBRELLAS[8].dataset,
        "first_action_greedy",
    ),
)
# Score of one fixed target, beside which the report has the best of many only.
FIXED = "steps_greedy"
# Reference rows of CartPole have the steps alone, whatever the target.
SAME_ENDS = {"best_of_sweep_greedy": "steps_greedy"}
# Published numbers of parameters, the table of 4,096 time steps included.
THEIR_PARAMETERS = {
    founding_report.CARTPOLE.dataset: {ATTENTION: 170_000, S4: 142_000},
    **{
        data: {ATTENTION: 1_100_000, S4: 600_000}
        for data in ("founding/graph-*", founding_report.DOOR_KEY.dataset)
    },
}


# Published minutes of whole trainings: decision transformer, S4.
THEIR_MINUTES = (
    ("graph walk, 25 steps", founding_report.GRAPHS[0].dataset, (23.0, 9.0)),
    ("umbrella 8, 10 steps", founding_report.UMBRELLAS[8].dataset, (3.25, 2.75)),
    ("DoorKey, 250 steps", founding_report.DOOR_KEY.dataset, (20.0, 7.0)),
    ("CartPole, 126 steps", founding_report.CARTPOLE.dataset, (30.0, 6.0)),
)
# Columns of the table of times that hold ratios, behind that of the task.
RATIOS = (1, 4, 7)


def scores(rows: Sequence[Row]) -> str:
    """Makes the table of scores.

    Args:
        rows: Result rows of the experiment; missing ones leave gaps.

    Returns:
        Markdown, one line for each number and method that has a row or a published value.
    """
    lines = []
    for number in NUMBERS:
        own = _of_data(rows, number.data)
        ends = [_reference(own, method, number.key) for method in ("random", "optimal")]
        for method, name in (METHODS | BASELINES).items():
            cells = [_interval(_runs(own, method, column, number.key)) for column in COLUMNS]
            theirs = number.theirs.get(method)
            if theirs is not None or cells != [NOTHING, NOTHING]:
                published = NOTHING if theirs is None else f"{theirs:g}"
                lines.append([number.title, name, published, *cells, *map(_short, ends)])
    return _markdown(["number", "model", "theirs", *COLUMNS, "random play", "optimum"], lines)


def side_by_side(rows: Sequence[Row]) -> str:
    """Makes the table of the report's own numbers, both models in one line.

    Beside a best of many targets, which is chosen by its score, stands that of one fixed target.

    Args:
        rows: Result rows of the experiment; missing ones leave gaps.

    Returns:
        Markdown, one line for each of these numbers.
    """
    lines = []
    for number in NUMBERS:
        if number.theirs or number.key == FIXED:
            own = _of_data(rows, number.data)
            ours = [
                _interval(_runs(own, method, column, number.key))
                for column in COLUMNS
                for method in (ATTENTION, S4)
            ]
            ends = (_short(_reference(own, end, number.key)) for end in ("random", "optimal"))
            theirs = ", ".join(f"{number.theirs[method]:g}" for method in number.theirs) or NOTHING
            lines.append([number.title, theirs, *ours, ", ".join(ends)])
    heads = [f"{column}: {METHODS[method]}" for column in COLUMNS for method in (ATTENTION, S4)]
    return _markdown(["number", "theirs: DT, S4", *heads, "random, optimum"], lines, 1)


def differences(rows: Sequence[Row]) -> str:
    """Makes the table of single differences.

    Args:
        rows: Result rows of the experiment; missing ones leave gaps.

    Returns:
        Markdown: a line for each difference that has a row, and task; a column for each model.
        Without rows of differences, no lines.
    """
    variants = {"none": founding_report.RIGHT_WAY}
    variants |= {name: founding_report.but_for(name) for name in founding_report.SWITCHES}
    variants["one token a step"] = founding_report.ONE_TOKEN
    lines = []
    for title, data, key in SWITCHED:
        own = _of_data(rows, data)
        for name, variant in variants.items():
            cells = [_interval(_runs(own, method, variant, key)) for method in METHODS]
            if cells != [NOTHING] * len(METHODS):
                lines.append([title, name, *cells])
    # What differs from nothing says nothing.
    if {name for _, name, *_ in lines} == {"none"}:
        lines = []
    return _markdown(["number", "difference", *METHODS.values()], lines)


def sizes(rows: Sequence[Row]) -> str:
    """Makes the table of numbers of parameters.

    Args:
        rows: Result rows of the experiment; missing ones leave gaps.

    Returns:
        Markdown, one line for the data and the method of every row.
    """
    patterns = ["founding/graph-*", *founding_report.UMBRELLA_DATA.values()]
    patterns += [founding_report.DOOR_KEY.dataset, founding_report.CARTPOLE.dataset]
    lines = []
    for data in patterns:
        own = _of_data(rows, data)
        for method, name in METHODS.items():
            found = [
                {row["parameters"] for row in own if _is_of(row, method, column)}
                for column in COLUMNS
            ]
            if any(found):
                size = THEIR_PARAMETERS.get(data, {}).get(method)
                theirs = NOTHING if size is None else f"{size:,}"
                cells = [" or ".join(f"{n:,}" for n in sorted(each)) or NOTHING for each in found]
                lines.append([data, name, theirs, *cells])
    return _markdown(["parameters of models", "model", "theirs", *COLUMNS], lines)


def times(rows: Sequence[Row]) -> str:
    """Makes the table of times: milliseconds of an update, and how many times longer DT takes.

    Args:
        rows: Result rows of `benchmarks.founding_times`; those of the last machine count.

    Returns:
        Markdown, one line for each task that has rows.
    """
    rows = [row for row in rows if row["machine"] == rows[-1]["machine"]]
    lines = []
    for title, data, minutes in THEIR_MINUTES:
        found = {
            (row["metrics"]["variant"], row["method"]): 1e3 * row["seconds"]["update_median"]
            for row in rows
            if row["dataset"] == data
        }
        if found:
            cells = []
            for column in COLUMNS:
                both = [found[column, method] for method in (ATTENTION, S4)]
                cells += [*(f"{value:.1f}" for value in both), f"{both[0] / both[1]:.2f}"]
            lines.append([title, f"{minutes[0] / minutes[1]:.2f}", *cells])
    heads = []
    for column in COLUMNS:
        heads += [f"{column}: {name}, ms" for name in (METHODS[ATTENTION], METHODS[S4])] + [column]
    return _markdown(["DT over S4", "theirs", *heads], lines, 1)


def _of_data(rows: Iterable[Row], pattern: str) -> list[Row]:
    return [row for row in rows if fnmatch.fnmatchcase(row["dataset"], f"{pattern}*")]


def _is_of(row: Row, method: str, column: str) -> bool:
    # The name of the column is followed by the updates; other variants have more words.
    variant = row["metrics"].get("variant", "")
    return row["method"] == method and variant.partition(" (")[0] == column


def _runs(rows: Iterable[Row], method: str, column: str, key: str) -> list[float]:
    """Returns a metric of every run; with several datasets the mean of each, which count alike."""
    by_data: dict[str, list[float]] = {}
    for row in rows:
        if _is_of(row, method, column) and key in row["metrics"]:
            by_data.setdefault(row["dataset"], []).append(row["metrics"][key])
    if len(by_data) == 1:
        return next(iter(by_data.values()))
    return [sum(values) / len(values) for values in by_data.values()]


def _reference(rows: Iterable[Row], method: str, key: str) -> float | None:
    """Returns the mean over datasets of a reference; None without one."""
    name = SAME_ENDS.get(key, key)
    known = {
        row["dataset"]: row["metrics"][name]
        for row in rows
        if row["method"] == method and name in row["metrics"]
    }
    return sum(known.values()) / len(known) if known else None


def _interval(values: Sequence[float]) -> str:
    if not values:
        return NOTHING
    value, low, high = bootstrap.mean([values])
    # A single run has no interval.
    return f"{value:.3g}" if len(values) == 1 else f"{value:.3g} [{low:.3g}, {high:.3g}]"


def _short(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g}"


def _markdown(heads: Sequence[str], lines: Iterable[Sequence[str]], words: int = 2) -> str:
    ruler = [*["---"] * words, *["---:"] * (len(heads) - words)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ruler, *lines))


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command line."""

    rows: Path = RESULTS
    """File of result rows."""
    times: Path = TIMES
    """File of rows of times."""


def main(config: Config) -> None:
    """Prints all tables.

    Args:
        config: Options.

    Raises:
        ValueError: If the file has no rows.
    """
    rows = list(result_rows.read_rows(config.rows))
    if not rows:
        raise ValueError(
            f"got no rows in {config.rows}; run python -m experiments.founding_report first"
        )
    timed = list(result_rows.read_rows(config.times))
    tables = [scores(rows), differences(rows), sizes(rows), *([times(timed)] if timed else [])]
    print(*tables, sep="\n\n")


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
