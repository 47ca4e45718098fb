"""What the key-to-door table was asked to show, and whether it does."""

from collections.abc import Iterator
from typing import NamedTuple

from experiments.reporting import blocks, descriptions, lines, published, scores, studies, verdicts
from jax_s4rl.evaluation import bootstrap

CLONES, ATTENTION, MIXERS = ("bc", "percent_bc"), "attention", ("s4", "s4d")
# In percent: of random play, and how far off it and behavior cloning may be.
RANDOM, RANDOM_WITHIN, CLONE_WITHIN = 2.7, 0.5, 2.0
WANTED = {"1K": 65.0, "10K": 90.0}
# In percent: what is nearer than this is called equal, or as good.
MARGIN = verdicts.TOLERANCE
CONTROLS = {"target_0": "asked for 0", "wrong_key": "key shown on a wrong cell"}
TOLD = {scores.AHEAD: "is ahead of", scores.BEHIND: "is behind", scores.LEVEL: "may equal"}


class Check(NamedTuple):
    """Something that was asked for in advance.

    Attributes:
      asked: what.
      ours: what came of it.
      is_reached: None where it is not known yet.
      is_sure: whether its whole interval says so.
    """

    asked: str
    ours: str
    is_reached: bool | None
    is_sure: bool = True

    @property
    def badge(self) -> blocks.Badge:
        """In a word."""
        if self.is_reached is None:
            return blocks.Badge("not yet run", blocks.OPEN)
        if not self.is_reached:
            return blocks.Badge("missed", blocks.BAD)
        return (
            blocks.Badge("reached", blocks.GOOD) if self.is_sure else blocks.Badge("reached, not surely", blocks.MIXED)
        )


class Table(NamedTuple):
    """The arms of the table.

    Attributes:
      study: key-to-door.
      main: variant of the decision models.
    """

    study: studies.Study
    main: str

    def arm(self, method: str, size: str) -> lines.Arm | None:
        """The one of that method: clones around attention, decision models of the main variant."""
        variant = ATTENTION if method in CLONES else self.main
        here = (each for each in self.study.arms if each.rows[0]["dataset"] == published.SIZES[size])
        return next((each for each in here if (each.method, each.setting.variant) == (method, variant)), None)

    def middle(self, method: str, size: str, metric: str = "success") -> bootstrap.Interval | None:
        """A share of sampled actions; None where there are fewer than five runs, or recordings."""
        arm = self.arm(method, size)
        values = scores.strata(arm.rows, f"{metric}_sampled") if arm else {}
        return scores.middle(values) if sum(map(len, values.values())) >= scores.LEAST_RUNS else None

    def match(self, method: str, other: str, size: str) -> scores.Comparison | None:
        """Success of one method against that of another; None as for `middle`."""
        one, two = self.arm(method, size), self.arm(other, size)
        found = studies.match(self.study, one, two) if one and two else None
        return found.comparison if found and found.speaks else None

    @property
    def random(self) -> float | None:
        """Success of random play, in percent."""
        rows = (row for row in self.study.found.references if row["method"] == "random")
        known = (self.study.about.reference(row) for row in rows if row["dataset"] == published.SIZES["1K"])
        value = next(known, None)
        return None if value is None else 100 * value


def checks(table: Table) -> Iterator[Check]:
    """All that was asked for."""
    random = table.random
    is_near = None if random is None else abs(random - RANDOM) <= RANDOM_WITHIN
    yield Check(f"random play {RANDOM:g} ± {RANDOM_WITHIN:g} %", scores.number(random), is_near)
    for size in WANTED:
        clone = table.middle("bc", size)
        is_near = None if clone is None or random is None else abs(100 * clone.value - random) <= CLONE_WITHIN
        asked = f"behavior cloning within {CLONE_WITHIN:g} points of random play, {size}"
        yield Check(asked, scores.show(clone, "%"), is_near)
    for size, wanted in WANTED.items():
        for method, name in (("percent_bc", "percentile behavior cloning"), (ATTENTION, "attention")):
            ours = table.middle(method, size)
            is_reached = None if ours is None else 100 * ours.value >= wanted
            is_sure = ours is not None and 100 * ours.low >= wanted
            yield Check(f"{name} at least {wanted:g} %, {size}", scores.show(ours, "%"), is_reached, is_sure)
    for size in WANTED:
        yield _as_good(table, size)
    for size in WANTED:
        for metric, name in CONTROLS.items():
            yield _well_below(table, size, metric, name)


def _as_good(table: Table, size: str) -> Check:
    found = {mixer: table.match(mixer, ATTENTION, size) for mixer in MIXERS}
    shown = {mixer: scores.show(each.difference, "%", signed=True) for mixer, each in found.items() if each}
    told = [f"{mixer} {shown[mixer]}, {each.outcome}" for mixer, each in found.items() if each]
    is_any = any(
        100 * each.difference.low > -MARGIN and each.outcome != scores.BEHIND for each in found.values() if each
    )
    is_known = is_any or all(found.values())
    asked = f"S4 or S4D as good as attention within {MARGIN:g} points, and not behind, {size}"
    return Check(asked, "\n".join(told) or "-", is_any if is_known else None)


def _well_below(table: Table, size: str, metric: str, name: str) -> Check:
    asked = f"attention, {name}, below half of its success, {size}"
    control, success = table.middle(ATTENTION, size, metric), table.middle(ATTENTION, size)
    if control is None or success is None:
        return Check(asked, "-", None)
    return Check(asked, scores.show(control, "%"), control.high < success.low / 2)


def equals(table: Table) -> Iterator[str]:
    """Whether percentile behavior cloning equals the decision model, in words."""
    for size in WANTED:
        if found := table.match("percent_bc", ATTENTION, size):
            difference = scores.show(found.difference, "%", signed=True)
            is_near = 100 * max(abs(found.difference.low), abs(found.difference.high)) < MARGIN
            word = f"equals within {MARGIN:g} points" if is_near else TOLD[found.outcome]
            yield f"from {size} episodes it **{word}** the decision model ({difference} points)"


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """The table, for the section of the experiment."""
    table = Table(studies.Study(about, found, lines.arms(found.scored, about.group)), about.main_variant)
    rows = [[each.asked, each.ours, each.badge] for each in checks(table)]
    told = list(equals(table))
    note = (
        f"Success in %, actions sampled, {about.main_variant}; judged by interquartile means, controls and differences "
        "by intervals; *not surely*: the interval reaches below. Fewer than five runs, or recordings, are not judged."
    )
    return [
        blocks.Heading("What this table was asked to show", 3),
        blocks.Table(["asked", "ours", ""], rows, left=3),
        blocks.Note(note),
        *([blocks.Paragraph(f"Percentile behavior cloning, attention: {'; '.join(told)}.")] if told else []),
    ]
