"""The table function of the report, and the main tables of an experiment made with it."""

import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from experiments.report import document, load, scores
from experiments.report.experiment import Experiment, Metric
from jax_s4rl.training import optimizer

T = TypeVar("T")
Column = str | Callable[[T], document.Cell]


def table(
    rows: Iterable[T],
    by: Mapping[str, Column[T]],
    metrics: Mapping[str, Callable[[list[T]], document.Cell]] | None = None,
    *,
    left: int | None = None,
) -> document.Table:
    """Makes a table of rows, groups of runs, comparisons or whatever columns are computed from.

    Args:
        rows: The rows; without metrics, each has a line of its own.
        by: Columns by their heads: names of attributes, or functions of a row.
        metrics: Further columns, computed from all rows that agree in `by`, which share a line.
        left: Number of leading columns that hold words; those of `by` without it.
    """
    words = [operator.attrgetter(word) if isinstance(word, str) else word for word in by.values()]
    lines: dict[object, list[T]] = {}
    for number, row in enumerate(rows):
        cells = tuple(word(row) for word in words)
        lines.setdefault((cells, number if metrics is None else 0), []).append(row)
    shown = (metrics or {}).values()
    body = [
        [*(word(own[0]) for word in words), *(show(own) for show in shown)]
        for own in lines.values()
    ]
    return document.Table([*by, *(metrics or {})], body, len(by) if left is None else left)


def results(experiment: Experiment) -> list[document.Block]:
    """Makes a table for each group of data sets: one line for each method, with intervals."""
    data = [group.data for group in experiment.groups]
    data += [experiment.group_name(row["dataset"]) for row in experiment.rows.references]
    names = dict.fromkeys(data)
    content: list[document.Block] = []
    for name in names:
        content += [document.Heading(name, 3)] if len(names) > 1 else []
        content.append(_results(experiment, name))
    return content


def are_repeated(groups: Sequence[load.Group]) -> bool:
    """Returns whether some group has several runs, so that groups can be compared."""
    return any(len(group.rows) > 1 for group in groups)


def every_run(experiment: Experiment) -> document.Table:
    """Makes a table with one line for each run, with its numbers as in the rows."""
    words, keys = columns(experiment), _keys(experiment.rows.scored, experiment.metrics)
    runs = [(group, row, row["metrics"]) for group in experiment.groups for row in group.rows]

    def count(run: tuple, name: str) -> str:
        return "-" if run[1][name] is None else f"{run[1][name]:,}"

    return table(
        runs,
        {head: lambda run, say=say: say(run[0]) for head, say in words.items()}
        | {
            "data seed": lambda run: str(run[2].get("data_seed", "-")),
            "seed": lambda run: str(run[1]["seed"]),
            "parameters": lambda run: count(run, "parameters"),
            "updates": lambda run: count(run, "updates"),
        }
        | {
            title: lambda run, key=key: scores.number(run[2].get(key))
            for title, (key, _) in keys.items()
        }
        | {
            "s to train": lambda run: scores.number(run[1]["seconds"].get("train")),
            "trial": lambda run: str(run[2].get("cell", "-")),
            "commit": lambda run: str(run[1]["commit"]),
        },
        left=len(words),
    )


def columns(experiment: Experiment) -> dict[str, Callable[[load.Group], str]]:
    """Returns what distinguishes groups, by the head of its column."""
    words: dict[str, Callable[[load.Group], str]] = {
        "data": lambda group: group.data,
        "method": lambda group: group.method,
        "variant": lambda group: group.variant or "-",
        "tokens": lambda group: group.tokens or "-",
        "context": lambda group: str(group.context or "-"),
    }
    differ = {
        name: {say(group) for group in experiment.groups} - {"-"} for name, say in words.items()
    }
    return {
        name: say
        for name, say in words.items()
        if name in ("data", "method")
        or len(differ[name]) > 1
        or (name == "variant" and differ[name])
    }


