"""The published key-to-door table beside ours."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.reporting import blocks, descriptions, lines, scores, studies, verdicts
from jax_s4rl.evaluation import bootstrap

SIZES = {"1K": "key_to_door/dt/random-1000", "10K": "key_to_door/dt/random-10000"}


class Row(NamedTuple):
    """A row of the published table.

    Attributes:
      method: in our lines.
      decides: the variant of ours that the verdict rests on.
      numbers: success in percent, by number of episodes.
      says: whether the name of the variant tells more than that it is built around attention.
    """

    method: str
    decides: str
    numbers: Mapping[str, float]
    says: bool = False


DT, EXACT = "DT", "exact"
# Batches as they come, as the published ones were; the name goes on with the number of updates.
UNIFORM = "uniform batches"
# Decision Transformer, percentile behavior cloning, conservative Q-learning, behavior cloning, random play.
ROWS = {
    DT: Row("attention", "balanced batches", {"1K": 71.8, "10K": 94.6}, says=True),
    "%BC": Row("percent_bc", "attention", {"1K": 69.9, "10K": 95.1}),
    "CQL": Row("cql", "conservatism 1", {"1K": 13.1, "10K": 13.3}, says=True),
    "BC": Row("bc", "attention", {"1K": 1.4, "10K": 1.6}),
    "random": Row("random", EXACT, {"1K": 3.1, "10K": 3.1}),
}


class Beside(NamedTuple):
    """A published number, and ours.

    Attributes:
      row: name of the published row.
      size: number of episodes.
      published: success in percent; None where our method is not in the published table.
      variant: of ours.
      sampled: ours, as a share, with actions sampled.
      greedy: ours, with the likeliest actions.
      num_runs: of our runs, or recordings.
    """

    row: str
    size: str
    published: float | None
    variant: str
    sampled: bootstrap.Interval | None
    greedy: bootstrap.Interval | None
    num_runs: int

    @property
    def decides(self) -> bool:
        """Whether the verdict rests on it."""
        return self.published is not None and self.variant == ROWS[self.row].decides

    @property
    def verdict(self) -> verdicts.Verdict:
        """Whether the two agree, by sampled actions."""
        if self.published is None or self.sampled is None:
            return verdicts.Verdict(verdicts.OPEN)
        if self.variant != EXACT and self.num_runs < scores.LEAST_RUNS:
            return verdicts.Verdict(verdicts.OPEN, scores.FEW)
        return verdicts.agrees(self.published, self.sampled)


def beside(about: descriptions.Description, found: lines.Lines) -> Iterator[Beside]:
    """Every published number, with all variants of ours that count; then our other mixers."""
    arms = [arm for arm in lines.arms(found.scored, about.group) if about.counts(arm.setting.variant)]
    for name, row in ROWS.items():
        for size, number in row.numbers.items():
            if row.decides == EXACT:
                yield _random(about, found, size, number)
                continue
            ours = [arm for arm in arms if arm.method == row.method and _is_of(arm, size)]
            if not any(arm.setting.variant == row.decides for arm in ours):
                yield Beside(name, size, number, row.decides, None, None, 0)
            for arm in ours:
                yield _beside(name, size, number, arm)
    known = {row.method for row in ROWS.values()}
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
        variant = f"**{each.variant}**" if each.decides else each.variant or "-"
        rows.append([each.row, each.size, variant, number, *ours, str(each.num_runs or "-"), told])
    head = ["method", "episodes", "variant of ours", "published, %", "ours, sampled, %", "ours, greedy, %", "runs", ""]
    note = (
        f"Ours agrees if the published number lies within {verdicts.TOLERANCE:g} points of the interval of sampled "
        f"actions, and that is no wider than {verdicts.WIDEST:g}: the published table has no intervals, and its "
        "behavior cloning below random play is what sampling gives. The verdict on the table rests on the bold "
        "variants alone. Rows without a published number are our other mixers. Runs are recordings where there are "
        "several; fewer than five are not judged."
    )
    return [blocks.Heading("Beside the published table", 3), blocks.Table(head, rows, left=3), blocks.Note(note)]


def in_short(study: studies.Study) -> blocks.Table:
    """The published numbers beside those of ours that decide, a line for each method; uniform batches; our mixers."""
    found = {(each.row, each.size): each for each in beside(study.about, study.found) if each.decides}
    rows = []
    for name, row in ROWS.items():
        cells = [f"{name}, {row.decides}" if row.says else name]
        for size, number in row.numbers.items():
            cells += [f"{number:.1f}", scores.show(found[name, size].sampled, "%")]
        rows.append(cells)
    longest = {each.size: each for each in uniform(study)}
    if longest:
        told = (cell for size in SIZES for cell in (f"{ROWS[DT].numbers[size]:.1f}", _long(longest.get(size))))
        rows.insert(1, [f"{DT}, {UNIFORM}", *told])
    for mixer in ("s4d", "s4"):
        arms = {size: arm for arm in study.arms for size in SIZES if _is_ours(study, arm, mixer, size)}
        shown = {size: _beside(mixer, size, None, arm).sampled for size, arm in arms.items()}
        cells = (cell for size in SIZES for cell in ("-", scores.show(shown.get(size), "%")))
        rows.append([f"{mixer.upper()}, {study.about.main_variant}", *cells])
    if any(repeated := [_lookup(study, size) for size in SIZES]):
        rows.append(["recorded successes done again", *(cell for each in repeated for cell in ("-", each or "-"))])
    head = ["success, %", *(text for size in SIZES for text in (f"published, {size}", f"ours, {size}"))]
    return blocks.Table(head, rows)


def deciding(study: studies.Study) -> list[Beside]:
    """Every number beside the variant of ours that was named for it."""
    return [each for each in beside(study.about, study.found) if each.decides]


def uniform(study: studies.Study) -> list[Beside]:
    """The decision model with uniform batches, for each number of episodes after the most updates."""
    updates = {(lines.variant(row), row["dataset"]): row["updates"] for arm in study.arms for row in arm.rows}
    found: dict[str, Beside] = {}
    for each in beside(study.about, study.found):
        if each.row == DT and each.variant.startswith(UNIFORM):
            others = found.get(each.size, each)
            found[each.size] = max(others, each, key=lambda one: updates[one.variant, SIZES[one.size]])
    return list(found.values())


def verdict(found: Sequence[Beside]) -> verdicts.Verdict:
    """Whether published numbers are reproduced."""
    return verdicts.all_of({f"{each.row}, {each.size}": each.verdict for each in found})


def agreeing(found: Sequence[Beside]) -> str:
    """How many published numbers agree with ours."""
    good = sum(each.verdict.word == verdicts.HOLDS for each in found)
    return f"{good} of {len(found)} published numbers agree"


def others(study: studies.Study) -> str:
    """How many variants agree that do not decide."""
    every = [each for each in beside(study.about, study.found) if each.published is not None and not each.decides]
    agreeing = sum(each.verdict.word == verdicts.HOLDS for each in every)
    return f"other variants: {agreeing} of {len(every)} agree" if every else ""


def _long(found: Beside | None) -> str:
    """Uniform batches, with what their variant says of updates."""
    return f"{scores.show(found.sampled, '%')}{found.variant.removeprefix(UNIFORM)}" if found else "-"


def _lookup(study: studies.Study, size: str) -> str:
    known = {(row["method"], row["dataset"]): study.about.reference(row) for row in study.found.references}
    value = known.get(("lookup", SIZES[size]))
    return "" if value is None else scores.number(value, "%")


def _is_ours(study: studies.Study, arm: lines.Arm, method: str, size: str) -> bool:
    return arm.method == method and arm.setting.variant == study.about.main_variant and _is_of(arm, size)


def _is_of(arm: lines.Arm, size: str) -> bool:
    return arm.rows[0]["dataset"] == SIZES[size]


def _beside(name: str, size: str, number: float | None, arm: lines.Arm) -> Beside:
    sampled, greedy = (scores.middle(scores.strata(arm.rows, f"success_{kind}")) for kind in ("sampled", "greedy"))
    num_runs = sum(map(len, scores.strata(arm.rows, "success_sampled").values()))
    return Beside(name, size, number, arm.setting.variant, sampled, greedy, num_runs)


def _random(about: descriptions.Description, found: lines.Lines, size: str, number: float) -> Beside:
    # Random play does not depend on the data, so the lines hold it once.
    exact: Mapping[str, float] = {
        row["method"]: value
        for row in found.references
        if row["dataset"] in SIZES.values() and (value := about.reference(row)) is not None
    }
    if "random" not in exact:
        return Beside("random", size, number, EXACT, None, None, 0)
    value = bootstrap.Interval(exact["random"], float("nan"), float("nan"))
    return Beside("random", size, number, EXACT, value, value, 0)
