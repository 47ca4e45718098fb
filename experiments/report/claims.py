"""The claims of the paper, each with the verdict that the result rows give."""

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.report import document, key_to_door, load, scores, tables, verdicts
from experiments.report.catalog import Experiment
from jax_s4rl.evaluation import bootstrap

Experiments = Mapping[str, Experiment]
"""Experiments with their rows, by name."""
Timings = Mapping[str, Sequence[load.Row]]
"""Rows of the benchmarks of updates ("train") and of actions ("act")."""

COMPARISONS, TIMES = "Comparisons behind the claims", "Times behind the claims"
SCRIPTS = {"train": "benchmarks.training", "act": "benchmarks.acting"}
# How often the benchmarks time each model.
REPEATS = {"train": 10, "act": 30}
# What fewer tokens give without another mixer, and to one mixer.
TOKENS_ALONE: Sequence[scores.Contest] = (
    ("attention, one against three", ("attention", scores.ONE), ("attention", scores.THREE)),
)
LAYOUTS: Sequence[scores.Contest] = (
    ("{mixer}", ("{mixer}", scores.ONE), ("{mixer}", scores.THREE)),
)


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


def judge(experiments: Experiments, timings: Timings) -> list[Claim]:
    """Judges all claims, in the order of the paper."""
    sides = [(verb, side) for verb in SCRIPTS for side in scores.CONTESTS]
    return [
        *(_better(experiments, timings, mixer) for mixer in scores.S4_MIXERS),
        *(_faster(timings, verb, side, "several times") for verb, side in sides),
        *(_faster_at_tasks(experiments, timings, verb) for verb in SCRIPTS),
        *(_continuous(experiments, timings, mixer) for mixer in scores.S4_MIXERS),
        *(_faster(timings, verb, side, "unbearable") for verb, side in sides),
        *(_tokens(experiments, timings, m) for m in (scores.ATTENTION, *scores.S4_MIXERS)),
        *_stitching(experiments["random_walk"], rule(timings, "stitching")),
        *_published(experiments["key_to_door"], rule(timings, "published")),
    ]


def rule(timings: Timings, name: str) -> str:
    """Returns the rule of a claim, with thresholds and parameters of the compared models."""
    fewer = []
    for verb, part in (("train", "training"), ("act", "acting")):
        if timed := scores.time_ratios(timings.get(verb, ()), scores.ALIKE):
            models = [[row["parameters"] for row in each.rows] for each in timed]
            shares = verdicts.ends([100 * model / attention for model, attention in models], 0)
            fewer.append(f"{shares} % where {part} is timed")
    turns = any(row["metrics"].get("turns") for rows in timings.values() for row in rows)
    return document.text(
        "rules",
        name,
        several=f"{verdicts.SEVERAL:g}",
        unbearable=f"{verdicts.UNBEARABLE:g}",
        steps=scores.LONG,
        margin=f"{100 * verdicts.MARGIN:g}",
        tolerance=f"{verdicts.TOLERANCE:g}",
        widest=f"{verdicts.WIDEST:g}",
        weight=key_to_door.ROWS["CQL"][1],
        umbrella=document.text("rules", "umbrella"),
        updates=REPEATS["train"],
        actions=REPEATS["act"],
        intervals="; " + document.text("rules", "intervals of ratios") if turns else "",
        fewer=f": {', '.join(fewer)}" if fewer else "",
        **SCRIPTS,
    )


def _environments(experiments: Experiments) -> list[Experiment]:
    return [each for each in experiments.values() if each.is_environment]


