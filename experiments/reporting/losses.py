"""Where a mixer or attention is behind, and what becomes of the difference when one thing is changed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from experiments.reporting import blocks, descriptions, lines, scores, studies


class Change(NamedTuple):
    """A comparison that was lost, made again with one side changed.

    Attributes:
      method: the side that was changed.
      change: what differs.
      match: the comparison with the change.
    """

    method: str
    change: str
    match: studies.Match


def changes(lost: studies.Match) -> Iterator[Change]:
    """The changes that were tried where a comparison was lost: of the loser first, then of the other side."""
    study, (loser, other) = lost.study, lost.arms
    for arm in (loser, other):
        for changed in study.arms:
            change = _change(study.about, lost.setting, changed)
            if changed.method != arm.method or change is None:
                continue
            sides = (changed, other) if arm is loser else (loser, changed)
            if found := studies.match(study, *sides):
                yield Change(arm.method, change, found)


def seen_by_loser(match: studies.Match) -> studies.Match | None:
    """A comparison from the side that lost it; None where none did."""
    if match.comparison.outcome == scores.AHEAD:
        return studies.match(match.study, *reversed(match.arms))
    return match if match.comparison.outcome == scores.BEHIND else None


def told(match: studies.Match) -> str:
    """The name of a comparison, and what becomes of it by each change of the side that lost it.

    Where fewer runs of the change can be compared than were lost with, it says how many.
    """
    lost = seen_by_loser(match)
    if lost is None:
        return match.name
    found: dict[str, list[str]] = {outcome: [] for outcome in scores.OUTCOMES}
    for each in changes(lost):
        if each.method == lost.arms[0].method:
            runs, all_runs = each.match.comparison.runs[0], lost.comparison.runs[0]
            fewer = f" ({runs} of {all_runs} runs)" if runs < all_runs else ""
            found[each.match.comparison.outcome].append(each.change + fewer)
    who = "" if lost is match else f"{lost.arms[0].method} "
    tried = [f"{who}{outcome} with {', '.join(names)}" for outcome, names in found.items() if names]
    return "; ".join([lost.name, *tried])


def _change(about: descriptions.Description, setting: lines.Setting, changed: lines.Arm) -> str | None:
    """What sets an arm apart from a setting, if that is one of the changes that an experiment tries."""
    variant, change = about.split(changed.setting.variant)
    same = (changed.setting.data, variant) == (setting.data, setting.variant)
    return change if same and change else None


def blocks_of(matches: Sequence[studies.Match]) -> list[blocks.Block]:
    """A line for each loss and change; nothing where nothing is lost."""
    rows = []
    for lost in filter(None, map(seen_by_loser, matches)):
        named = [lost.name, f"{lost.arms[0].method} behind {lost.arms[1].method}", _show(lost), _runs(lost)]
        tried = [
            [f"{each.method}: {each.change}", _show(each.match), _runs(each.match), each.match.comparison.outcome]
            for each in changes(lost)
        ]
        rows += [[*named, *each] for each in tried or [["-"] * 4]]
    if not rows:
        return []
    head = ["setting", "who", "behind by", "runs", "changed", "then", "runs then", "which is"]
    note = (
        "One thing is changed on one side: the loser's own first, then the other's. A change that turns a loss into a "
        "level score of as many runs points to what it comes from; a minus is a loss that no experiment takes apart. "
        "Only data that both sides learned from are compared: where these are fewer runs than the loss is of, that "
        "alone may make the difference."
    )
    return [
        blocks.Heading("Where a mixer is behind, and what changes it", 3),
        blocks.Table(head, rows, left=8),
        blocks.Note(note),
    ]


def _runs(match: studies.Match) -> str:
    return ", ".join(map(str, match.comparison.runs))


def _show(match: studies.Match) -> str:
    return scores.show(match.comparison.difference, match.study.about.metrics[0].unit, signed=True)
