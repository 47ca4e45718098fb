"""The claims of the founding paper, each with the verdict that the result lines give."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.reporting import layouts, lines, published, scores, speeds, stitching, studies, verdicts

MIXERS = ("s4", "s4d")
TIMED = "10 or more"
TRAINING, ACTING = "benchmarks.training", "benchmarks.acting"
COMPARISONS, TIMES = "Comparisons behind the claims", "Times behind the claims"
ACHIEVED = "of the way from random play to the optimum"
# Who is compared, by what is said of it.
CONTESTS = {"like for like": speeds.ALIKE, "as the paper builds them": speeds.BUILT}
SIDES = (
    "**Like for like** are models with as many tokens a step, one of them (*matched*) also with as many parameters. "
    "**As the paper builds them**: it calls S4 several times faster than the Decision Transformer, which reads three "
    "tokens a step, and proposes one for its own models (which of its numbers that holds for it does not say); so S4 "
    "has one token here and attention three, and to act also attention that maps its history anew at every step, as "
    "published Decision Transformers do. *64 at once*: so many episodes are acted together."
)
SEVERAL_TIMES = (
    f"**Several times** is read as {verdicts.SEVERAL:g} times or more, by medians in milliseconds. The claim holds if "
    "attention takes that much longer in every pair and wherever it was timed, fails if nowhere, else it holds only "
    f"where it does. {SIDES} The paper gives no number for it; its reasons are that S4 is asymptotically faster, and "
    "does not keep the history when it acts. The tasks of the experiments are timed like for like."
)
UMBRELLA = (
    "Umbrella length judges the first action alone, where there is nothing to mix yet when a model acts: mixers differ "
    "there in what they learn. It counts as any other environment."
)


class Evidence(NamedTuple):
    """Everything that was measured.

    Attributes:
      found: lines of the experiments.
      training: lines of the benchmark of updates.
      acting: lines of the benchmark of actions.
    """

    found: Sequence[studies.Study]
    training: list[lines.Row]
    acting: list[lines.Row]

    def matches(self, mixer: str) -> dict[str, list[studies.Match]]:
        """Comparisons with attention, by environment, of those that have any."""
        found = {each.about.title: list(studies.against(each, mixer)) for each in self.environments}
        return {name: group for name, group in found.items() if group}

    @property
    def environments(self) -> list[studies.Study]:
        """Experiments that stand for an environment."""
        return [each for each in self.found if each.about.is_environment]

    def study(self, name: str) -> studies.Study:
        """The experiment of that name."""
        return next(each for each in self.found if each.about.name == name)


class Judged(NamedTuple):
    """A claim and what became of it.

    Attributes:
      claim: in our words.
      verdict: computed.
      numbers: behind it.
      runs: number of runs, or what takes their place.
      see: headline of the section that shows more.
      commands: that run what is missing.
      rule: how the verdict is computed.
    """

    claim: str
    verdict: verdicts.Verdict
    numbers: str
    runs: str
    see: str
    commands: Sequence[str]
    rule: str


def judge(evidence: Evidence) -> list[Judged]:
    """All claims, in the order in which the paper makes them."""
    return [
        *(_better(evidence, mixer) for mixer in MIXERS),
        *(_faster(evidence.training, "train", TRAINING, side) for side in CONTESTS),
        *(_faster(evidence.acting, "act", ACTING, side) for side in CONTESTS),
        _faster_at_tasks(evidence, "train", slice(0, 1)),
        _faster_at_tasks(evidence, "act", slice(1, 3)),
        *(_continuous(evidence, mixer) for mixer in MIXERS),
        *(_long(evidence.training, "train", TRAINING, side) for side in CONTESTS),
        *(_long(evidence.acting, "act", ACTING, side) for side in CONTESTS),
        *(_tokens(evidence, mixer) for mixer in ("attention", *MIXERS)),
        *_stitching(evidence),
        _published(evidence),
    ]


def _better(evidence: Evidence, mixer: str) -> Judged:
    matches = evidence.matches(mixer)
    missing = [each for each in evidence.environments if each.about.title not in matches]
    found = [match for group in matches.values() for match in group]
    count = {
        outcome: sum(match.comparison.outcome == outcome for match in found)
        for outcome in (scores.AHEAD, scores.LEVEL, scores.BEHIND, scores.FEW)
    }
    chance = scores.show(
        scores.improvement({name: [match.pair for match in group if match.speaks] for name, group in matches.items()})
    )
    settings = ", ".join(f"{name} in {number}" for name, number in count.items() if number)
    return Judged(
        claim=f"{mixer.upper()} beats the transformer in every environment",
        verdict=verdicts.everywhere(matches, [each.about.title for each in missing]),
        numbers=f"settings: {settings}\nP(better) {chance}" if found else "-",
        runs=_runs(found),
        see=COMPARISONS,
        commands=[each.about.command for each in missing],
        rule=(
            "In a setting (data set and variant) a mixer is **ahead** if the 95 % interval of the difference of "
            "interquartile means lies above zero and that of the probability of improvement above one half, **behind** "
            "likewise, else **level**; fewer than five runs of either give no outcome. The claim holds if it is ahead "
            "in at least one setting of every environment and behind in none; it fails if it is ahead in no setting; "
            "else it holds only where it is ahead. The score of each environment was fixed in advance (its section "
            "names it). One of twenty settings is ahead or behind by chance, and more than one where runs are few, for "
            "then bootstrap intervals are too narrow. P(better) is the mean over environments of the mean over their "
            f"data sets and variants. {UMBRELLA}"
        ),
    )


def _faster(rows: list[lines.Row], verb: str, script: str, side: str) -> Judged:
    timed = speeds.compare(rows, CONTESTS[side])
    return Judged(
        claim=f"S4 is several times faster: to {verb}, {side}",
        verdict=verdicts.at_least(timed, verdicts.SEVERAL),
        numbers=_times(timed),
        runs=TIMED if timed else "-",
        see=TIMES,
        commands=[] if timed else [f"python -m {script}"],
        rule=SEVERAL_TIMES,
    )


def _faster_at_tasks(evidence: Evidence, verb: str, which: slice) -> Judged:
    study = evidence.study("speed_per_task")
    timed = speeds.per_task(study, study.about.metrics[which])
    return Judged(
        claim=f"S4 is several times faster: to {verb}, at the tasks of the experiments",
        verdict=verdicts.at_least(timed, verdicts.SEVERAL),
        numbers=_times(timed),
        runs="see there" if timed else "-",
        see=study.about.title,
        commands=[] if timed else [study.about.command],
        rule=SEVERAL_TIMES,
    )


def _times(timed: Sequence[verdicts.Ratio]) -> str:
    return f"how many times longer attention takes\n{speeds.ranges(timed)}" if timed else "-"


def _long(rows: list[lines.Row], verb: str, script: str, side: str) -> Judged:
    timed = speeds.compare(rows, CONTESTS[side], shortest=speeds.LONG)
    return Judged(
        claim=f"Long context makes attention unbearably slow: to {verb}, {side}",
        verdict=verdicts.at_least(timed, verdicts.UNBEARABLE),
        numbers=_times(timed),
        runs=TIMED if timed else "-",
        see=TIMES,
        commands=[] if timed else [f"python -m {script}"],
        rule=(
            f"**Long** are {speeds.LONG} steps and more, the episodes that the paper found too long. **Unbearable** is "
            f"read as {verdicts.UNBEARABLE:g} times slower or more than the S4 model: an hour becomes a day of work. "
            "The claim holds if attention is that slow in every pair and at every such length, fails if in none. The "
            "paper finds attention *extremely slow* there, for its matrix has the length twice, and S4 not. The two "
            "sides are those of the rule before."
        ),
    )


def _continuous(evidence: Evidence, mixer: str) -> Judged:
    gains, found, missing = {}, [], []
    for kind in (True, False):
        here = [each for each in evidence.environments if each.about.is_continuous is kind]
        matches = [
            match for each in here for match in studies.against(each, mixer) if match.normalized and match.speaks
        ]
        by_environment: dict[str, list[scores.Pair]] = {}
        for match in matches:
            if match.normalized:
                by_environment.setdefault(match.study.about.title, []).append(match.normalized)
        gains[kind] = scores.gain(by_environment)
        found += matches
        missing += [] if matches else [each.about.command for each in here]
    shown = {kind: scores.show(gain, "%", signed=True) for kind, gain in gains.items()}
    return Judged(
        claim=f"{mixer.upper()} gains most where the state is continuous",
        verdict=verdicts.more_in_the_first(gains[True], gains[False]),
        numbers=f"gain in % {ACHIEVED}\ncontinuous {shown[True]}\ndiscrete {shown[False]}" if found else "-",
        runs=_runs(found),
        see=COMPARISONS,
        commands=missing,
        rule=(
            "Scores are put on one scale, 0 for random play and 1 for the optimum; the **gain** is the mean over "
            "environments of the mean over their data sets and variants of the difference of means: the many lengths "
            "of umbrella weigh as much as one environment. The claim holds if the interval of the gain over "
            "environments of continuous state lies above zero and above the interval over those of discrete state; it "
            f"fails if it lies below the other, or below zero; else it is undecided. {UMBRELLA}"
        ),
    )


def _tokens(evidence: Evidence, mixer: str) -> Judged:
    study = evidence.study("tokens")
    found = layouts.matches(study, mixer)
    overall = scores.show(layouts.overall(found), "%", signed=True)
    timed = {
        what: speeds.compare(rows, speeds.LAYOUTS, [mixer])
        for what, rows in (("updates", evidence.training), ("actions", evidence.acting))
    }
    times = [f"{what} {speeds.span(ratios)} times as fast" for what, ratios in timed.items() if ratios]
    return Judged(
        claim=f"One concatenated token works as well as three: {mixer if mixer == 'attention' else mixer.upper()}",
        verdict=verdicts.as_well_as(layouts.gains(found)),
        numbers=verdicts.lines(f"one minus three, in % {ACHIEVED}: {overall}" if found else "", *times) or "-",
        runs=_runs(found),
        see=study.about.title,
        commands=[] if found else [study.about.command],
        rule=(
            f"**As well** means that no more than {100 * verdicts.MARGIN:g} % of the way from random play to the "
            "optimum is lost: on a data set the interval of the mean difference must lie above minus that margin. The "
            "claim holds if it does on all data sets, holds only where it does, fails if it does on none and the "
            "interval lies below zero on some; else it is undecided. Fewer than five runs of each do not count. Times "
            f"do not decide; they are those of the quiet benchmarks (`{TRAINING}`, `{ACTING}`), for the trainings of "
            "`tokens` ran beside another busy process."
        ),
    )


def _stitching(evidence: Evidence) -> list[Judged]:
    study = evidence.study("random_walk")
    every = stitching.leads(study)
    sides = {
        "trained as the papers do": [lead for lead in every if lead.is_plain],
        "with what joining takes": [lead for lead in every if lead.has_what_it_takes],
    }
    return [
        Judged(
            claim=f"Decision models join walks to paths that no single walk shows: {side}",
            verdict=stitching.verdict(found),
            numbers=f"points over what joins nothing; over the clone\n{stitching.numbers(found)}" if found else "-",
            runs=_counts([lead.num_runs for lead in found]),
            see=study.about.title,
            commands=[] if found else [study.about.command],
            rule=(
                "Three exact lines join nothing: **lookup** repeats the best recorded walk, **random** plays at "
                "random, **blind** likewise but for knowing the way where the goal is one edge away. A mixer joins "
                "walks on `nosuffix` data if the interval of its share of optimal paths, minus that of the best of "
                "these lines on the same data, lies above zero; **trained as the papers do** it is told the recorded "
                "returns of whole walks, **what joining takes** are composed returns or seeing one step alone, or "
                "both, of which one has to be above zero (shown is the best). The claim holds if every mixer does, "
                "fails if none, else it holds only for those. Fewer than five runs do not count. The lead over the "
                "behavior clone of the same data stands beside it and decides nothing."
            ),
        )
        for side, found in sides.items()
    ]


def _published(evidence: Evidence) -> Judged:
    study = evidence.study("key_to_door")
    deciding = [each for each in published.beside(study.about, study.found) if each.decides]
    ours = [each for each in deciding if each.sampled is not None]
    told = [f"{each.row}, {each.size}: {each.published:g}, ours {scores.show(each.sampled, '%')}" for each in ours]
    return Judged(
        claim="The Decision Transformer's key-to-door table (percent of success)",
        verdict=published.verdict(study),
        numbers=verdicts.lines(*told, published.others(study)) or "-",
        runs=_counts([each.num_runs for each in ours if each.num_runs]),
        see=study.about.title,
        commands=[study.about.command] if any(each.verdict.word == verdicts.OPEN for each in deciding) else [],
        rule=(
            f"A published number **agrees** if it lies within {verdicts.TOLERANCE:g} points of the interval of ours, "
            f"actions sampled, and that interval is no wider than {verdicts.WIDEST:g} points. One variant of ours was "
            "named for each row: attention with balanced batches, percentile and plain behavior cloning around "
            "attention, Q-learning with the conservatism of its paper (1). The claim holds if every number of the "
            "table agrees by it, and holds only for those that do; other variants are counted, and decide nothing. "
            "Fewer than five runs, or recordings, do not count."
        ),
    )


def _runs(matches: Sequence[studies.Match]) -> str:
    return _counts([number for match in matches for number in match.comparison.runs])


def _counts(numbers: Sequence[int]) -> str:
    if not numbers:
        return "-"
    low, high = min(numbers), max(numbers)
    return f"{low} of each" if low == high else f"{low} to {high} of each"