def _better(experiments: Experiments, timings: Timings, mixer: str) -> Claim:
    here = _environments(experiments)
    by_title = {each.title: list(scores.against(each, mixer)) for each in here}
    by_title = {title: own for title, own in by_title.items() if own}
    missing = [each for each in here if each.title not in by_title]
    every = [each for own in by_title.values() for each in own]
    pairs = {title: [each.pair for each in own if each.has_runs] for title, own in by_title.items()}
    chance = document.show(scores.improvement(pairs))
    outcomes = _outcomes([each.score for each in every])
    swapped = _outcomes([each.otherwise for each in every if each.otherwise and each.has_runs])
    numbers = verdicts.lines(
        f"settings: {outcomes}\nP(better) {chance}",
        f"with greedy and sampled actions swapped: {swapped}" if swapped else "",
    )
    return Claim(
        document.text("claims", "better", mixer=mixer.upper()),
        verdicts.everywhere(by_title, [each.title for each in missing], verdicts.tell),
        numbers if every else "-",
        f"{outcomes}; P(better) {chance}" if every else "-",
        _runs(every),
        COMPARISONS,
        [each.command for each in missing],
        rule(timings, "better"),
    )


def _outcomes(differences: Sequence[scores.Difference]) -> str:
    count = collections.Counter(each.outcome for each in differences)
    return ", ".join(f"{each} in {count[each]}" for each in scores.OUTCOMES if count[each])


def _faster(timings: Timings, verb: str, side: str, name: str) -> Claim:
    rows, shortest = timings.get(verb, ()), scores.LONG if name == "unbearable" else 0
    timed = scores.time_ratios(rows, scores.CONTESTS[side], shortest=shortest)
    claim = _of_times(timings, name, timed, verb, side)
    if scores.CONTESTS[side] is scores.ONE_THREE:
        one = [scores.ATTENTION]
        if alone := scores.time_ratios(rows, TOKENS_ALONE, one, shortest=shortest):
            by_tokens = f"by tokens alone: {verdicts.ranges(alone)}"
            return claim._replace(numbers=verdicts.lines(claim.numbers, by_tokens))
    return claim


def _faster_at_tasks(experiments: Experiments, timings: Timings, verb: str) -> Claim:
    experiment = experiments["speed_per_task"]
    # The first metric is the time of an update, the next two are those of an action.
    metrics = experiment.metrics[:1] if verb == "train" else experiment.metrics[1:3]
    timed = scores.task_ratios(experiment, metrics)
    claim = _of_times(timings, "several times", timed, verb, "at the tasks of the experiments")
    return claim._replace(
        runs="see there" if timed else "-",
        see=experiment.title,
        commands=[] if timed else [experiment.command],
    )


def _of_times(
    timings: Timings, name: str, timed: Sequence[scores.Ratio], verb: str, side: str
) -> Claim:
    """Judges ratios of times of a benchmark."""
    wanted = verdicts.UNBEARABLE if name == "unbearable" else verdicts.SEVERAL
    return Claim(
        document.text("claims", name, verb=verb, side=side),
        verdicts.at_least(timed, wanted),
        f"how many times longer attention takes\n{verdicts.ranges(timed)}" if timed else "-",
        f"attention takes {verdicts.span(timed)} times as long" if timed else "-",
        _counts([REPEATS[verb]] if timed else []),
        TIMES,
        [] if timed else [f"python -m {SCRIPTS[verb]}"],
        rule(timings, name),
    )


def _continuous(experiments: Experiments, timings: Timings, mixer: str) -> Claim:
    gains: dict[bool, bootstrap.Interval | None] = {}
    every: list[scores.Comparison] = []
    missing: list[str] = []
    for kind in (True, False):
        pairs: dict[str, list[scores.Pair]] = {}
        commands = []
        for experiment in _environments(experiments):
            # "*" are all data sets; with other patterns an experiment has both kinds.
            if not (experiment.continuous if kind else "*" not in experiment.continuous):
                continue
            commands.append(experiment.command)
            for each in scores.against(experiment, mixer):
                is_continuous = experiment.is_continuous(each.group.dataset)
                if each.normalized and each.has_runs and is_continuous is kind:
                    pairs.setdefault(experiment.title, []).append(each.normalized)
                    every.append(each)
        gains[kind] = scores.gain(pairs)
        missing += [] if pairs else commands
    shown = {kind: document.show(gain, "%", signed=True) for kind, gain in gains.items()}
    first = "gain in % of the way from random play to the optimum"
    numbers = f"{first}\ncontinuous {shown[True]}\ndiscrete {shown[False]}"
    return Claim(
        document.text("claims", "continuous", mixer=mixer.upper()),
        verdicts.more_in_the_first(gains[True], gains[False]),
        numbers if every else "-",
        f"gain in %: {shown[True]} against {shown[False]}" if every else "-",
        _runs(every),
        COMPARISONS,
        missing,
        rule(timings, "continuous"),
    )


