"""Loads result rows: sorts them by purpose, groups runs, adds numbers that reports derive."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from experiments import reproductions, tuning

K = TypeVar("K")
T = TypeVar("T")
Row = dict[str, Any]

MIXERS = ("attention", "s4d", "s4", "s5", "lstm")
MEMORYLESS = "mlp"
# Evaluation episodes of the committed rows, unless an experiment names its own number.
EPISODES = 250
LOST, TAKEN_UP_BY = reproductions.LOST, reproductions.TAKEN_UP_BY
# Start of the variants of the tuning grid, and end of those that were tried beyond it.
TUNING = "tuning: "
SAME_RATE = tuning.AS_FAST
GREEDY, SAMPLED = "greedy", "sampled"
# Start of the variants of models that were tested with longer waits than those of their training.
LONGER = "tested with longer waits"
# Steps between key and door in these tests.
WAITS = (90, 300, 1_000, 4_000)
# Variant of models that were trained on rows of whole episodes, whose state is never cleared.
WHOLE_EPISODES = "whole episodes"
# Variant of models whose training was not changed.
AS_TRAINED = "as trained"
# Variant of models none of whose features remembers more than half a training row.
SHORT_MEMORY = "short memory"
# Ends of the name of the same trained attention, by the memory that it has while it acts.
WINDOW, WHOLE = "", ", whole history"
# Variant of attention with the published table of time steps, and steps of tests that are longer
# than training.
TIME_TABLE = "time table"
TESTED = (300, 1_000, 3_000)
# Data sets of fully observed twins, and those of the tasks that hide something; names of others
# differ in their end alone.
TWINS = {
    "cartpole/mixed": "masked_cartpole/mixed",
    "pendulum/replay": "masked_pendulum/replay",
    "minigrid_memory/shown": "minigrid_memory/mixed",
    "key_to_door/shown/random-1000": "key_to_door/hidden/random-1000",
}
# Updates of the published code of key-to-door.
PUBLISHED_UPDATES = 100_000
# Variants of models of the paper's size, by their tokens per step.
ONE_TOKEN, THREE_TOKENS = "concatenated", "interleaved"
# Scores of tasks that are not judged by their returns, by the start of their data sets.
SCORES = {"key_to_door/": "success", "random_walk/": "optimal_share"}


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
    """All runs of one method on one data set with one variant.

    Attributes:
        dataset: Name of the data set.
        variant: Name of the variant, empty for the main one.
        tokens: Layout of the tokens.
        context: Steps that the model saw in training.
        method: Name of the method.
        rows: The runs.
    """

    dataset: str
    variant: str
    tokens: str | None
    context: int | None
    method: str
    rows: list[Row]


def values(rows: Iterable[Row], key: str) -> list[Any]:
    """Returns the values of a metric, of the rows that have it."""
    return [value for row in rows if (value := row["metrics"].get(key)) is not None]


def variant(row: Row) -> str:
    """Returns what distinguishes a run from others of the same method and data."""
    return row["metrics"].get("variant") or ""


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


def group(rows: Iterable[Row]) -> list[Group]:
    """Groups runs by data set, variant, tokens, context and method, as they come."""
    groups: dict[tuple, Group] = {}
    for row in rows:
        fields = (row["tokens"], row["context_length"], row["method"])
        key = (row["dataset"] or "", variant(row), *fields)
        groups.setdefault(key, Group(*key, [])).rows.append(row)
    return list(groups.values())


def group_by(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Returns items by a key, keys and items as they come."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def recording(row: Row) -> tuple[str, int]:
    """Returns the data that a run learned from: a data set and the seed of its recording."""
    return row["dataset"] or "", row["metrics"].get("data_seed") or 0


def in_common(one: Sequence[Row], other: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Returns the runs of two groups that learned from recordings of the same seeds."""

    def seed(row: Row) -> int:
        return recording(row)[1]

    shared = set(map(seed, one)) & set(map(seed, other))
    first, second = ([row for row in rows if seed(row) in shared] for rows in (one, other))
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

    def trial(row: Row) -> tuple[Any, ...]:
        names = ("kind", "batch", "window")
        metrics = (row["metrics"].get(name) for name in names)
        return (row["machine"], row["method"], row["tokens"], row["context_length"], *metrics)

    return list({trial(row): row for row in rows}.values())


