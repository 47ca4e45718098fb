"""The table function of the report, the main tables of an experiment, and those of all."""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from experiments.report import document, load, scores, verdicts
from experiments.report.catalog import Experiment, Metric
from jax_s4rl.evaluation import documents
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


def section(
    title: str,
    rows: Sequence[T],
    by: Mapping[str, Column[T]],
    metrics: Mapping[str, Callable[[list[T]], document.Cell]] | None = None,
    *,
    left: int | None = None,
    note: str = "",
    **fields: object,
) -> list[document.Block]:
    """Makes a headline, a table like `table`, and a note under it; nothing without rows.

    Args:
        title: The headline.
        rows: The rows.
        by: Columns by their heads.
        metrics: Further columns, computed from all rows that agree in `by`.
        left: Number of leading columns that hold words.
        note: Name of a part of `notes.md`.
        **fields: Fields of the note.
    """
    if not rows:
        return []
    made = table(rows, by, metrics, left=left)
    return [document.Heading(title, 3), made, document.note(note, **fields)]


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
    groups, keys = columns(experiment), {}
    for metric in experiment.metrics:
        keys |= _keys(experiment.rows.scored, metric)
    lines = []
    for group in experiment.groups:
        for row in group.rows:
            metrics = row["metrics"]
            cells = {head: say(group) for head, say in groups.items()}
            cells |= {"data seed": str(metrics.get("data_seed", "-")), "seed": str(row["seed"])}
            for name in ("parameters", "updates"):
                cells[name] = "-" if row[name] is None else f"{row[name]:,}"
            for title, key in keys.items():
                cells[title] = document.number(metrics.get(key))
            cells["s to train"] = document.number(row["seconds"].get("train"))
            cells |= {"trial": str(metrics.get("cell", "-")), "commit": str(row["commit"])}
            lines.append(cells)
    shown = {head: operator.itemgetter(head) for head in lines[0]}
    return table(lines, shown, left=len(groups))


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
    rows, metric = experiment.rows.tuning, experiment.metrics[0]
    if not rows:
        return []
    # Runs beyond the grid chose nothing.
    grid = [row for row in rows if not load.variant(row).endswith(load.SAME_RATE)]
    points = list(dict.fromkeys(load.variant(row) for row in grid))
    words = [name for name in ("dataset", "tokens") if len({row[name] for row in rows}) > 1]

    def values(own: Sequence[load.Row], point: str) -> list[float]:
        return load.values((row for row in own if load.variant(row) == point), experiment.score)

    def show(own: list[load.Row], point: str) -> str:
        text = document.mean(values(own, point), metric.unit)
        runs = [values(own, each) for each in points]
        if not all(runs):
            return text
        ranks = [metric.factor * sum(each) / len(each) for each in runs]
        return f"**{text}**" if points[ranks.index(max(ranks))] == point else text

    def beyond(own: list[load.Row]) -> str:
        rows = (row for row in own if load.variant(row).endswith(load.SAME_RATE))
        return document.mean(load.values(rows, experiment.score), metric.unit)

    shown: dict[str, Callable[[list[load.Row]], document.Cell]] = {}
    for point in points:
        shown[point.removeprefix(load.TUNING)] = functools.partial(show, point=point)
    sets = (f"`{row['dataset']}`, data seed {row['metrics'].get('data_seed', 0)}" for row in rows)
    fields = {"score": experiment.score, "data": document.join(*sets), "runs": len(grid)}
    note = document.text("notes", "tuning", **fields, cost=duration(grid))
    if len(grid) < len(rows):
        shown[f"the best, {load.SAME_RATE}"] = beyond
        rate = optimizer.OptimizerConfig().state_space_learning_rate
        note += " " + document.text("notes", "tuning beyond the grid", rate=f"{rate:g}")
    by = {"tuning": lambda row: row["method"]}
    by |= {name: lambda row, name=name: str(row[name]) for name in words}
    return [document.Heading("Tuning", 3), table(rows, by, shown), document.Note(note)]