def one_against_three(experiment: Experiment, mixer: str) -> list[scores.Comparison]:
    """Compares one token a step with three, everything else equal."""
    groups = {(group.method, group.setting): group for group in experiment.groups}
    comparisons = []
    for group in experiment.groups:
        if (group.method, group.tokens) == (mixer, scores.ONE):
            # The variant may name the tokens.
            variant = group.variant.replace(scores.ONE, scores.THREE)
            wanted = group._replace(tokens=scores.THREE, variant=variant).setting
            if other := groups.get((mixer, wanted)):
                comparisons.append(scores.compare(experiment, group, other))
    return [each for each in comparisons if each]


def normalized_pairs(comparisons: Sequence[scores.Comparison]) -> dict[str, list[scores.Pair]]:
    """Returns normalized scores by data set; few runs do not count."""
    pairs: dict[str, list[scores.Pair]] = {}
    for each in comparisons:
        if each.normalized and each.has_runs:
            pairs.setdefault(each.group.data, []).append(each.normalized)
    return pairs


def _tokens(experiments: Experiments, timings: Timings, mixer: str) -> Claim:
    experiment = experiments["tokens"]
    every = one_against_three(experiment, mixer)
    pairs = normalized_pairs(every)
    gains = {name: gain for name, own in pairs.items() if (gain := scores.gain({name: own}))}
    overall = document.show(scores.gain(pairs), "%", signed=True)
    first = f"one minus three, in % of the way from random play to the optimum: {overall}"
    times = [first] if every else []
    for part, verb in (("updates", "train"), ("actions", "act")):
        if timed := scores.time_ratios(timings.get(verb, ()), LAYOUTS, [mixer]):
            times.append(f"{part} {verdicts.span(timed)} times as fast")
    return Claim(
        document.text(
            "claims", "tokens", mixer=mixer if mixer == scores.ATTENTION else mixer.upper()
        ),
        verdicts.as_well_as(gains),
        "\n".join(times) or "-",
        f"one minus three, in %: {overall}" if every else "-",
        _runs(every),
        experiment.title,
        [] if every else [experiment.command],
        rule(timings, "tokens"),
    )


def _stitching(experiment: Experiment, rule: str) -> Iterator[Claim]:
    every = verdicts.leads(experiment)
    sides = {
        "trained as the papers do": [lead for lead in every if not lead.group.variant],
        "with relabelled returns or one step": [lead for lead in every if lead.changes],
    }
    for side, leads in sides.items():
        best = _best(leads)
        numbers = ["points over the best score without joining; over the clone"]
        for lead in best:
            clone = lead.over_clone
            over = f"; {document.number(clone.value, '%', signed=True)}" if clone else ""
            own = document.show(lead.interval, "%", signed=True)
            numbers.append(f"{lead.group.method} {own}{over}")
        values = [lead.interval.value for lead in best] or [0.0]
        low, high = (document.number(f(values), "%", signed=True) for f in (min, max))
        yield Claim(
            document.text("claims", "stitching", side=side),
            verdicts.joins_walks(leads),
            "\n".join(numbers) if leads else "-",
            f"{low} to {high} points over the best score without joining" if leads else "-",
            _counts([lead.num_runs for lead in leads]),
            experiment.title,
            [] if leads else [experiment.command],
            rule,
        )


