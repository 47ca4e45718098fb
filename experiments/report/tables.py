"""Tables of the report, of at most eight columns."""

import functools
import itertools
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from experiments import methods, twins
from experiments.report import comparisons, document, doors, load, scores, verdicts
from experiments.report.comparisons import Measured
from experiments.report.doors import BALANCED, SIZES
from experiments.report.tasks import BOTH, Point, Question, Task

T = TypeVar("T")
Column = str | Callable[[T], document.Cell]

# Order of methods in tables; others follow as they come.
ORDER = tuple(methods.METHODS)
# Lines of scores that need no training, by their names in the rows.
REFERENCES = {"lookup": "lookup", "random": "random play", "optimal": "optimum"}
# What hiding costs a method, and what its memory gains where nothing is hidden.
COST, GAIN = "shown minus hidden", "shown, minus mlp"
# Hours of one core that experiments were expected to take, written down before they began.
PLANNED = {
    "carried_state": 1.0,
    "long_memory": 12.0,
    "founding_report": 11.0,
    "online_budget": 1.0,
    "hidden_state": 10.0,
    "locomotion": 7.0,
    "paper_size": 6.0,
    "uniform_batches": 5.5,
}


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


def of_task(task: Task) -> document.Table:
    """Shows the scores of all methods, a column for each point; the best of each is bold."""
    points = [point for each in task.settings if each.is_shown for point in each.points]
    points = [point for point in points if scores.methods_at(task, point)]
    columns = {point.title: _column(task, point) for point in points}
    names = list(dict.fromkeys(name for own in columns.values() for name in own))
    lines = sorted(names, key=place)
    rows = [[_title(name), *(own.get(name, "-") for own in columns.values())] for name in lines]
    return document.Table([f"{task.label}, {' / '.join(task.kinds)}", *columns], rows)


def _column(task: Task, point: Point) -> dict[str, str]:
    """Returns the cells of a point by method; baselines may lack some of its data."""
    methods = scores.every_method(task, point)
    most = max(map(len, methods.values()))
    methods = {
        name: own for name, own in methods.items() if len(own) == most or name in scores.BASELINES
    }
    values = {
        name: [scores.score(task, own, kind) for kind in task.kinds]
        for name, own in methods.items()
    }
    datasets = {row["dataset"] for own in methods.values() for rows in own.values() for row in rows}
    for name in REFERENCES:
        exact = [_exact(task, name, datasets, kind) for kind in task.kinds]
        if None not in exact:
            values[name] = exact
    kind = task.kind_of(next(iter(methods.values())))
    judged = list(task.kinds).index(kind)
    partial = {name: len(own) for name, own in methods.items() if len(own) < most}
    tried = {
        name: own[judged]
        for name, own in values.items()
        if name not in ("random", "optimal", *partial)
    }
    best = max(value for value in tried.values() if value is not None)
    cells = {}
    for name, own in values.items():
        text = _bold(_both(task, name, own), tried.get(name) == best)
        cells[name] = text + (f" ({partial[name]} of {most})" if name in partial else "")
    return cells


def _exact(task: Task, name: str, datasets: Iterable[str], kind: str) -> float | None:
    """Returns the mean score of a method without training; None if it lacks one of the data."""
    every = [task.reference(name, each, kind) for each in datasets]
    known = [value for value in every if value is not None]
    return sum(known) / len(known) if len(known) == len(every) else None


def _both(task: Task, method: str, values: Sequence[float | None]) -> str:
    """Returns the scores of all ways of choosing actions; an exact score is the same for all."""
    texts = [comparisons.show(task, value) for value in values]
    is_one = method in REFERENCES and len(set(texts)) == 1
    return texts[0] if is_one else " / ".join(texts)


def _bold(text: str, is_bold: bool) -> str:
    return f"**{text}**" if is_bold else text


def beside(task: Task) -> list[document.Table]:
    """Returns the tables that a page has beside that of the scores."""
    spreads = itertools.starmap(functools.partial(_of_spread, task), task.spreads.items())
    return [*_of_further(task), *filter(lambda made: made.rows, spreads), *_of_twins(task)]


def _of_further(task: Task) -> list[document.Table]:
    """Shows the means of the further metrics of a task, for methods that have some of them."""
    lines = []
    for point in task.points:
        runs = _runs_at(task, point)
        for name in sorted(runs, key=place):
            values = [load.values(runs[name], metric) for metric in task.further.values()]
            if any(values):
                means = [document.number(statistics.fmean(own)) if own else "-" for own in values]
                lines.append([point.title, _title(name), *means])
    return [document.Table(["setting", "method", *task.further], lines, 2)] if lines else []


