"""The full tables of the report, as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.report import comparisons, load, scores
from experiments.report.comparisons import Measured
from experiments.report.tasks import BOTH, Question, Task, fits

# Numbers of a row that describe its run and are no result.
NO_RESULTS = {
    "variant",
    "cell",
    "data_seed",
    "exact",
    "tokens",
    "target",
    "target_tenth",
    "length",
    "updates_per_second",
    "milliseconds_per_call",
    "episodes_at_once",
}
DIGITS = 6


def csv_of(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Writes a table as CSV: numbers with six significant digits, unknown ones empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue()


def _plain(value: Any) -> Any:
    is_number = isinstance(value, float)
    if value is None or (is_number and value != value):
        return ""
    return f"{value:.{DIGITS}g}" if is_number else value


def runs_csv(rows: Sequence[load.Row], tasks: Sequence[Task]) -> str:
    """Writes all groups of runs of an experiment: scores, comparisons, means of all metrics.

    Args:
        rows: The rows of its file.
        tasks: The tasks that read it; the first that fits a data set gives its score.
    """
    every = load.sort(rows)
    groups = load.group([*every.references, *every.scored])
    names = sorted({name for row in rows for name in _results(row)})
    head = ["dataset", "variant", "tokens", "context", "method", "runs", "parameters", "updates"]
    for kind in BOTH:
        numbers = ("mean", "iqm", "low", "high", "difference", "difference_low", "difference_high")
        head += [f"{number}_{kind}" for number in (*numbers, "p_better", "outcome")]
    lines = [
        [
            *group[:4],
            group.method,
            *_about(group),
            *_judged(group, groups, tasks),
            *_means(group, names),
        ]
        for group in groups
    ]
    return csv_of([*head, *names], lines)


def _results(row: load.Row) -> list[str]:
    """Returns the names of the numbers of a row that are results."""
    return [
        name
        for name, value in row["metrics"].items()
        if isinstance(value, int | float) and name not in NO_RESULTS
    ]


def _about(group: load.Group) -> list[Any]:
    row = group.rows[-1]
    return [len(group.rows), row["parameters"], row["updates"]]


def _means(group: load.Group, names: Sequence[str]) -> list[float | None]:
    every = [load.values(group.rows, name) for name in names]
    return [float(sum(own) / len(own)) if own else None for own in every]


def _judged(
    group: load.Group, groups: Sequence[load.Group], tasks: Sequence[Task]
) -> list[float | str | None]:
    """Returns score and comparison with attention of the same setting, greedy and sampled."""
    task = next((task for task in tasks if _reads(task, group.dataset)), None)
    cells: list[float | str | None] = []
    for kind in BOTH:
        values = scores.runs(group.rows, task.key(kind)) if task else []
        if not task or not values:
            cells += [None] * 9
            continue
        mean, middle = scores.mean([values]), scores.middle([values])
        assert mean is not None
        assert middle is not None
        cells += [mean.value, middle.value, mean.low, mean.high]
        other = _attention(task, group, groups)
        difference = None
        if other and group.method != scores.ATTENTION:
            difference = scores.compare(task, {"": group.rows}, {"": other}, kind)
        if difference:
            cells += [*difference.gain, difference.chance.value, difference.outcome]
        else:
            cells += [None] * 5
    return cells


def _attention(task: Task, group: load.Group, groups: Sequence[load.Group]) -> list[load.Row]:
    """Returns the runs of attention that a group is measured by.

    They are those of the same setting; a baseline is measured by the variant of its task.
    """
    point = next(point for point in task.points if fits(group.dataset, point.data))
    for other in groups:
        if other.method != scores.ATTENTION or other.dataset != group.dataset:
            continue
        is_baseline = group.method in scores.BASELINES
        if other[:4] == group[:4] or (is_baseline and other.variant == point.variant):
            return other.rows
    return []


def _reads(task: Task, dataset: str) -> bool:
    return any(fits(dataset, point.data) for point in task.points)


def verdicts_csv(measured: Measured) -> str:
    """Writes every comparison behind the claims."""
    head = ["task", "setting", "method", "against", "actions", "judged_by", "counts", "gain"]
    head += ["low", "high", "p_better", "runs", "other_runs", "outcome"]
    lines = [
        [
            *(pair.task.name, pair.setting.title, pair.method, pair.other, kind),
            *(kind == pair.task.judged_by, pair.counts, *each.gain, each.chance.value),
            *(*each.runs, each.outcome),
        ]
        for pair in measured.judged
        for kind, each in pair.by_kind.items()
    ]
    return csv_of(head, lines)


def tuning_csv(rows: Mapping[str, Sequence[load.Row]], tasks: Sequence[Task]) -> str:
    """Writes the tuning grids of all experiments: the mean score of every point."""
    lines = []
    for name, own in rows.items():
        task = next((task for task in tasks if task.file == name), None)
        for group in load.group(load.sort(own).tuning) if task else ():
            point = group.variant.removeprefix(load.TUNING)
            for kind in BOTH:
                values = load.values(group.rows, task.key(kind)) if task else []
                if values:
                    mean = float(sum(values) / len(values))
                    lines.append(
                        [
                            name,
                            group.dataset,
                            group.method,
                            group.tokens,
                            point,
                            kind,
                            len(values),
                            mean,
                        ]
                    )
    head = ["experiment", "dataset", "method", "tokens", "point", "actions", "runs", "mean"]
    return csv_of(head, lines)


def choices_csv(questions: Iterable[Question]) -> str:
    """Writes both sides of every single choice, and their difference."""
    head = ["choice", "first", "second", "dataset", "context", "method", "actions"]
    head += ["mean_first", "mean_second", "gain", "low", "high", "p_better", "outcome"]
    lines = [
        [
            *(question.name, question.first.title, question.second.title),
            *(answer.dataset, answer.context, answer.method, kind, *answer.sides[kind]),
            *(*each.gain, each.chance.value, each.outcome),
        ]
        for question in questions
        for answer in comparisons.answers(question)
        for kind, each in answer.by_kind.items()
    ]
    return csv_of(head, lines)