def tuning(experiment: Experiment) -> list[document.Block]:
    """Shows the grid that every mixer was tuned on, the best point in bold, and its cost."""
    rows = experiment.rows.tuning
    if not rows:
        return []
    metric = experiment.metrics[0]
    grid = [row for row in rows if not _is_beyond_grid(row)]
    points = list(dict.fromkeys(load.variant(row) for row in grid))
    words = [name for name in ("dataset", "tokens") if len({row[name] for row in rows}) > 1]

    def mean(own: Sequence[load.Row], point: str) -> float:
        values = load.values((row for row in own if load.variant(row) == point), experiment.score)
        return sum(values) / len(values) if values else math.nan

    def show(own: list[load.Row], point: str) -> str:
        text = scores.number(mean(own, point), metric.unit)
        ranks = [metric.factor * mean(own, each) for each in points]
        is_best = not any(map(math.isnan, ranks)) and points[ranks.index(max(ranks))] == point
        return f"**{text}**" if is_best else text

    shown: dict[str, Callable[[list[load.Row]], document.Cell]] = {}
    for point in points:
        shown[point.removeprefix(load.TUNING)] = functools.partial(show, point=point)
    if len(grid) < len(rows):
        shown[f"the best, {load.SAME_RATE}"] = lambda own: scores.mean(
            load.values(filter(_is_beyond_grid, own), experiment.score), metric.unit
        )
    sets = (f"`{row['dataset']}`, data seed {row['metrics'].get('data_seed', 0)}" for row in rows)
    fields = {"score": experiment.score, "data": document.join(*sets), "runs": len(grid)}
    notes = [document.text("notes", "tuning", **fields, cost=duration(grid))]
    if len(grid) < len(rows):
        rate = optimizer.OptimizerConfig().state_space_learning_rate
        notes.append(document.text("notes", "tuning beyond the grid", rate=f"{rate:g}"))
    by = {"tuning": lambda row: row["method"]}
    by |= {name: lambda row, name=name: str(row[name]) for name in words}
    grid_table = table(rows, by, shown)
    return [document.Heading("Tuning", 3), grid_table, document.Note(" ".join(notes))]


def duration(rows: Sequence[load.Row]) -> str:
    """Returns the time that runs took, as text."""
    spent = load.minutes(rows)
    return f"{spent / 60:.1f} hours" if spent >= 100 else f"{spent:.1f} minutes"


def _is_beyond_grid(row: load.Row) -> bool:
    """Returns whether a run on the tuning data chose nothing."""
    return load.variant(row).endswith(load.SAME_RATE)


def _results(experiment: Experiment, name: str) -> document.Table:
    groups = [group for group in experiment.groups if group.data == name]
    rows = [row for group in groups for row in group.rows]
    data = frozenset(
        row["dataset"]
        for row in rows or experiment.rows.references
        if experiment.group_name(row["dataset"]) == name
    )
    words = {head: say for head, say in columns(experiment).items() if head != "data"}
    score = _keys(rows or experiment.rows.scored, experiment.metrics[:1])
    others = _others(rows or experiment.rows.scored, experiment)
    kind = f", {experiment.judged_by}" if experiment.metrics[0].kinds else ""
    repeated = are_repeated(experiment.groups)
    lead = [f"lead over attention{kind}", "P(better)"] if repeated else []
    ours: dict[str, Column[load.Group]] = {"runs": lambda group: _count(group, data)}
    exact: dict[str, Callable[[list[load.Row]], document.Cell]] = {}
    for title, (key, metric) in score.items():
        ours[title] = functools.partial(scores.middle_of, key=key, unit=metric.unit)
        exact[title] = functools.partial(_exact, key=key, metric=metric)
    if experiment.normalizes:
        title = f"normalized{kind}, %"
        ours[title] = lambda group: _normalized(experiment, group.rows)
        exact[title] = functools.partial(_normalized, experiment)
    for place, title in enumerate(lead):
        ours[title] = lambda group, place=place: _lead(experiment, group)[place]
        exact[title] = lambda own: "-"
    for title, (keys, metric) in others.items():
        ours[title] = functools.partial(_pair, _show, keys=keys, metric=metric)
        exact[title] = functools.partial(_pair, _exact, keys=keys, metric=metric)
    lines = []
    whole: dict[str, list[document.Cell]] = {}
    for own in dict.fromkeys(
        [data, *(frozenset(r["dataset"] for r in group.rows) for group in groups)]
    ):
        for method, references in _references(experiment, own).items():
            numbers = [show(references) for show in exact.values()]
            # References of a part of the data sets are shown only where they differ.
            if numbers != whole.setdefault(method, numbers) or own == data:
                alone = f" on {experiment.short(*own)}" if len(own) == 1 < len(data) else ""
                count = _count_sets({row["dataset"] for row in references}, data) or "-"
                lines.append([method + alone, *["-"] * (len(words) - 1), count, *numbers])
    shown = table(groups, words | ours, left=len(words))
    return shown._replace(rows=[*lines, *shown.rows])