def _of_spread(task: Task, title: str, metric: str) -> document.Table:
    """Shows a metric with the least and the most of the runs, a column for each point."""
    columns: dict[str, dict[str, str]] = {}
    for point in task.points:
        values = {
            name: list(map(float, load.values(runs, metric)))
            for name, runs in _runs_at(task, point).items()
        }
        known = {name: document.spread(own) for name, own in values.items() if own}
        if known:
            columns[point.title] = known
    names = sorted({name for own in columns.values() for name in own}, key=place)
    lines = [[_title(name), *(own.get(name, "-") for own in columns.values())] for name in names]
    return document.Table([title, *columns], lines)


def _runs_at(task: Task, point: Point) -> dict[str, list[load.Row]]:
    """Returns the runs at a point by method."""
    methods = scores.every_method(task, point)
    return {
        name: [row for own in strata.values() for row in own] for name, strata in methods.items()
    }


def _of_twins(task: Task) -> list[document.Table]:
    """Shows what hiding costs methods, and what a memory gains where nothing is hidden.

    One twin has a column of either with the least and the most of the runs, each of several a
    column of the means of both.
    """
    columns: dict[str, dict[str, str]] = {}
    for title, pair in task.twins.items():
        gaps, biases = _costs(task, pair)
        if len(task.twins) == 1:
            for head, own in ((COST, gaps), (GAIN, biases)):
                columns[head] = {name: document.spread(own[name], task.unit) for name in own}
        elif gaps:
            columns[title] = {
                name: " / ".join(
                    document.number(statistics.mean(own[name]) if name in own else None, task.unit)
                    for own in (gaps, biases)
                )
                for name in gaps
            }
    names = sorted({name for own in columns.values() for name in own}, key=place)
    lines = [[_title(name), *(own.get(name, "-") for own in columns.values())] for name in names]
    head = "method" if len(task.twins) == 1 else f"{COST} / {GAIN}"
    return [document.Table([head, *columns], lines)] if lines else []


def _costs(task: Task, pair: twins.Pair) -> list[dict[str, list[float]]]:
    """Returns the observability gaps and the memory biases of each method."""
    rows = [row for row in task.rows.scored if row["dataset"] in pair]
    metric = task.key(task.kind_of({"": rows}))
    return [
        {
            method: values
            for (method, variant), values in cost(rows, pair, metric).items()
            if not variant
        }
        for cost in (twins.observability_gaps, twins.memory_biases)
    ]


def place(method: str) -> tuple[int, str]:
    """Returns the place of a method in tables and pictures: mixers, baselines, references."""
    if method in REFERENCES:
        return len(ORDER) + 1 + list(REFERENCES).index(method), ""
    first = method.partition(",")[0]
    return ORDER.index(first) if first in ORDER else len(ORDER), method


def _title(method: str) -> str:
    return REFERENCES.get(method) or comparisons.method_name(method)


def of_doors(measured: Measured) -> document.Table:
    """Shows the published key-to-door table beside ours, with lookup and without memory."""
    task = measured.task("key_to_door")
    points = dict(zip(SIZES, task.settings[0].points, strict=True))
    published = dict(verdicts.PUBLISHED.values())
    uniform, variants = doors.uniform(task, measured.task(doors.UNIFORM_BATCHES.name))
    lines: list[tuple[str, str, Task, Mapping[str, str]]] = [
        ("attention, balanced batches", scores.ATTENTION, task, dict.fromkeys(SIZES, BALANCED)),
        ("attention, uniform batches", scores.ATTENTION, uniform, variants),
    ]
    others = ("s4", "s4d", "lstm", load.MEMORYLESS, "percent_bc", "bc", "cql")
    lines += [(_title(method), method, task, {}) for method in others]
    chosen = {size: _best_variant(task, point, "cql") for size, point in points.items()}
    lines += [("CQL, weight chosen by score", "cql", task, chosen)]
    lines += [(_title(method), method, task, {}) for method in ("lookup", "random")]
    rows = []
    for title, method, source, variants in lines:
        cells = []
        for size, point in points.items():
            number = published.get(method, {}).get(size)
            cells.append("-" if number is None else f"{number:.1f}")
            strata = scores.methods_at(task, point).get(method, {})
            if variants:
                strata = scores.at_point(source, point, method, variants[size])
            for kind in BOTH:
                value: Any = scores.mean(scores.runs(r, task.key(kind)) for r in strata.values())
                if method in REFERENCES:
                    exact = task.reference(method, SIZES[size], kind)
                    cells.append(document.number(exact, task.unit))
                else:
                    cells.append(document.show(value, task.unit))
        rows.append([title, *cells])
    head = [f"{part}, {size}" for size in SIZES for part in ("published", "greedy", "sampled")]
    return document.Table(["success, %", *head], rows)


