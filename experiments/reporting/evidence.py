"""The table of claims, and what stands behind it: all comparisons, all times, all rules."""

from collections.abc import Mapping, Sequence

from experiments.reporting import blocks, claims, lines, published, scores, speeds, studies, verdicts

CLAIMS = "The claims of the paper"
INTERVALS = (
    "Intervals are those of a percentile bootstrap, stratified by data set. Where a data set was recorded once, what "
    f"is drawn again are runs, {scores.OF_SEEDS}. Where it was recorded several times, as the thousand episodes of "
    f"key-to-door, they are {scores.OF_RECORDINGS}; rules that ask for five runs then ask for five recordings, "
    "and two methods are compared recording by recording. Runs of one recording are not paired."
)
ABOUT_TIMES = (
    "Models of three blocks of width 128; S4 models have the lean block of their own papers, without feed-forward "
    "part, but where parameters are said to be equal."
)
# What lines call a machine on which a process was given one core.
ONE_CORE = ", 1 cores"


def in_short(found: claims.Evidence, judged: Sequence[claims.Judged]) -> list[blocks.Block]:
    """Verdicts without what stands behind them, and the published table beside ours: for the front page."""
    rows = [[each.claim, each.verdict.badge] for each in judged]
    return [
        blocks.Table(["claim", "verdict"], rows, left=2),
        published.in_short(found.study("key_to_door")),
        hours(found.found),
    ]


def table(judged: Sequence[claims.Judged]) -> list[blocks.Block]:
    """The table of claims, with the rules behind it."""
    rules: dict[str, int] = {}
    rows = []
    for each in judged:
        number = rules.setdefault(each.rule, len(rules) + 1)
        told = verdicts.lines(each.verdict.where, _to_run(each.commands))
        more = f"rule {number}\n[more](#{blocks.anchor(each.see)})"
        rows.append([each.claim, each.verdict.badge, told or "-", each.numbers, each.runs, more])
    head = ["claim", "verdict", "where", "numbers behind it", "runs", ""]
    return [
        blocks.Heading(CLAIMS),
        blocks.Paragraph(
            "Verdicts are computed from the committed result lines by the rules below; no verdict is typed. Numbers "
            "are interquartile means over runs with 95 % intervals; P(better) is the chance that a run of the one "
            "method beats a run of the other."
        ),
        blocks.Table(head, rows, left=6),
        blocks.Fold("How verdicts are computed", [blocks.Paragraph(INTERVALS), blocks.Numbered(list(rules))]),
    ]


def _to_run(commands: Sequence[str]) -> str:
    """How to get what is missing."""
    if not commands:
        return ""
    first, *others = commands
    likewise = ", ".join(f"`{command.rpartition('.')[2]}`" for command in others)
    return f"run `{first}`{f', likewise {likewise}' if others else ''}"


def hours(found: Sequence[studies.Study]) -> blocks.Paragraph:
    """What all experiments took, by machine."""
    by_machine: dict[str, float] = {}
    for study in found:
        every = [*study.found.scored, *study.found.tuning, *study.found.superseded]
        for machine in dict.fromkeys(row["machine"] for row in every):
            spent = lines.minutes([row for row in every if row["machine"] == machine])
            by_machine[machine] = by_machine.get(machine, 0.0) + spent / 60
    told = [
        f"{spent:.1f} hours on {machine.replace(ONE_CORE, ', one core each')}"
        for machine, spent in by_machine.items()
        if spent
    ]
    return blocks.Paragraph(
        f"All experiments below took {' and '.join(told)}: compilation, training, acting and tuning, earlier settings "
        "included, benchmarks of time not. Where processes have one core each, two at once take half of that by the "
        "clock."
        if told
        else "No experiment was run yet."
    )


def comparisons(evidence: claims.Evidence) -> list[blocks.Block]:
    """Every comparison of a mixer with attention."""
    tones: Mapping[str, str] = {scores.AHEAD: blocks.GOOD, scores.BEHIND: blocks.BAD}
    rows = []
    for mixer in claims.MIXERS:
        for match in (match for group in evidence.matches(mixer).values() for match in group):
            about = match.study.about
            metric = about.metrics[0]
            ours, theirs = (scores.middle(values) for values in _scores(match))
            found = match.comparison
            difference = found.difference
            rows.append(
                [
                    f"[{about.title}](#{blocks.anchor(about.title)})",
                    match.setting.name,
                    mixer,
                    blocks.Badge(found.outcome, tones.get(found.outcome, blocks.OPEN)),
                    scores.show(ours, metric.unit),
                    scores.show(theirs, metric.unit),
                    scores.show(difference, metric.unit, signed=True),
                    scores.show(found.improvement),
                    f"{found.runs[0]}, {found.runs[1]}",
                    _otherwise(match),
                ]
            )
    head = ["experiment", "setting", "mixer", "against attention"]
    head += ["score", "score of attention", "difference (plus is better)", "P(better)", "runs", "chosen otherwise"]
    content = (
        [blocks.Table(head, rows, left=4)]
        if rows
        else [blocks.Paragraph("No experiment has lines of both mixers yet.")]
    )
    note = blocks.Note(
        "The score is that of the section: with sampled actions, or with the likeliest (greedy). The last column has "
        "the outcome with actions chosen the other way; no verdict rests on it."
    )
    return [blocks.Heading(claims.COMPARISONS), *content, note]


def _otherwise(match: studies.Match) -> str:
    if match.otherwise is None:
        return "-"
    kind = next(kind for kind in match.study.about.metrics[0].kinds if kind != match.study.about.judged_by)
    return f"{kind}: {match.otherwise.outcome}"


def times(evidence: claims.Evidence) -> list[blocks.Block]:
    """The ratios that were timed."""
    found: list[blocks.Block] = [blocks.Heading(claims.TIMES)]
    kinds: Sequence[tuple[str, list[lines.Row], str]] = (
        ("One update of training", evidence.training, claims.TRAINING),
        ("One action, with room for a history", evidence.acting, claims.ACTING),
    )
    for title, rows, script in kinds:
        found.append(blocks.Heading(title, 3))
        timed = speeds.compare(rows, (*speeds.ALIKE, *speeds.BUILT))
        if not timed:
            found += [blocks.Paragraph("Not yet run."), blocks.Command(f"python -m {script}")]
            continue
        machines = verdicts.join([row["machine"] for row in rows])
        commits = verdicts.join([str(row["commit"]) for row in rows])
        found += [
            speeds.table(timed),
            blocks.Note(f"Measured on {machines}; commit {commits}; `python -m {script}`. {ABOUT_TIMES}"),
        ]
    return found


def _scores(match: studies.Match) -> tuple[scores.Strata, scores.Strata]:
    factor = match.study.about.metrics[0].factor
    one, two = ({key: [factor * value for value in runs] for key, runs in side.items()} for side in match.pair)
    return one, two
