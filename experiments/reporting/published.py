"""The published key-to-door table beside ours."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from experiments.reporting import blocks, descriptions, lines, scores, studies, verdicts
from jax_s4rl.evaluation import intervals

SIZES = {"1K": "key_to_door/dt/random-1000", "10K": "key_to_door/dt/random-10000"}
# Success in percent, from a thousand and from ten thousand random episodes; and the name of the method in our lines.
ROWS = {
    "Decision Transformer": ("attention", {"1K": 71.8, "10K": 94.6}),
    "percentile behavior cloning": ("percent_bc", {"1K": 69.9, "10K": 95.1}),
    "conservative Q-learning": ("cql", {"1K": 13.1, "10K": 13.3}),
    "behavior cloning": ("bc", {"1K": 1.4, "10K": 1.6}),
    "random": ("random", {"1K": 3.1, "10K": 3.1}),
}
# Of several variants of ours, one that agrees is enough.
ORDER = (verdicts.HOLDS, verdicts.FAILS, verdicts.OPEN)


class Beside(NamedTuple):
    """A published number, and ours.

    Attributes:
      row: name of the published row.
      size: number of episodes.
      published: success in percent; None where our method is not in the published table.
      variant: of ours.
      sampled: ours, as a share, with actions sampled.
      greedy: ours, with the likeliest actions.
      num_runs: of ours.
    """

    row: str
    size: str
    published: float | None
    variant: str
    sampled: intervals.Interval | None
    greedy: intervals.Interval | None
    num_runs: int

    @property
    def verdict(self) -> verdicts.Verdict:
        """Whether the two agree, by sampled actions."""
        if self.published is None or self.sampled is None:
            return verdicts.Verdict(verdicts.OPEN)
        return verdicts.agrees(self.published, self.sampled)


def beside(about: descriptions.Description, found: lines.Lines) -> Iterator[Beside]:
    """Every published number, with all variants of ours that count; then our other mixers."""
    arms = [arm for arm in lines.arms(found.scored, about.group) if about.counts(arm.setting.variant)]
    for name, (method, numbers) in ROWS.items():
        for size, number in numbers.items():
            if method == "random":
                yield _random(about, found, size, number)
                continue
            ours = [arm for arm in arms if arm.method == method and _is_of(arm, size)]
            for arm in ours:
                yield _beside(name, size, number, arm)
            if not ours:
                yield Beside(name, size, number, "", None, None, 0)
    known = {method for method, _ in ROWS.values()}
    for arm in arms:
        for size in SIZES:
            if arm.method not in known and _is_of(arm, size):
                yield _beside(arm.method, size, None, arm)


def blocks_of(about: descriptions.Description, found: lines.Lines) -> list[blocks.Block]:
    """The table, for the section of the experiment."""
    rows = []
    for each in beside(about, found):
        verdict = each.verdict
        told = blocks.Badge(verdict.where or verdict.word, verdict.badge.tone) if each.published is not None else ""
        if verdict.word == verdicts.HOLDS:
            told = blocks.Badge("agrees", blocks.GOOD)
        number = "-" if each.published is None else f"{each.published:.1f}"
        ours = scores.show(each.sampled, "%"), scores.show(each.greedy, "%")
        rows.append([each.row, each.size, each.variant or "-", number, *ours, str(each.num_runs or "-"), told])
    head = ["method", "episodes", "variant of ours", "published, %", "ours, sampled, %", "ours, greedy, %", "runs", ""]
    note = (
        f"Ours agrees if the published number lies within {verdicts.TOLERANCE:g} points of the interval of sampled "
        "actions: the published table has no intervals, and its behavior cloning below random play is what sampling "
        "gives. Rows without a published number are our other mixers."
    )
    return [blocks.Heading("Beside the published table", 3), blocks.Table(head, rows, left=3), blocks.Note(note)]


def verdict(study: studies.Study) -> verdicts.Verdict:
    """Whether the table is reproduced: every number by at least one variant of ours that agrees."""
    numbers: dict[str, list[Beside]] = {}
    for each in beside(study.about, study.found):
        if each.published is not None:
            numbers.setdefault(f"{each.row}, {each.size}", []).append(each)
    parts = {}
    for name, ours in numbers.items():
        agreeing = [each.variant for each in ours if each.verdict.word == verdicts.HOLDS]
        best = min((each.verdict for each in ours), key=lambda verdict: ORDER.index(verdict.word))
        parts[f"{name} ({', '.join(agreeing)})" if agreeing else name] = best
    return verdicts.all_of(parts)


def _is_of(arm: lines.Arm, size: str) -> bool:
    return arm.rows[0]["dataset"] == SIZES[size]


def _beside(name: str, size: str, number: float | None, arm: lines.Arm) -> Beside:
    sampled, greedy = (scores.middle(scores.strata(arm.rows, f"success_{kind}")) for kind in ("sampled", "greedy"))
    return Beside(name, size, number, arm.setting.variant, sampled, greedy, len(arm.rows))


def _random(about: descriptions.Description, found: lines.Lines, size: str, number: float) -> Beside:
    # Random play does not depend on the data, so the lines hold it once.
    exact: Mapping[str, float] = {
        row["method"]: value
        for row in found.references
        if row["dataset"] in SIZES.values() and (value := about.reference(row)) is not None
    }
    if "random" not in exact:
        return Beside("random", size, number, "", None, None, 0)
    value = intervals.Interval(exact["random"], float("nan"), float("nan"))
    return Beside("random", size, number, "exact", value, value, 0)