def _best_variant(task: Task, point: Point, method: str) -> str:
    """Returns the variant of the best mean score at a point; empty if there is none."""
    own = [row for row in task.rows.scored if row["method"] == method]
    found = {}
    for variant in dict.fromkeys(map(load.variant, own)):
        value = comparisons.score(task, scores.at_point(task, point, method, variant))
        if value is not None:
            found[variant] = value
    return max(found, key=lambda name: found[name], default="")


def of_choices(questions: Iterable[Question]) -> document.Table:
    """Shows what single choices change: a line for each question and data set.

    A cell holds the differences that matter on the common scale, in percent; those that have an
    outcome of better or worse are bold.
    """
    lines = [
        (question, answer) for question in questions for answer in comparisons.answers(question)
    ]
    made = table(
        lines,
        {
            "choice": lambda line: line[0].title,
            "data": lambda line: line[1].dataset,
            "context": lambda line: str(line[1].context or "-"),
        },
        {kind: functools.partial(_changes, kind=kind) for kind in BOTH},
    )
    titles = [row[0] for row in made.rows]
    # A title stands once, above the data sets that follow.
    rows = [
        ["" if number and titles[number - 1] == row[0] else row[0], *row[1:]]
        for number, row in enumerate(made.rows)
    ]
    return made._replace(rows=rows)


def _changes(lines: Sequence[tuple[Question, comparisons.Answer]], kind: str) -> str:
    texts = []
    known = [(answer, answer.by_kind[kind]) for _, answer in lines if kind in answer.by_kind]
    for answer, difference in known:
        if abs(difference.gain.value) >= scores.MATTERS:
            text = f"{comparisons.method_name(answer.method)} {100 * difference.gain.value:+.0f}"
            texts.append(_bold(text, difference.outcome in (scores.BETTER, scores.WORSE)))
    return ", ".join(texts) or ("none" if known else "-")


def of_counts(measured: Measured) -> document.Table:
    """Counts the outcomes against attention, greedy and sampled, in settings that count."""
    rows = []
    for method in comparisons.COMPARED:
        pairs = measured.of(method)
        if not pairs:
            continue
        cells = []
        for outcome in scores.OUTCOMES:
            counts = []
            for kind in BOTH:
                found = [pair.by_kind[kind].outcome for pair in pairs if kind in pair.by_kind]
                counts.append(str(found.count(outcome)))
            cells.append(" / ".join(counts))
        rows.append([_title(method), *cells])
    return document.Table(["against attention, greedy / sampled", *scores.OUTCOMES], rows)


def of_carried(measured: Measured) -> document.Table:
    """Shows what changes of the training do to acting from a carried state."""
    tests = comparisons.carried_tests(measured)
    names = sorted({name for _, _, _, known in tests for name in known}, key=place)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for title, task, change, known in tests:
        if title == comparisons.CLEARED and change != load.AS_TRAINED:
            continue  # the full table has what the changes do where nothing is carried
        cells = {name: document.show(scores.mean([own]), task.unit) for name, own in known.items()}
        rows[title, change] = cells
    body = [[*key, *(cells.get(name, "-") for name in names)] for key, cells in rows.items()]
    return document.Table(["test", "training", *map(_title, names)], body, left=2)


def of_hours(rows: Mapping[str, Sequence[load.Row]]) -> document.Table:
    """Shows the hours that experiments were expected to take, and those that they took so far."""
    found = []
    for name, planned in PLANNED.items():
        if trained := [row for row in rows.get(name, ()) if row["seed"] is not None]:
            took = document.number(load.minutes(trained) / 60)
            found.append([name, document.number(planned), took])
    return document.Table(["experiment", "hours of a core, planned", "so far"], found)


def of_claims(claims: Sequence[verdicts.Claim]) -> document.Table:
    """Shows the claims with their verdicts."""
    columns: dict[str, Column[verdicts.Claim]] = {
        "claim": "text",
        "verdict": "badge",
        "numbers": "numbers",
    }
    return table(claims, columns)