def duration(rows: Sequence[load.Row]) -> str:
    """Returns the time that runs took, as text."""
    spent = load.minutes(rows)
    return f"{spent / 60:.1f} hours" if spent >= 100 else f"{spent:.1f} minutes"


def _results(experiment: Experiment, name: str) -> document.Table:
    groups = [group for group in experiment.groups if group.data == name]
    rows = [row for group in groups for row in group.rows]
    data = frozenset(
        row["dataset"]
        for row in rows or experiment.rows.references
        if experiment.group_name(row["dataset"]) == name
    )
    words = {head: say for head, say in columns(experiment).items() if head != "data"}
    kind = f", {experiment.judged_by}" if experiment.metrics[0].kinds else ""
    ours: dict[str, Column[load.Group]] = {"runs": lambda group: _count(group, data)}
    exact: dict[str, Callable[[list[load.Row]], document.Cell]] = {}

    def add(metrics: Sequence[Metric]) -> None:
        """Adds columns of metrics; both ways of acting share one if it shows no interval."""
        for metric in metrics:
            keys = _keys(rows or experiment.rows.scored, metric)
            titles = {title: [key] for title, key in keys.items()}
            if keys and not metric.has_interval:
                titles = {metric.label + metric.in_unit: list(keys.values())}
            for title, own in titles.items():
                ours[title] = functools.partial(_pair, _show, keys=own, metric=metric)
                exact[title] = functools.partial(_pair, _exact, keys=own, metric=metric)

    add([experiment.metrics[0]._replace(has_interval=True)])
    if experiment.normalizes:
        title = f"normalized{kind}, %"
        ours[title] = lambda group: _normalized(experiment, group.rows)
        exact[title] = functools.partial(_normalized, experiment)
    if are_repeated(experiment.groups):
        for place, title in enumerate((f"lead over attention{kind}", "P(better)")):
            ours[title] = lambda group, place=place: _lead(experiment, group)[place]
            exact[title] = lambda own: "-"
    add(experiment.metrics[1:])
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


def _keys(rows: Sequence[load.Row], metric: Metric) -> dict[str, str]:
    """Returns the names in the rows that some run has, by the heads of their columns."""
    return {title: key for title, key in metric.keys.items() if load.values(rows, key)}


def _references(experiment: Experiment, data: frozenset[str]) -> dict[str, list[load.Row]]:
    """Returns the reference rows of some data sets, by method; of equal ones the last counts."""
    last = {(row["dataset"], row["method"]): row for row in experiment.rows.references}
    own = [row for row in last.values() if row["dataset"] in data]
    return load.group_by(own, lambda row: row["method"])


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
        return document.show(scores.middle(scaled) if scaled else None, "%")
    exact = {row["dataset"]: experiment.reference(row) for row in rows}
    values = {data: [factor * value] for data, value in exact.items() if value is not None}
    scaled = scores.normalize(experiment, values) or {}
    return document.mean([value for (value,) in scaled.values()], "%")


def _exact(rows: Sequence[load.Row], key: str, metric: Metric) -> str:
    values = [row["metrics"].get(key, row["metrics"].get(metric.name)) for row in rows]
    return document.mean([value for value in values if value is not None], metric.unit)


def _pair(show: Callable[..., str], rows: Any, keys: Sequence[str], metric: Metric) -> str:
    values = [show(rows, key, metric) for key in keys]
    return "-" if set(values) == {"-"} else " / ".join(values)


def _show(group: load.Group, key: str, metric: Metric) -> str:
    values = scores.strata(group.rows, key)
    if metric.has_interval or not values:
        return document.show(scores.middle(values), metric.unit)
    return document.number(scores.middle_value(values), metric.unit)


