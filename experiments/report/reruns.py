"""Committed rows beside the same runs trained again, some of them under other versions of JAX."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from experiments.report import document, load, scores, tables
from experiments.report.experiment import Experiment

# Numbers of a row that depend on the speed of the machine; so do those with "seconds" in the name.
TIMES = {"updates_per_second", "milliseconds_per_call"}
# This version sums wrongly on CPU, and the committed rows were made with it.
HAZARDOUS = "0.10.2"
# A difference of two means has sqrt(2) times the error of one, for both draw their episodes.
QUANTILE = 1.96 * math.sqrt(2)


class Pair(NamedTuple):
    """A run and the same run made again."""

    experiment: Experiment
    first: load.Row
    second: load.Row

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies the run."""
        return self.experiment.name, *load.run(self.first)

    @property
    def is_same(self) -> bool:
        """Whether all numbers but times are the same to the last digit."""
        return _numbers(self.first) == _numbers(self.second)

    @property
    def difference(self) -> float | None:
        """Absolute difference of the scores."""
        one, two = (row["metrics"].get(self.experiment.score) for row in self[1:])
        return None if one is None or two is None else abs(two - one)

    @property
    def is_beyond_sampling(self) -> bool:
        """Whether the scores differ by more than 95 % of two evaluations of the same model do."""
        return self.difference is not None and self.difference > self._sampling()

    def _sampling(self) -> float:
        score, metrics = self.experiment.score, self.first["metrics"]
        spread = metrics.get(f"std_{score.rpartition('_')[2]}")
        if score.startswith("return") and spread is not None:
            return QUANTILE * spread / math.sqrt(load.EPISODES)
        if not score.startswith("return") and 0 <= metrics[score] <= 1:
            return QUANTILE * math.sqrt(metrics[score] * (1 - metrics[score]) / load.EPISODES)
        trained = self.experiment.rows.trained
        runs = load.values((r for r in trained if load.run(r)[0] == self.key[1]), score)
        return max(runs) - min(runs)


def match(experiments: Sequence[Experiment], rows: Sequence[load.Row]) -> list[Pair]:
    """Returns every committed run that was made again."""
    second = {(row["experiment"], *load.run(row)): row for row in rows}
    return [
        # The rows of an experiment are normalized already.
        Pair(experiment, row, experiment.normalize(second[key]))
        for experiment in experiments
        for row in experiment.rows.trained
        if (key := (experiment.name, *load.run(row))) in second
    ]


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
    again = {
        "commits": document.join(*(str(row["commit"]) for row in rows)),
        "machines": document.join(*(row["machine"] for row in rows), by="; "),
    }
    text = document.text("reruns", "lost commits", **fields)
    more = document.text("reruns", "reruns" if pairs else "none", **again)
    shown = dict(list(SHOWN.items())[:2])
    table = tables.table(pairs, BY, COUNTS | shown)
    content = [document.Paragraph(f"{text} {more}"), *([table] if pairs else [])]
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
    second = {pair.key: pair.second for pair in against}
    between = [
        Pair(pair.experiment, pair.second, second[pair.key])
        for pair in control
        if pair.key in second
    ]
    versions = (against, control, between)
    titles = ("against the rows", f"{HAZARDOUS} here against the rows", f"against {HAZARDOUS} here")
    head, lines = ["experiment", *COUNTS], []
    for title in titles:
        first, *others = SHOWN
        head += [f"{title}: {first}", *others]
    for experiment in experiments:
        own = [[pair for pair in pairs if pair.experiment is experiment] for pairs in versions]
        if own[0]:
            line = [experiment.title, *(show(own[0]) for show in COUNTS.values())]
            for pairs in own:
                line += [show(pairs) for show in SHOWN.values()]
            lines.append(line)
    content = [document.Paragraph(_text(versions, clean)), document.Table(head, lines)]
    return [document.Fold("Trained again under another JAX", content)]


def _text(versions: Sequence[Sequence[Pair]], clean: Sequence[load.Row]) -> str:
    fields = {
        "version": ", ".join(sorted({row["versions"]["jaxlib"] for row in clean})),
        "machine": document.join(*(row["machine"] for row in clean), by="; "),
        "old": HAZARDOUS,
        "episodes": load.EPISODES,
        "runs": list(map(len, versions)),
        "same": [sum(pair.is_same for pair in pairs) for pairs in versions],
        "beyond": [sum(pair.is_beyond_sampling for pair in pairs) for pairs in versions],
    }
    names = ["versions", *["control"] * bool(versions[1]), "sampling"]
    return " ".join(document.text("reruns", name, **fields) for name in names)


def _largest(pairs: Sequence[Pair]) -> str:
    differences = [pair.difference for pair in pairs if pair.difference is not None]
    unit = pairs[0].experiment.metrics[0].unit if pairs else ""
    return scores.number(max(differences), unit) if differences else "-"


Column = Callable[[list[Pair]], document.Cell]
BY: dict[str, tables.Column[Pair]] = {"experiment": "experiment.title"}
COUNTS: dict[str, Column] = {
    "trials": lambda pairs: str(len({pair.key[1] for pair in pairs})),
    "runs": lambda pairs: str(len(pairs)),
}
SHOWN: dict[str, Column] = {
    "the same": lambda pairs: str(sum(pair.is_same for pair in pairs)),
    "largest difference of the score": _largest,
    "beyond sampling": lambda pairs: str(sum(pair.is_beyond_sampling for pair in pairs)),
}


def _numbers(row: load.Row) -> dict[str, Any]:
    return {
        name: value
        for name, value in row["metrics"].items()
        if name not in TIMES and "seconds" not in name
    }