def with_metrics(row: Row, **metrics: object) -> Row:
    """Returns a copy of a row with further metrics."""
    return row | {"metrics": row["metrics"] | metrics}


def of_waits(row: Row) -> list[Row]:
    """Returns a row of key-to-door for each wait that its model was tested with, else none.

    The data set names the wait, and the method the memory of attention while it acts; attention
    without rotary positions has its own name.
    """
    if not variant(row).startswith(LONGER):
        return []
    positions = variant(row).removeprefix(LONGER)
    found = []
    for memory, key in ((WINDOW, "success"), (WHOLE, "success_whole")):
        named = row | {"method": row["method"] + positions + memory}
        found += _tests(named, "wait", key, WAITS, "wait")
    return found


def of_long_memory(row: Row) -> list[Row]:
    """Returns a row of long memory, with attention's table of time steps as a method."""
    if variant(row) != TIME_TABLE:
        return [row]
    return [with_metrics(row, variant="") | {"method": f"{row['method']}, {TIME_TABLE}"}]


def of_longer_tests(row: Row) -> list[Row]:
    """Returns a row of long memory for each length that its model was tested at, else none."""
    family = (row["dataset"] or "").partition("/")[0]
    return [] if variant(row) else _tests(row, family, "success", TESTED, "length")


def _tests(row: Row, name: str, key: str, places: Sequence[int], number: str) -> list[Row]:
    """Returns a row for each place that a model was tested at; the data set names the place."""
    found = []
    for place in places:
        pairs = ((f"success_{kind}", f"{key}_at_{place}_{kind}") for kind in (GREEDY, SAMPLED))
        values = {new: row["metrics"][old] for new, old in pairs if old in row["metrics"]}
        if values:
            kept = {name: row["metrics"].get(name) for name in ("cell", "data_seed")}
            metrics = kept | values | {number: place, "variant": ""}
            found.append(row | {"metrics": metrics, "dataset": f"{name} {place}"})
    return found


def of_twins(row: Row) -> list[Row]:
    """Returns a row of a task or of its fully observed twin under the task's data set.

    The variant says which of the two it was; other variants are left out.
    """
    dataset = row["dataset"] or ""
    if row["seed"] is None:
        return [row]
    hidden = TWINS.get(dataset, dataset.replace("/shown", "/random"))
    if variant(row):
        return []
    side = "shown" if hidden != dataset else "hidden"
    return [with_metrics(row, variant=side) | {"dataset": hidden}]


def of_paper_size(row: Row) -> list[Row]:
    """Returns a row of models of the paper's size with the score of its task as "score".

    The model without memory has one token per step alone, and stands beside those with three.
    """
    dataset = row["dataset"] or ""
    name = next((own for start, own in SCORES.items() if dataset.startswith(start)), "return")
    keys = {f"score_{kind}": row["metrics"].get(f"{name}_{kind}") for kind in (GREEDY, SAMPLED)}
    known = {key: value for key, value in keys.items() if value is not None}
    if not known and name in row["metrics"]:
        known = {"score": row["metrics"][name]}
    if row["method"] == MEMORYLESS and variant(row) == ONE_TOKEN:
        known["variant"] = THREE_TOKENS
    return [with_metrics(row, **known)]


def of_uniform(row: Row) -> list[Row]:
    """Returns a row of uniform batches with its percentage of the published updates."""
    if row["seed"] is None:
        return [row]
    return [with_metrics(row, updates_percent=100 * row["updates"] / PUBLISHED_UPDATES)]