def _lead(experiment: Experiment, group: load.Group) -> tuple[str, str]:
    """Returns difference from attention and chance to beat it, as text."""
    other = scores.baseline(experiment, group)
    pair = scores.compare(experiment, group, other) if other else None
    if pair is None:
        return "-", "-"
    return _difference(pair), document.show(pair.score.improvement)


def comparisons(pairs: Sequence[scores.Comparison]) -> document.Table:
    """Shows comparisons with attention."""
    tones = {scores.AHEAD: document.GOOD, scores.BEHIND: document.BAD}

    def link(each: scores.Comparison) -> str:
        return f"[{each.experiment.title}](#{document.anchor(each.experiment.title)})"

    def badge(each: scores.Comparison) -> document.Badge:
        return document.Badge(each.outcome, tones.get(each.outcome, document.OPEN))

    def otherwise(each: scores.Comparison) -> str:
        kind = each.experiment.other_kind
        return f"{kind}: {each.otherwise.outcome}" if each.otherwise else "-"

    def middle(each: scores.Comparison, side: int) -> str:
        metric = each.experiment.metrics[0]
        runs = {
            data: [metric.factor * value for value in own] for data, own in each.pair[side].items()
        }
        return document.show(scores.middle(runs), metric.unit)

    return table(
        pairs,
        {
            "experiment": link,
            "setting": lambda each: each.experiment.setting_name(each.group),
            "mixer": "group.method",
            "against attention": badge,
            "score": lambda each: middle(each, 0),
            "score of attention": lambda each: middle(each, 1),
            "difference (plus is better)": _difference,
            "P(better)": lambda each: document.show(each.score.improvement),
            "runs": _runs,
            "greedy / sampled": otherwise,
        },
        left=4,
    )


def losses(pairs: Sequence[scores.Comparison]) -> list[document.Block]:
    """Shows where a mixer or attention is behind, and what becomes of it after one change."""
    lines: list[tuple[scores.Comparison, str, scores.Comparison | None]] = []
    for lost in filter(None, map(verdicts.of_loser, pairs)):
        tried = [(lost, f"{who}: {change}", again) for who, change, again in verdicts.changes(lost)]
        lines += tried or [(lost, "-", None)]
    return section(
        "Where a mixer is behind, and what changes it",
        lines,
        {
            "setting": lambda line: line[0].name,
            "who": lambda line: f"{line[0].group.method} behind {line[0].other.method}",
            "behind by": lambda line: _difference(line[0]),
            "runs": lambda line: _runs(line[0]),
            "changed": lambda line: line[1],
            "then": lambda line: _difference(line[2]) if line[2] else "-",
            "runs then": lambda line: _runs(line[2]) if line[2] else "-",
            "outcome": lambda line: line[2].outcome if line[2] else "-",
        },
        note="losses",
    )


def _difference(each: scores.Comparison) -> str:
    return document.show(each.score.interval, each.experiment.metrics[0].unit, signed=True)


def _runs(each: scores.Comparison) -> str:
    return ", ".join(map(str, each.score.runs))


def times(timed: Sequence[scores.Ratio]) -> document.Table:
    """Shows ratios of times of the benchmarks."""

    def milliseconds(each: scores.Ratio, side: int) -> str:
        return documents.milliseconds(each.rows[side]["seconds"]["median"])

    def of_minima(each: scores.Ratio) -> str:
        model, other = (row["seconds"]["minimum"] for row in each.rows)
        return f"{other / model:.2f}"

    return table(
        timed,
        {
            "compared": "pair",
            "at": lambda each: document.join(each.place, each.series),
            "ms, first": lambda each: milliseconds(each, 0),
            "ms, attention": lambda each: milliseconds(each, 1),
            "ratio of medians": lambda each: document.show_ratio(each.value, each.interval),
            "of minima": of_minima,
            "parameters, first": lambda each: f"{each.rows[0]['parameters']:,}",
            "parameters, attention": lambda each: f"{each.rows[1]['parameters']:,}",
        },
        left=2,
    )