def _best(leads: Sequence[verdicts.Lead]) -> list[verdicts.Lead]:
    """Returns the lead of every mixer whose interval reaches least far down."""
    own = [[lead for lead in leads if lead.group.method == mixer] for mixer in load.MIXERS]
    return [max(each, key=lambda lead: lead.interval.low) for each in own if each]


def _published(experiment: Experiment, rule: str) -> Iterator[Claim]:
    every = list(key_to_door.entries(experiment))
    others = [each for each in every if each.published is not None and not each.decides]
    sides = {
        key_to_door.MAIN: [each for each in every if each.decides],
        key_to_door.UNIFORM: key_to_door.uniform(experiment),
    }
    for side, entries in sides.items():
        numbers = []
        for each in entries:
            if each.sampled is not None:
                start = f"{each.row}, {each.size}{key_to_door.updates_of(each)}"
                ours = document.show(each.sampled, "%")
                numbers.append(f"{start}: {each.published:g}, ours {ours}")
        if others and side == key_to_door.MAIN:
            numbers.append(f"other variants: {key_to_door.agreeing(others)} agree")
        is_open = any(each.verdict.word == verdicts.OPEN for each in entries)
        yield Claim(
            document.text("claims", "published", side=side),
            key_to_door.verdict(entries),
            "\n".join(numbers) or "-",
            f"{key_to_door.agreeing(entries)} published numbers agree" if entries else "-",
            _counts([each.num_runs for each in entries if each.num_runs]),
            experiment.title,
            [experiment.command] if is_open or not entries else [],
            rule,
        )


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
        others = ", ".join(f"`{each.rpartition('.')[2]}`" for each in claim.commands[1:])
        more = f", then also {others}" if others else ""
        run = f"run `{claim.commands[0]}`{more}" if claim.commands else ""
        return verdicts.lines(claim.verdict.where, run) or "-"

    def more(claim: Claim) -> str:
        return f"rule {rules.index(claim.rule) + 1}\n[more](#{document.anchor(claim.see)})"

    shown = tables.table(
        claims,
        {
            "claim": "text",
            "verdict": "verdict.badge",
            "where": where,
            "numbers behind it": "numbers",
            "runs": "runs",
            "": more,
        },
    )
    intervals = document.Paragraph(document.text("notes", "intervals"))
    return [
        document.Heading("The claims of the paper"),
        document.Paragraph(document.text("notes", "claims")),
        shown,
        document.Fold("How verdicts are computed", [intervals, document.Numbered(rules)]),
    ]


def comparisons(experiments: Experiments) -> list[document.Block]:
    """Shows every comparison of a mixer with attention, then all losses."""
    pairs = [
        each
        for mixer in scores.S4_MIXERS
        for experiment in _environments(experiments)
        for each in scores.against(experiment, mixer)
    ]
    missing = document.Paragraph("No experiment has rows of both mixers yet.")
    shown = tables.comparisons(pairs) if pairs else missing
    return [
        document.Heading(COMPARISONS),
        shown,
        document.note("comparisons"),
        *tables.losses(pairs),
    ]


def times(timings: Timings) -> list[document.Block]:
    """Shows all ratios of times."""
    content: list[document.Block] = [document.Heading(TIMES)]
    titles = {"train": "One update of training", "act": "One action, with room for a history"}
    contests = [contest for own in scores.CONTESTS.values() for contest in own]
    for verb, title in titles.items():
        rows, script = timings.get(verb, ()), SCRIPTS[verb]
        content.append(document.Heading(title, 3))
        if timed := scores.time_ratios(rows, contests):
            machines = verdicts.join([row["machine"] for row in rows])
            commits = verdicts.join([str(row["commit"]) for row in rows])
            fields = {"machines": machines, "commits": commits, "script": script}
            content += [tables.times(timed), document.note("times", **fields)]
        else:
            command = document.Command(f"python -m {script}")
            content += [document.Paragraph("Not yet run."), command]
    return content
