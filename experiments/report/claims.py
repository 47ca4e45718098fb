"""The claims of the paper, each with the verdict that the result rows give."""

import collections
from collections.abc import Sequence
from typing import NamedTuple

from experiments.report import (
    document,
    evidence,
    key_to_door,
    random_walk,
    scores,
    speeds,
    tables,
    verdicts,
)
from experiments.report.evidence import CONTESTS, MIXERS, SCRIPTS, Evidence
from experiments.report.experiment import Experiment
from jax_s4rl.evaluation import bootstrap

HEADING = "The claims of the paper"
# How often the benchmarks time each model.
REPEATS = {"train": 10, "act": 30}


class Claim(NamedTuple):
    """A claim and what became of it.

    Attributes:
        text: The claim in our words.
        verdict: The computed verdict.
        numbers: Numbers behind it.
        short: The same in a few words.
        runs: Number of runs, or of timings.
        see: Headline of the section that shows more.
        commands: Commands that run what is missing.
        rule: How the verdict is computed.
    """

    text: str
    verdict: verdicts.Verdict
    numbers: str
    short: str
    runs: str
    see: str
    commands: Sequence[str]
    rule: str


def judge(measured: Evidence) -> list[Claim]:
    """Judges all claims, in the order of the paper."""
    several, long = ("several times", 0), ("unbearable", speeds.LONG)
    return [
        *(_better(measured, mixer) for mixer in MIXERS),
        *(_faster(measured, verb, side, *several) for verb in SCRIPTS for side in CONTESTS),
        _faster_at_tasks(measured, "train", slice(0, 1)),
        _faster_at_tasks(measured, "act", slice(1, 3)),
        *(_continuous(measured, mixer) for mixer in MIXERS),
        *(_faster(measured, verb, side, *long) for verb in SCRIPTS for side in CONTESTS),
        *(_tokens(measured, mixer) for mixer in ("attention", *MIXERS)),
        *_stitching(measured),
        *_published(measured),
    ]


def _claim(name: str, **fields: str) -> str:
    return document.text("claims", name, **fields)


def _better(measured: Evidence, mixer: str) -> Claim:
    comparisons = measured.comparisons(mixer)
    missing = [each for each in measured.environments if each.title not in comparisons]
    every = [each for own in comparisons.values() for each in own]
    pairs = {
        name: [each.pair for each in own if each.has_runs] for name, own in comparisons.items()
    }
    chance = scores.show(scores.improvement(pairs))
    outcomes = _outcomes([each.score for each in every])
    otherwise = _outcomes([each.otherwise for each in every if each.otherwise and each.has_runs])
    numbers = verdicts.lines(
        f"settings: {outcomes}\nP(better) {chance}",
        f"with greedy and sampled actions swapped: {otherwise}" if otherwise else "",
    )
    return Claim(
        _claim("better", mixer=mixer.upper()),
        verdicts.everywhere(comparisons, [each.title for each in missing], evidence.tell),
        numbers if every else "-",
        f"{outcomes}; P(better) {chance}" if every else "-",
        _runs(every),
        evidence.COMPARISONS,
        [each.command for each in missing],
        rule(measured, "better"),
    )


def _outcomes(differences: Sequence[scores.Difference]) -> str:
    count = collections.Counter(each.outcome for each in differences)
    return ", ".join(f"{each} in {count[each]}" for each in scores.OUTCOMES if count[each])


def _faster(measured: Evidence, verb: str, side: str, name: str, shortest: int) -> Claim:
    rows = measured.times(verb)
    timed = speeds.compare(rows, CONTESTS[side], shortest=shortest)
    alone = []
    if CONTESTS[side] is speeds.ONE_THREE:
        one = [scores.ATTENTION]
        alone = speeds.compare(rows, speeds.TOKENS_ALONE, one, shortest=shortest)
    claim = _of_times(
        measured,
        name,
        timed,
        {"verb": verb, "side": side},
        (evidence.TIMES, f"python -m {SCRIPTS[verb]}", _counts([REPEATS[verb]])),
    )
    by_tokens = f"by tokens alone: {speeds.ranges(alone)}" if alone else ""
    return claim._replace(numbers=verdicts.lines(claim.numbers, by_tokens))


def _faster_at_tasks(measured: Evidence, verb: str, which: slice) -> Claim:
    experiment = measured.experiment("speed_per_task")
    timed = speeds.per_task(experiment, experiment.metrics[which])
    fields = {"verb": verb, "side": "at the tasks of the experiments"}
    source = experiment.title, experiment.command, "see there"
    return _of_times(measured, "several times", timed, fields, source)


