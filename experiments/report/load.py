"""Loads result rows: normalizes rows of all versions, sorts them by purpose, groups runs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from experiments import reproductions, tuning
from experiments.report import document
from jax_s4rl.evaluation import return_sweep

K = TypeVar("K")
T = TypeVar("T")
Row = dict[str, Any]
Setting = tuple[str, str, str | None, int | None]
"""Data, variant, tokens and context: what two compared methods have in common."""

MIXERS = ("attention", "s4d", "s4", "s5", "lstm")
# Evaluation episodes of the committed rows, unless an experiment names its own number.
EPISODES = 250
LOST, TAKEN_UP_BY = reproductions.LOST, reproductions.TAKEN_UP_BY
# Start of the variants of the tuning grid.
TUNING = "tuning: "
SAME_RATE = tuning.AS_FAST
GREEDY, SAMPLED = "greedy", "sampled"
# Methods that are not conditioned on a return.
UNCONDITIONED = {"bc", "percent_bc", "cql"}
# Decimals of metrics computed here, so that every machine shows the same.
DECIMALS = 6


class Rows(NamedTuple):
    """Rows of one experiment, each in one list.

    Attributes:
        scored: Trained runs that are reported.
        references: Scores that need no training, for instance of random play.
        tuning: Runs of the tuning grid.
        superseded: Runs of trials that were trained again with other settings, and of seeds that
            were run again.
    """

    scored: list[Row]
    references: list[Row]
    tuning: list[Row]
    superseded: list[Row]

    @property
    def trained(self) -> list[Row]:
        """All runs, whatever their purpose."""
        return [*self.scored, *self.tuning, *self.superseded]


class Group(NamedTuple):
    """All runs of one method in one setting.

    Attributes:
        method: Name of the method.
        data: Name of a group of data sets.
        variant: Name of the variant, empty for the main one.
        tokens: Layout of the tokens.
        context: Steps that the model saw in training.
        rows: The runs.
    """

    method: str
    data: str
    variant: str
    tokens: str | None
    context: int | None
    rows: list[Row]

    @property
    def setting(self) -> Setting:
        """What compared methods have in common."""
        return self[1:5]

    @property
    def name(self) -> str:
        """Method and variant."""
        return document.join(self.method, self.variant)

    @property
    def dataset(self) -> str:
        """Data set of the first run."""
        return self.rows[0]["dataset"]

    def values(self, key: str) -> list[Any]:
        """Values of a metric, of the runs that have it."""
        return values(self.rows, key)


def values(rows: Iterable[Row], key: str) -> list[Any]:
    """Returns the values of a metric, of the rows that have it."""
    return [value for row in rows if (value := row["metrics"].get(key)) is not None]


def variant(row: Row) -> str:
    """Returns what distinguishes a run from others of the same method and data."""
    return row["metrics"].get("variant") or ""


def with_metrics(row: Row, **metrics: object) -> Row:
    """Returns a copy of a row with further metrics."""
    return row | {"metrics": row["metrics"] | metrics}


def in_milliseconds(row: Row) -> Row:
    """Returns a row of times with milliseconds as metrics and the machine as variant."""
    times = {name: 1e3 * s for name, s in row["seconds"].items() if name.endswith("_median")}
    return with_metrics(row, **times, variant=row["machine"]) | {"seed": 0, "seconds": {}}


def with_control(row: Row) -> Row:
    """Returns a row with slope and rank correlation of achieved and target returns.

    They are computed anew from the means per target, over the targets that the data support, so
    that rows of all versions follow one rule.
    """
    metrics = dict(row["metrics"])
    for kind in (GREEDY, SAMPLED):
        achieved = metrics.get(f"achieved_{kind}")
        if achieved is None:
            continue
        for name in ("rank_correlation", "slope"):
            metrics.pop(f"{name}_{kind}", None)
        targets = zip(metrics["asked"], achieved, metrics["supported"], strict=True)
        # A target without a mean was never given to the model.
        pairs = [(target, mean) for target, mean, mark in targets if mark and mean is not None]
        if len(pairs) > 1:
            control = return_sweep.controllability(*np.asarray(pairs).T)
            metrics |= {
                f"slope_{kind}": round(control.slope, DECIMALS),
                f"rank_correlation_{kind}": round(control.rank_correlation, DECIMALS),
            }
    return row | {"metrics": metrics}


def of_umbrella(row: Row) -> Row:
    """Returns a row of umbrella length with the control of right first actions by targets."""
    achieved = {
        f"achieved_{kind}": row["metrics"][key]
        for kind in (GREEDY, SAMPLED)
        if (key := f"first_action_of_asked_{kind}") in row["metrics"]
    }
    return with_control(with_metrics(row, **achieved))


def of_key_to_door(row: Row) -> Row:
    """Returns a row of key-to-door with the door given the key, and target 0 if it was given."""
    metrics = dict(row["metrics"])
    if row["method"] in UNCONDITIONED:
        metrics = {name: each for name, each in metrics.items() if not name.startswith("target_0")}
    for kind in (GREEDY, SAMPLED):
        if metrics.get(f"key_{kind}"):
            metrics[f"door_given_key_{kind}"] = metrics[f"success_{kind}"] / metrics[f"key_{kind}"]
    return row | {"metrics": metrics}


def sort(rows: Iterable[Row]) -> Rows:
    """Sorts the rows of a file by purpose.

    A trial is known by its digest; of two that look alike to a reader, the later one counts, for
    it was trained with the settings of today. The earlier rows are kept as superseded.
    """
    by_purpose = Rows([], [], [], [])
    latest: dict[tuple, str | None] = {}
    last: dict[tuple, Row] = {}
    runs = []
    for row in rows:
        if row["seed"] is None:
            by_purpose.references.append(row)
            continue
        runs.append(row)
        latest[_trial(row)] = row["metrics"].get("cell")
        last[*_trial(row), *run(row)] = row
    for row in runs:
        digest, key = row["metrics"].get("cell"), _trial(row)
        if digest != latest[key] or last[*key, *run(row)] is not row:
            by_purpose.superseded.append(row)
        elif variant(row).startswith(TUNING):
            by_purpose.tuning.append(row)
        else:
            by_purpose.scored.append(row)
    return by_purpose


def group(rows: Iterable[Row], name_data: Callable[[str], str]) -> list[Group]:
    """Groups runs by method and setting: data and variants as they come, mixers first."""
    groups: dict[tuple, Group] = {}
    for row in rows:
        data = name_data(row["dataset"] or "")
        key = (row["method"], data, variant(row), row["tokens"], row["context_length"])
        groups.setdefault(key, Group(*key, [])).rows.append(row)
    data = list(dict.fromkeys(each.data for each in groups.values()))
    variants = list(dict.fromkeys(each.variant for each in groups.values()))

    def place(each: Group) -> tuple[int, int, int]:
        mixer = MIXERS.index(each.method) if each.method in MIXERS else len(MIXERS)
        return data.index(each.data), variants.index(each.variant), mixer

    return sorted(groups.values(), key=place)


def group_by(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Returns items by a key, keys and items as they come."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def distinguish(groups: Iterable[Group]) -> dict[Setting, str]:
    """Returns what distinguishes settings beyond data and variant, by setting.

    That is the context or the tokens if several occur with the same data and variant, else nothing.
    """
    names = {}
    for own in group_by(groups, lambda each: (each.data, each.variant)).values():
        contexts = {each.context for each in own} - {None}
        tokens = {each.tokens for each in own} - {None}
        for each in own:
            context = f"context {each.context}" if len(contexts) > 1 and each.context else ""
            layout = each.tokens or "" if len(tokens) > 1 else ""
            names[each.setting] = document.join(context, layout)
    return names


def recording(row: Row) -> tuple[str, int]:
    """Returns the data that a run learned from: a data set and the seed of its recording."""
    return row["dataset"] or "", row["metrics"].get("data_seed") or 0


def recordings(rows: Iterable[Row]) -> dict[str, dict[tuple[str, int], list[Row]]]:
    """Returns runs by data set, and by recording of it."""
    by_dataset = group_by(rows, lambda row: recording(row)[0])
    return {dataset: group_by(own, recording) for dataset, own in by_dataset.items()}


def in_common(one: Sequence[Row], other: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Returns the runs of two groups that learned from the same recordings."""
    shared = set(map(recording, one)) & set(map(recording, other))
    first, second = ([row for row in rows if recording(row) in shared] for rows in (one, other))
    return first, second


def minutes(rows: Sequence[Row]) -> float:
    """Returns the minutes that runs took; all seeds of a trial share one compilation."""
    own = sum(s for row in rows for name, s in row["seconds"].items() if name != "compile")
    shared = {
        (*_trial(row), row["metrics"].get("cell"), row["seconds"].get("compile", 0.0))
        for row in rows
    }
    return (own + sum(key[-1] for key in shared)) / 60


def run(row: Row) -> tuple[Any, ...]:
    """Returns the digest of the trial of a run, and its seed."""
    return row["metrics"].get("cell"), row["seed"]


def _trial(row: Row) -> tuple:
    return (*recording(row), row["method"], variant(row), row["tokens"], row["context_length"])


def latest_times(rows: Iterable[Row]) -> list[Row]:
    """Returns the rows of a benchmark; of equal trials the last counts."""
    return list({time_key(row): row for row in rows}.values())


def time_key(row: Row) -> tuple[Any, ...]:
    """Returns what identifies a timed trial."""
    names = ("machine", "method", "tokens", "context_length")
    return (*(row[name] for name in names), row["metrics"].get("batch"))
