"""Sorts the result lines of an experiment, and groups them into the arms of its tables."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from experiments import suites, tuning

Row = dict[str, Any]


class Lines(NamedTuple):
    """The lines of one experiment, each in one list.

    Attributes:
      scored: trained runs that are reported.
      references: what needs no training, for instance random play.
      tuning: runs of the tuning grid.
      superseded: runs of cells that were trained again with other settings, or of seeds that were run again.
    """

    scored: list[Row]
    references: list[Row]
    tuning: list[Row]
    superseded: list[Row]

    @property
    def trained(self) -> list[Row]:
        """All runs, whatever they are for."""
        return [*self.scored, *self.tuning, *self.superseded]


class Setting(NamedTuple):
    """What methods have in common that are compared.

    Attributes:
      data: name of a group of data sets.
      variant: as in the lines.
      tokens: as in the lines.
      context: steps that the model sees in training.
    """

    data: str
    variant: str = ""
    tokens: str | None = None
    context: int | None = None

    @property
    def name(self) -> str:
        """Data and variant."""
        return join(self.data, self.variant)


class Arm(NamedTuple):
    """One method in one setting.

    Attributes:
      method: as in the lines.
      setting: what it was trained on, and how.
      rows: its runs.
    """

    method: str
    setting: Setting
    rows: list[Row]

    @property
    def name(self) -> str:
        """Method and variant."""
        return join(self.method, self.setting.variant)


def join(*parts: str) -> str:
    """Parts of a name that are not empty."""
    return ", ".join(part for part in parts if part)


def sort(rows: Iterable[Row]) -> Lines:
    """Sorts lines by what they are.

    A cell is known by its digest; of two that differ in nothing that a reader sees, the later one counts, for it was
    trained with the settings of today. No line is dropped: the earlier ones stand under `superseded`.

    Args:
      rows: lines of one experiment, in the order of their file.

    Returns:
      The lines.
    """
    found = Lines([], [], [], [])
    latest: dict[tuple, str | None] = {}
    last: dict[tuple, Row] = {}
    runs = []
    for row in rows:
        if row["seed"] is None:
            found.references.append(row)
            continue
        runs.append(row)
        latest[_cell(row)] = row["metrics"].get("cell")
        last[_run(row)] = row
    for row in runs:
        if row["metrics"].get("cell") != latest[_cell(row)] or last[_run(row)] is not row:
            found.superseded.append(row)
        elif variant(row).startswith(tuning.TITLE):
            found.tuning.append(row)
        else:
            found.scored.append(row)
    return found


def arms(rows: Iterable[Row], group: Callable[[str], str]) -> list[Arm]:
    """Groups runs by method and setting: data and variants in the order in which they come, in each mixers first.

    Args:
      rows: runs.
      group: name of the group that a data set belongs to.

    Returns:
      The arms, those of one group of data sets next to each other.
    """
    found: dict[tuple, Arm] = {}
    for row in rows:
        setting = Setting(group(row["dataset"] or ""), variant(row), row["tokens"], row["context_length"])
        found.setdefault((setting, row["method"]), Arm(row["method"], setting, [])).rows.append(row)
    data = list(dict.fromkeys(arm.setting.data for arm in found.values()))
    variants = list(dict.fromkeys(arm.setting.variant for arm in found.values()))

    def place(arm: Arm) -> tuple[int, int, int]:
        return data.index(arm.setting.data), variants.index(arm.setting.variant), _place(arm.method)

    return sorted(found.values(), key=place)


def apart(found: Iterable[Arm]) -> dict[Setting, str]:
    """What a name needs beside data and variant: the context, or the tokens, where several occur with these.

    Args:
      found: arms of one experiment.

    Returns:
      By setting; empty where data and variant say all.
    """
    alike: dict[tuple[str, str], list[Setting]] = {}
    for arm in found:
        alike.setdefault((arm.setting.data, arm.setting.variant), []).append(arm.setting)
    told = {}
    for settings in alike.values():
        contexts, tokens = {each.context for each in settings} - {None}, {each.tokens for each in settings} - {None}
        for each in settings:
            context = f"context {each.context}" if len(contexts) > 1 and each.context else ""
            told[each] = join(context, each.tokens or "" if len(tokens) > 1 else "")
    return told


def _place(method: str) -> int:
    """Mixers come first, in one order everywhere."""
    return suites.MIXERS.index(method) if method in suites.MIXERS else len(suites.MIXERS)


def variant(row: Row) -> str:
    """What sets a run apart from others of the same method and data."""
    return row["metrics"].get("variant") or ""


def recording(row: Row) -> tuple[str, int]:
    """The data that a run learned from: a data set, and the seed with which it was recorded."""
    return row["dataset"] or "", row["metrics"].get("data_seed") or 0


def recordings(rows: Iterable[Row]) -> dict[str, dict[tuple[str, int], list[Row]]]:
    """Runs by data set, and by recording of it."""
    found: dict[str, dict[tuple[str, int], list[Row]]] = {}
    for row in rows:
        key = recording(row)
        found.setdefault(key[0], {}).setdefault(key, []).append(row)
    return found


def in_common(one: Sequence[Row], other: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Runs of two arms that learned from the same recordings."""
    shared = {recording(row) for row in one} & {recording(row) for row in other}
    first, second = ([row for row in rows if recording(row) in shared] for rows in (one, other))
    return first, second


def are_recorded_often(rows: Sequence[Row]) -> bool:
    """Whether every data set was recorded several times."""
    return all(len(recorded) > 1 for recorded in recordings(rows).values())


def minutes(rows: Sequence[Row]) -> float:
    """What runs cost: training and acting are a run's own share already; seeds of a cell share one compilation."""
    own = sum(sum(value for name, value in row["seconds"].items() if name != "compile") for row in rows)
    shared = {(*_cell(row), row["metrics"].get("cell"), row["seconds"].get("compile", 0.0)) for row in rows}
    return (own + sum(key[-1] for key in shared)) / 60


def _cell(row: Row) -> tuple:
    return (*recording(row), row["method"], variant(row), row["tokens"], row["context_length"])


def _run(row: Row) -> tuple:
    return (*_cell(row), row["metrics"].get("cell"), row["seed"])
