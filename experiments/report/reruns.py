"""Committed rows beside the same runs trained again, some of them under other versions of JAX."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from experiments.report import document, load, tables
from experiments.report.catalog import Experiment

# Numbers of a row that depend on the speed of the machine; so do those with "seconds" in the name.
SPEEDS = {"updates_per_second", "milliseconds_per_call"}
# This version sums wrongly on CPU, and the committed rows were made with it.
HAZARDOUS = "0.10.2"
# A difference of two means has sqrt(2) times the error of one, for both draw their episodes.
QUANTILE = 1.96 * math.sqrt(2)


class Rerun(NamedTuple):
    """A run and the same run made again."""

    experiment: Experiment
    first: load.Row
    second: load.Row

    @property
    def is_same(self) -> bool:
        """Whether all numbers but times are the same to the last digit."""
        one, two = (
            {
                name: value
                for name, value in row["metrics"].items()
                if name not in SPEEDS and "seconds" not in name
            }
            for row in (self.first, self.second)
        )
        return one == two

    @property
    def difference(self) -> float | None:
        """Absolute difference of the scores."""
        one, two = (row["metrics"].get(self.experiment.score) for row in self[1:])
        return None if one is None or two is None else abs(two - one)

    @property
    def is_beyond_sampling(self) -> bool:
        """Whether the scores differ by more than 95 % of two evaluations of the same model do."""
        if self.difference is None:
            return False
        score, metrics = self.experiment.score, self.first["metrics"]
        spread = metrics.get(f"std_{score.rpartition('_')[2]}")
        if score.startswith("return") and spread is not None:
            return self.difference > QUANTILE * spread / math.sqrt(load.EPISODES)
        if not score.startswith("return") and 0 <= metrics[score] <= 1:
            variance = metrics[score] * (1 - metrics[score])
            return self.difference > QUANTILE * math.sqrt(variance / load.EPISODES)
        trial, trained = load.run(self.first)[0], self.experiment.rows.trained
        runs = load.values((row for row in trained if load.run(row)[0] == trial), score)
        return self.difference > max(runs) - min(runs)


def match(experiments: Sequence[Experiment], rows: Sequence[load.Row]) -> list[Rerun]:
    """Returns every committed run that was made again."""
    second = {(row["experiment"], *load.run(row)): row for row in rows}
    return [
        # The rows of an experiment are normalized already.
        Rerun(experiment, row, experiment.prepare(second[key]))
        for experiment in experiments
        for row in experiment.rows.trained
        if (key := (experiment.name, *load.run(row))) in second
    ]


def _largest(pairs: Sequence[Rerun]) -> str:
    differences = [pair.difference for pair in pairs if pair.difference is not None]
    unit = pairs[0].experiment.metrics[0].unit if pairs else ""
    return document.number(max(differences), unit) if differences else "-"


COUNTS: dict[str, Callable[[list[Rerun]], document.Cell]] = {
    "trials": lambda pairs: str(len({load.run(pair.first)[0] for pair in pairs})),
    "runs": lambda pairs: str(len(pairs)),
}
SHOWN: dict[str, Callable[[list[Rerun]], document.Cell]] = {
    "the same": lambda pairs: str(sum(pair.is_same for pair in pairs)),
    "largest difference of the score": _largest,
    "beyond sampling": lambda pairs: str(sum(pair.is_beyond_sampling for pair in pairs)),
}


def of_lost_commits(
    experiments: Sequence[Experiment], rows: Sequence[load.Row]
) -> list[document.Block]:
    """Shows the runs of lost commits that were made again, by experiment."""
    every = [row for experiment in experiments for row in experiment.rows.trained]
    lost = [row for row in every if row["commit"] in load.LOST]
    if not lost:
        return []
    pairs = [pair for pair in match(experiments, rows) if pair.first["commit"] in load.LOST]
    fields = {"lost": f"{len(lost):,}", "all": f"{len(every):,}", "commit": load.TAKEN_UP_BY}
    text = document.text("reruns", "lost commits", **fields)
    again = {
        "commits": document.join(*(str(row["commit"]) for row in rows)),
        "machines": document.join(*(row["machine"] for row in rows), by="; "),
    }
    text += " " + document.text("reruns", "reruns" if pairs else "none", **again)
    shown = COUNTS | dict(list(SHOWN.items())[:2])
    table = tables.table(pairs, {"experiment": "experiment.title"}, shown)
    content = [document.Paragraph(text), *([table] if pairs else [])]
    return [document.Fold("Trained again", content)]


def of_versions(
    experiments: Sequence[Experiment], rows: Sequence[load.Row]
) -> list[document.Block]:
    """Shows runs under a version that sums correctly, and under the old one on that machine.

    The latter separates what the version changes from what another processor changes.
    """
    clean = [row for row in rows if row["versions"]["jaxlib"] != HAZARDOUS]
    if not clean:
        return []
    against = match(experiments, clean)
    control = match(experiments, [row for row in rows if row["versions"]["jaxlib"] == HAZARDOUS])
    second = {(pair.experiment.name, *load.run(pair.first)): pair.second for pair in against}
    between = [
        Rerun(pair.experiment, pair.second, second[key])
        for pair in control
        if (key := (pair.experiment.name, *load.run(pair.first))) in second
    ]
    titles = ("against the rows", f"{HAZARDOUS} here against the rows", f"against {HAZARDOUS} here")
    versions = dict(zip(titles, (against, control, between), strict=True))
    head, lines = ["experiment", *COUNTS], []
    for title in titles:
        first, *others = SHOWN
        head += [f"{title}: {first}", *others]
    for experiment in experiments:
        own = [
            [pair for pair in every if pair.experiment is experiment] for every in versions.values()
        ]
        if own[0]:
            counts = [show(own[0]) for show in COUNTS.values()]
            shown = [show(pairs) for pairs in own for show in SHOWN.values()]
            lines.append([experiment.title, *counts, *shown])
    fields = {
        "version": ", ".join(sorted({row["versions"]["jaxlib"] for row in clean})),
        "machine": document.join(*(row["machine"] for row in clean), by="; "),
        "old": HAZARDOUS,
        "episodes": load.EPISODES,
        "runs": [len(pairs) for pairs in versions.values()],
        "same": [sum(pair.is_same for pair in pairs) for pairs in versions.values()],
        "beyond": [sum(p.is_beyond_sampling for p in pairs) for pairs in versions.values()],
    }
    names = ["versions", *["control"] * bool(control), "sampling"]
    # Targets are the highest return in the data, so another target shows that the data are others.
    others = [pair for pair in control if _target(pair.first) != _target(pair.second)]
    if others:
        fields |= {
            "dataset": others[0].first["dataset"],
            "here": f"{_target(others[0].second):g}",
            "there": f"{_target(others[0].first):g}",
        }
        names.insert(2, "data")
    text = " ".join(document.text("reruns", name, **fields) for name in names)
    return [
        document.Fold(
            "Trained again under another JAX",
            [document.Paragraph(text), document.Table(head, lines)],
        )
    ]


def _target(row: load.Row) -> Any:
    return row["metrics"].get("target")