def _of_times(
    measured: Evidence,
    name: str,
    timed: Sequence[verdicts.Ratio],
    fields: dict[str, str],
    source: tuple[str, str, str],
) -> Claim:
    """Judges ratios of times, from a source: its headline, its command and its runs."""
    see, command, runs = source
    wanted = verdicts.SEVERAL if name == "several times" else verdicts.UNBEARABLE
    return Claim(
        _claim(name, **fields),
        verdicts.at_least(timed, wanted),
        f"how many times longer attention takes\n{speeds.ranges(timed)}" if timed else "-",
        f"attention takes {speeds.span(timed)} times as long" if timed else "-",
        runs if timed else "-",
        see,
        [] if timed else [command],
        rule(measured, name),
    )


def rule(measured: Evidence, name: str) -> str:
    """Returns the rule of a claim, with thresholds and parameters of the compared models."""
    sides = {"training": measured.training, "acting": measured.acting}
    timed = {part: speeds.compare(rows, speeds.ALIKE) for part, rows in sides.items()}
    fewer = [f"{speeds.shares(own)} % where {part} is timed" for part, own in timed.items() if own]
    turns = any(row["metrics"].get("turns") for rows in sides.values() for row in rows)
    return document.text(
        "rules",
        name,
        several=f"{verdicts.SEVERAL:g}",
        unbearable=f"{verdicts.UNBEARABLE:g}",
        steps=speeds.LONG,
        margin=f"{100 * verdicts.MARGIN:g}",
        tolerance=f"{verdicts.TOLERANCE:g}",
        widest=f"{verdicts.WIDEST:g}",
        weight=key_to_door.ROWS["CQL"].decides,
        umbrella=document.text("rules", "umbrella"),
        updates=REPEATS["train"],
        actions=REPEATS["act"],
        intervals="; " + document.text("rules", "intervals of ratios") if turns else "",
        fewer=f": {', '.join(fewer)}" if fewer else "",
        **SCRIPTS,
    )


def _continuous(measured: Evidence, mixer: str) -> Claim:
    gains: dict[bool, bootstrap.Interval | None] = {}
    every: list[scores.Comparison] = []
    missing: list[str] = []
    for kind in (True, False):
        here = [each for each in measured.environments if kind in each.kinds_of_state]
        pairs: dict[str, list[scores.Pair]] = {}
        for experiment in here:
            for each in scores.against(experiment, mixer):
                if each.normalized and each.has_runs and each.is_continuous is kind:
                    pairs.setdefault(experiment.title, []).append(each.normalized)
                    every.append(each)
        gains[kind] = scores.gain(pairs)
        missing += [] if pairs else [each.command for each in here]
    shown = {kind: scores.show(gain, "%", signed=True) for kind, gain in gains.items()}
    first = "gain in % of the way from random play to the optimum"
    numbers = f"{first}\ncontinuous {shown[True]}\ndiscrete {shown[False]}"
    return Claim(
        _claim("continuous", mixer=mixer.upper()),
        verdicts.more_in_the_first(gains[True], gains[False]),
        numbers if every else "-",
        f"gain in %: {shown[True]} against {shown[False]}" if every else "-",
        _runs(every),
        evidence.COMPARISONS,
        missing,
        rule(measured, "continuous"),
    )


def one_against_three(experiment: Experiment, mixer: str) -> list[scores.Comparison]:
    """Compares one token a step with three, everything else equal."""
    comparisons = []
    for group in experiment.groups:
        if (group.method, group.tokens) != (mixer, speeds.ONE):
            continue
        # The variant may name the tokens.
        variant = group.variant.replace(speeds.ONE, speeds.THREE)
        wanted = group._replace(tokens=speeds.THREE, variant=variant).setting
        for other in experiment.groups:
            if (other.method, other.setting) == (mixer, wanted):
                comparisons.append(scores.compare(experiment, group, other))
    return [each for each in comparisons if each]


def normalized_pairs(comparisons: Sequence[scores.Comparison]) -> dict[str, list[scores.Pair]]:
    """Returns normalized scores by data set; few runs do not count."""
    pairs: dict[str, list[scores.Pair]] = {}
    for each in comparisons:
        if each.normalized and each.has_runs:
            pairs.setdefault(each.group.data, []).append(each.normalized)
    return pairs


def _tokens(measured: Evidence, mixer: str) -> Claim:
    experiment = measured.experiment("tokens")
    every = one_against_three(experiment, mixer)
    pairs = normalized_pairs(every)
    gains = {name: gain for name, own in pairs.items() if (gain := scores.gain({name: own}))}
    overall = scores.show(scores.gain(pairs), "%", signed=True)
    times = []
    for part, verb in (("updates", "train"), ("actions", "act")):
        if timed := speeds.compare(measured.times(verb), speeds.LAYOUTS, [mixer]):
            times.append(f"{part} {speeds.span(timed)} times as fast")
    first = f"one minus three, in % of the way from random play to the optimum: {overall}"
    return Claim(
        _claim("tokens", mixer=mixer if mixer == "attention" else mixer.upper()),
        verdicts.as_well_as(gains),
        verdicts.lines(first if every else "", *times) or "-",
        f"one minus three, in %: {overall}" if every else "-",
        _runs(every),
        experiment.title,
        [] if every else [experiment.command],
        rule(measured, "tokens"),
    )


