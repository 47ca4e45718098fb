"""The table of claims, and what stands behind it: all comparisons, all times, all rules."""

from collections.abc import Mapping, Sequence

from experiments.reporting import blocks, claims, lines, losses, published, rules, scores, speeds, studies, verdicts

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
# Seconds that a first look may take.
LOOK_WITHIN = 300.0


def in_short(found: claims.Evidence, judged: Sequence[claims.Judged]) -> list[blocks.Block]:
    """Verdicts with a few words, and the published table beside ours: for the front page."""
    rows = [[each.claim, each.verdict.badge, each.short] for each in judged]
    return [
        blocks.Table(["claim", "verdict", "in short"], rows, left=3),
        published.in_short(found.study("key_to_door")),
        hours(found),
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


def hours(found: claims.Evidence) -> blocks.Paragraph:
    """What all experiments took, by machine; lines of earlier code count."""
    by_machine: dict[str, float] = {}
    for rows in (*(study.found.trained for study in found.found), found.earlier):
        for machine in dict.fromkeys(row["machine"] for row in rows):
            spent = lines.minutes([row for row in rows if row["machine"] == machine])
            by_machine[machine] = by_machine.get(machine, 0.0) + spent / 60
    told = [
        f"{spent:.1f} on {machine.replace(ONE_CORE, ', one core')}" for machine, spent in by_machine.items() if spent
    ]
    if not told:
        return blocks.Paragraph("No experiment was run yet.")
    alone = sum(spent for machine, spent in by_machine.items() if machine.endswith(ONE_CORE))
    clock = (
        f" Two processes side by side, one core each, take about half of the hours of one core: {alone / 2:.1f} by the "
        "clock."
        if alone
        else ""
    )
    return blocks.Paragraph(
        f"The experiments below took {sum(by_machine.values()):.1f} hours of computing ({'; '.join(told)}): "
        "compilation, training, acting and tuning, earlier settings included; recording the data and benchmarks of "
        f"speed not.{clock}{_earlier(found.earlier)}"
    )


def _earlier(rows: Sequence[lines.Row]) -> str:
    if not rows:
        return ""
    return (
        f" {len(rows)} lines in `experiments/results/earlier.jsonl` are of code that was changed since: their time "
        f"is in the sum ({lines.minutes(rows) / 60:.1f} hours), their scores are in no table."
    )


def looks(found: claims.Evidence) -> list[blocks.Block]:
    """What a first look at every experiment takes; nothing where none was timed. The last one on a machine counts."""
    known = {(row["metrics"]["look"], row["machine"]): row["seconds"]["look"] for row in found.looks}
    if not known:
        return []
    rows = [[f"`{name}`", f"{seconds:.0f}", machine] for (name, machine), seconds in known.items()]
    note = (
        "`python -m experiments.NAME --quick`, one after the other, each in an empty folder and without caches: data "
        f"are made, programs compiled, models trained and judged. It should take less than {LOOK_WITHIN:.0f} s; the "
        f"longest took {max(known.values()):.0f} s (`python -m benchmarks.first_run`)."
    )
    return [blocks.Fold("First looks", [blocks.Table(["experiment", "seconds", "machine"], rows), blocks.Note(note)])]


def comparisons(evidence: claims.Evidence) -> list[blocks.Block]:
    """Every comparison of a mixer with attention."""
    tones: Mapping[str, str] = {scores.AHEAD: blocks.GOOD, scores.BEHIND: blocks.BAD}
    matches = [match for mixer in claims.MIXERS for group in evidence.matches(mixer).values() for match in group]
    rows = []
    for match in matches:
        about = match.study.about
        metric = about.metrics[0]
        ours, theirs = (scores.middle(values) for values in _scores(match))
        found = match.comparison
        rows.append(
            [
                f"[{about.title}](#{blocks.anchor(about.title)})",
                match.study.name(match.setting),
                match.arms[0].method,
                blocks.Badge(found.outcome, tones.get(found.outcome, blocks.OPEN)),
                scores.show(ours, metric.unit),
                scores.show(theirs, metric.unit),
                scores.show(found.difference, metric.unit, signed=True),
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
    return [blocks.Heading(claims.COMPARISONS), *content, note, *losses.blocks_of(matches)]


def _otherwise(match: studies.Match) -> str:
    if match.otherwise is None:
        return "-"
    kind = next(kind for kind in match.study.about.metrics[0].kinds if kind != match.study.about.judged_by)
    return f"{kind}: {match.otherwise.outcome}"


def times(evidence: claims.Evidence) -> list[blocks.Block]:
    """The ratios that were timed."""
    found: list[blocks.Block] = [blocks.Heading(claims.TIMES)]
    kinds: Sequence[tuple[str, list[lines.Row], str]] = (
        ("One update of training", evidence.training, rules.TRAINING),
        ("One action, with room for a history", evidence.acting, rules.ACTING),
    )
    for title, rows, script in kinds:
        found.append(blocks.Heading(title, 3))
        timed = speeds.compare(rows, [contest for contests in claims.CONTESTS.values() for contest in contests])
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