def _keys(rows: Sequence[load.Row], metrics: Sequence[Metric]) -> dict[str, tuple[str, Metric]]:
    """Returns the names in the rows that some run has, by the heads of their columns."""
    pairs = {title: (key, metric) for metric in metrics for title, key in metric.keys.items()}
    return {title: pair for title, pair in pairs.items() if load.values(rows, pair[0])}


def _others(
    rows: Sequence[load.Row], experiment: Experiment
) -> dict[str, tuple[list[str], Metric]]:
    """Returns the names in the rows of metrics beside the score; both ways share a column."""
    columns = {}
    for metric in experiment.metrics[1:]:
        keys = _keys(rows, [metric])
        if metric.has_interval:
            columns |= {title: ([key], metric) for title, (key, _) in keys.items()}
        elif keys:
            columns[metric.label + metric.in_unit] = [key for key, _ in keys.values()], metric
    return columns


def _references(experiment: Experiment, data: frozenset[str]) -> dict[str, list[load.Row]]:
    """Returns the reference rows of some data sets, by method; of equal ones the last counts."""
    last = {(row["dataset"], row["method"]): row for row in experiment.rows.references}
    by_method: dict[str, list[load.Row]] = {}
    for row in last.values():
        if row["dataset"] in data:
            by_method.setdefault(row["method"], []).append(row)
    return by_method


def _count_sets(own: set[str] | frozenset[str], data: frozenset[str]) -> str:
    """Returns the number of data sets of a line, if the group has several."""
    return "" if len(data) < 2 else f"{len(own)} data set{'s' if len(own) > 1 else ''}"


def _count(group: load.Group, data: frozenset[str]) -> str:
    own = {row["dataset"] for row in group.rows}
    recorded = {load.recording(row) for row in group.rows}
    sets = f"{len(recorded)} recordings" if len(recorded) > len(own) else _count_sets(own, data)
    return f"{len(group.rows)} ({sets})" if sets else str(len(group.rows))


def _normalized(experiment: Experiment, rows: Sequence[load.Row]) -> str:
    """Returns the score from 0 for random play to 100 for the optimum."""
    factor = experiment.metrics[0].factor
    if any(row["seed"] is not None for row in rows):
        runs = scores.strata(rows, experiment.score, factor)
        scaled = scores.normalize(experiment, runs) if runs else None
        return scores.show(scores.middle(scaled) if scaled else None, "%")
    exact = {row["dataset"]: experiment.reference(row) for row in rows}
    values = {data: [factor * value] for data, value in exact.items() if value is not None}
    scaled = scores.normalize(experiment, values) or {}
    return scores.mean([value for (value,) in scaled.values()], "%")


def _exact(rows: Sequence[load.Row], key: str, metric: Metric) -> str:
    values = [row["metrics"].get(key, row["metrics"].get(metric.name)) for row in rows]
    return scores.mean([value for value in values if value is not None], metric.unit)


def _pair(show: Callable[..., str], rows: Any, keys: Sequence[str], metric: Metric) -> str:
    values = [show(rows, key, metric) for key in keys]
    return "-" if set(values) == {"-"} else " / ".join(values)


def _show(group: load.Group, key: str, metric: Metric) -> str:
    values = scores.strata(group.rows, key)
    if metric.has_interval or not values:
        return scores.show(scores.middle(values), metric.unit)
    return scores.number(scores.middle_value(values), metric.unit)


def _lead(experiment: Experiment, group: load.Group) -> tuple[str, str]:
    """Returns difference from attention and chance to beat it, as text."""
    other = scores.baseline(experiment, group)
    pair = scores.compare(experiment, group, other) if other else None
    if pair is None:
        return "-", "-"
    unit = experiment.metrics[0].unit
    return scores.show(pair.score.interval, unit, signed=True), scores.show(pair.score.improvement)
