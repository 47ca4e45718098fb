"""Bars of systems: what each has to reach, whether it does, and the numbers that say so."""

import statistics
from collections.abc import Sequence

from experiments.report import comparisons, document, load, scores
from experiments.report.tasks import Bar, Task


def sentences(task: Task) -> list[str]:
    """Returns a sentence for each bar of a task: whether it is met, and by which numbers."""
    return [_sentence(task, bar) for bar in task.bars]


def _sentence(task: Task, bar: Bar) -> str:
    """Returns a bar, whether it is met, and the means by which it is judged.

    Of several points, those that miss it are named in place of the means.
    """
    known = {title: runs for title in bar.points if all(runs := _runs(task, bar, title))}
    missing = [title for title in bar.points if title not in known]
    missed = [title for title, runs in known.items() if not bar.is_met(runs)]
    verdict = "missed" if missed else "not measured" if missing else "met"
    start = f"Bar: {bar.text}: **{verdict}**"
    if len(bar.points) > 1:
        named = {"missed at": missed, "not measured at": missing}
        parts = [f"{how} {document.listed(titles)}" for how, titles in named.items() if titles]
        return f"{start} ({'; '.join(parts)})." if known and parts else f"{start}."
    numbers = [
        f"{comparisons.method_name(name)} {_mean(task, bar, values)}"
        for runs in known.values()
        for name, values in zip(bar.methods, runs, strict=True)
    ]
    return f"{start} ({', '.join(numbers)})." if numbers else f"{start}."


def _runs(task: Task, bar: Bar, title: str) -> list[list[float]]:
    """Returns the values of each method of a bar at a point; empty ones for what did not run."""
    point = next(point for point in task.points if point.title == title)
    methods = scores.every_method(task, point)
    metric = bar.metric or task.key(task.judged_by)
    return [
        [
            float(value)
            for rows in methods.get(name, {}).values()
            for value in load.values(rows, metric)
        ]
        for name in bar.methods
    ]


def _mean(task: Task, bar: Bar, values: Sequence[float]) -> str:
    """Returns a mean as text; few runs, which decide little, are counted."""
    mean = statistics.fmean(values)
    text = document.number(mean) if bar.metric else comparisons.say(task, mean)
    few = {1: " in one run", 2: " in two runs"}
    return text + few.get(len(values), "")