def _stitching(measured: Evidence) -> list[Claim]:
    experiment = measured.experiment("random_walk")
    every = random_walk.leads(experiment)
    sides = {
        "trained as the papers do": [lead for lead in every if lead.is_plain],
        "with relabelled returns or one step": [lead for lead in every if lead.changes],
    }
    first = "points over the best score without joining; over the clone"
    return [
        Claim(
            _claim("stitching", side=side),
            random_walk.verdict(leads),
            f"{first}\n{random_walk.numbers(leads)}" if leads else "-",
            random_walk.in_short(leads) if leads else "-",
            _counts([lead.num_runs for lead in leads]),
            experiment.title,
            [] if leads else [experiment.command],
            rule(measured, "stitching"),
        )
        for side, leads in sides.items()
    ]


def _published(measured: Evidence) -> list[Claim]:
    experiment = measured.experiment("key_to_door")
    others = key_to_door.other_variants(experiment)
    agree = f"other variants: {key_to_door.agreeing(others)} agree" if others else ""
    sides = {
        key_to_door.MAIN: (key_to_door.deciding(experiment), agree),
        key_to_door.UNIFORM: (key_to_door.uniform(experiment), ""),
    }
    return [
        Claim(
            _claim("published", side=side),
            key_to_door.verdict(entries),
            verdicts.lines(*map(_beside, entries), more) or "-",
            f"{key_to_door.agreeing(entries)} published numbers agree" if entries else "-",
            _counts([each.num_runs for each in entries if each.num_runs]),
            experiment.title,
            [experiment.command] if not entries or _is_open(entries) else [],
            rule(measured, "published"),
        )
        for side, (entries, more) in sides.items()
    ]


def _is_open(entries: Sequence[key_to_door.Entry]) -> bool:
    return any(each.verdict.word == verdicts.OPEN for each in entries)


def _beside(entry: key_to_door.Entry) -> str:
    if entry.sampled is None:
        return ""
    uniform = entry.variant.startswith(key_to_door.UNIFORM)
    more = entry.variant.removeprefix(key_to_door.UNIFORM) if uniform else ""
    ours = scores.show(entry.sampled, "%")
    return f"{entry.row}, {entry.size}{more}: {entry.published:g}, ours {ours}"


def _runs(comparisons: Sequence[scores.Comparison]) -> str:
    return _counts([number for each in comparisons for number in each.score.runs])


def _counts(numbers: Sequence[int]) -> str:
    if not numbers:
        return "-"
    low, high = min(numbers), max(numbers)
    return f"{low} of each" if low == high else f"{low} to {high} of each"


def table(claims: Sequence[Claim]) -> list[document.Block]:
    """Shows all claims, with the rules behind the verdicts."""
    rules = list(dict.fromkeys(claim.rule for claim in claims))

    def where(claim: Claim) -> str:
        return verdicts.lines(claim.verdict.where, to_run(claim.commands)) or "-"

    columns: dict[str, tables.Column[Claim]] = {
        "claim": "text",
        "verdict": "verdict.badge",
        "where": where,
        "numbers behind it": "numbers",
        "runs": "runs",
        "": lambda claim: (
            f"rule {rules.index(claim.rule) + 1}\n[more](#{document.anchor(claim.see)})"
        ),
    }
    shown = tables.table(claims, columns)
    intervals = document.Paragraph(document.text("notes", "intervals"))
    return [
        document.Heading(HEADING),
        document.Paragraph(document.text("notes", "claims")),
        shown,
        document.Fold("How verdicts are computed", [intervals, document.Numbered(rules)]),
    ]


def to_run(commands: Sequence[str]) -> str:
    """Says how to get what is missing."""
    others = ", ".join(f"`{command.rpartition('.')[2]}`" for command in commands[1:])
    more = f", then also {others}" if others else ""
    return f"run `{commands[0]}`{more}" if commands else ""


def in_short(measured: Evidence, claims: Sequence[Claim]) -> list[document.Block]:
    """Shows verdicts in a few words, and the published table beside ours: for the front page."""
    columns = {"claim": "text", "verdict": "verdict.badge", "in short": "short"}
    made = tables.table(claims, columns)
    published = key_to_door.in_short(measured.experiment("key_to_door"))
    return [made, published, evidence.hours(measured)]
