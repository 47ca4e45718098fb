"""What was found, in five headlines with numbers, and the picture of the project's README."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes

from experiments import figures
from experiments.report import comparisons, document, load, plots, scores, verdicts
from experiments.report.comparisons import NAMES, Measured
from experiments.report.tasks import Setting, Task
from jax_s4rl.envs.key_door import config

# Data whose target returns the picture shows, and models.
SWEEP, SWEPT = "cartpole/mixed", (scores.ATTENTION, "s4d")
# Methods that are no return-conditioned sequence model: what each does.
SIMPLE = {
    "percent_bc": "clones the best tenth of the episodes",
    "bc": "clones all episodes",
    "cql": "is conservative Q-learning",
    "lookup": "repeats a recorded episode",
}
# The mixers whose states are carried on, in the order of the sentence.
CARRIED = ("s4", "s4d", "lstm")
# Changes of the training that may mend it, in words.
MENDS = {
    load.SHORT_MEMORY: "features that remember half a training sequence at most",
    load.WHOLE_EPISODES: "training on episodes as long as those acted",
}
# Attention that acts with a window as long as its training, at any wait.
ROTARY = "attention, rotary positions"


class Finding(NamedTuple):
    """What was found about one thing.

    Attributes:
        headline: The finding in one sentence.
        numbers: Sentences with the numbers behind it.
    """

    headline: str
    numbers: str

    @property
    def text(self) -> str:
        """Headline and numbers as Markdown."""
        return f"**{self.headline}.** {self.numbers}".rstrip()


def findings(measured: Measured) -> list[Finding]:
    """Returns what was found about five things; those without rows are left out."""
    found = (_s4(measured), _lstm(measured), _simple(measured), _carry(measured), _speed(measured))
    return [finding for finding in found if finding]


def _s4(measured: Measured) -> Finding | None:
    """Says whether S4 and S4D beat attention, and where they lose."""
    pairs = {method: measured.of(method) for method in comparisons.S4_MIXERS}
    if not all(pairs.values()):
        return None
    outcomes = {name: [pair.main.outcome for pair in own] for name, own in pairs.items()}
    words = {verdicts.everywhere(own) for own in outcomes.values()}
    where = "where a model without memory (mlp) falls behind"
    if words == {verdicts.HOLDS}:
        start = f"S4 and S4D beat attention {where}"
    elif all(2 * own.count(scores.BETTER) > len(own) for own in outcomes.values()):
        start = f"S4 and S4D beat attention in most settings {where}, not in all"
    elif words == {verdicts.REFUTED}:
        start = "Neither S4 nor S4D beats attention everywhere"
    else:
        start = "It is open whether S4 and S4D beat attention everywhere"
    parts = [_of(own, f"{NAMES[method]} is") for method, own in pairs.items()]
    never = all(scores.WORSE not in own for own in outcomes.values())
    end = " Neither is worse in any of these." if never else ""
    aside = []
    for method in comparisons.S4_MIXERS:
        own = [
            pair
            for pair in measured.judged
            if pair.method == method and not pair.counts and not pair.task.group
        ]
        if lost := _lost([pair for pair in own if pair.other == scores.ATTENTION]):
            aside.append(f"{NAMES[method]} is worse on {lost}")
    there = f", where {' and '.join(aside)}" if aside else ""
    return Finding(
        start,
        f"In settings that count, {'; '.join(parts)}.{end}{_hidden(pairs)} "
        f"Settings in which mlp is level do not count{there}.",
    )


def _hidden(pairs: Mapping[str, Sequence[comparisons.Judged]]) -> str:
    """Says how it is without settings whose observations hide nothing, if there are such."""
    every = [pair for own in pairs.values() for pair in own]
    seen = [pair.name for pair in every if not pair.setting.hides]
    if not seen:
        return ""
    left = {method: [pair for pair in own if pair.setting.hides] for method, own in pairs.items()}
    parts = [_of(own, f"{NAMES[method]} is") for method, own in left.items()]
    return (
        f" Among them, observations hide nothing on {document.listed(list(dict.fromkeys(seen)))}; "
        f"in the rest {'; '.join(parts)}."
    )


def _of(pairs: Sequence[comparisons.Judged], subject: str) -> str:
    """Counts the outcomes of comparisons, and names the settings that are lost."""
    lost = _lost(pairs)
    where = f", worse on {lost}" if lost else ""
    return f"{subject} {verdicts.count_in(pairs)} of {len(pairs)}{where}"


def _lost(pairs: Sequence[comparisons.Judged]) -> str:
    """Names the tasks and settings where a method is worse than another; empty without any."""
    lost: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.main.outcome == scores.WORSE:
            title = pair.setting.title if len(pair.task.settings) > 1 else ""
            lost.setdefault(pair.task.title, []).append(title)
    return document.listed(
        [f"{task} ({'; '.join(own)})" if all(own) else task for task, own in lost.items()]
    )


def _lstm(measured: Measured) -> Finding | None:
    """Says how an LSTM does against attention, and S4 against it."""
    lstm, s4 = measured.of("lstm"), measured.of("s4", "lstm")
    if not lstm or not s4:
        return None
    outcomes = [pair.main.outcome for pair in s4]
    lead = outcomes.count(scores.BETTER) - outcomes.count(scores.WORSE)
    start = "Neither S4 nor an LSTM is ahead"
    if lead:
        more, less = ("beats", "loses to it") if lead > 0 else ("loses to", "beats it")
        start = f"S4 {more} an LSTM more often than it {less}"
    return Finding(
        start,
        f"Where both ran, {_of(s4, 'against the LSTM S4 is')}; "
        f"{_of(lstm, 'against attention the LSTM is')}.",
    )


def _simple(measured: Measured) -> Finding | None:
    """Counts the settings that need no memory, and those that simple methods win."""
    wins: collections.Counter[str] = collections.Counter()
    total = won = 0
    needs = []
    for task, setting in comparisons.judged_settings(measured.tasks):
        if task.group:
            continue
        best = best_methods(task, setting)
        total += bool(best)
        won += bool(best & SIMPLE.keys())
        wins.update(best & SIMPLE.keys())
        needs.append(comparisons.needs_memory(task, setting))
    controlled = [each for each in needs if each is not None]
    starts, parts = [], []
    if controlled:
        needless = controlled.count(False)
        starts.append(f"{needless} of {len(controlled)} settings need no memory")
        better = [pair.main.outcome for pair in measured.of(load.MEMORYLESS)].count(scores.BETTER)
        also = f"; it is better than attention in {better} others" if better else ""
        parts.append(f"Where none is needed, mlp is level with the best mixer{also}.")
    if won:
        among = "" if controlled else " settings"
        own = [name for name in SIMPLE if wins[name]]
        shown = [f"{comparisons.method_name(name)} in {wins[name]}" for name in own]
        shared = ", with ties" if sum(wins.values()) > won else ""
        starts.append(
            f"a simple method has the best mean score in {won} of {total}{among} "
            f"({document.listed(shown)}{shared})"
        )
        words = [f"{comparisons.method_name(name)} {SIMPLE[name]}" for name in own]
        parts.append(f"{', '.join(words)}.")
    start = ", and ".join(starts)
    return Finding(start[:1].upper() + start[1:], " ".join(parts)) if start else None


def best_methods(task: Task, setting: Setting) -> set[str]:
    """Returns the method of the best mean, and baselines that beat it where they ran.

    A baseline may lack some data sets of a setting; it is compared on those that it has.
    """
    every: dict[str, dict[str, float]] = {}
    for point in setting.points:
        for name, strata in scores.every_method(task, point).items():
            for data, rows in strata.items():
                value = scores.score(task, {data: rows}, task.kind_of(strata))
                if value is not None:
                    every.setdefault(name, {})[data] = value
                exact = task.reference("lookup", rows[0]["dataset"], task.judged_by)
                if exact is not None:
                    every.setdefault("lookup", {})[data] = exact
    most = max(map(len, every.values()), default=0)
    full = {name: own for name, own in every.items() if len(own) == most}
    if not full:
        return set()
    best = max(full, key=lambda name: sum(full[name].values()))
    ahead = {
        name
        for name, own in every.items()
        if name in SIMPLE and name not in full and all(_beats(own, each) for each in full.values())
    }
    return {best} | ahead


def _beats(own: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Returns whether scores are higher in the mean than others, which have the same data."""
    return set(own) <= set(other) and sum(own.values()) > sum(other[data] for data in own)


def _carry(measured: Measured) -> Finding | None:
    """Says what becomes of models that act from a state that is never cleared."""
    tests = comparisons.carried_tests(measured)
    found = {(test.title, test.training): test.scores for test in tests}
    cleared, never = (
        found.get((title, load.AS_TRAINED), {})
        for title in (comparisons.CLEARED, comparisons.NEVER)
    )
    low, high = _scale(measured)
    known = [name for name in CARRIED if name in cleared and name in never]
    texts = [
        f"from {_mean(cleared[name])} to {_mean(never[name])} ({NAMES[name]})" for name in known
    ]
    parts = []
    if texts:
        parts.append(
            "On CartPole without velocities, never clearing the state changes the return "
            f"{document.listed(texts)}."
        )
    trained = {way: own for (title, way), own in found.items() if title == comparisons.NEVER}
    mended = _mended(cleared, trained, least=-scores.MATTERS * (high - low))
    if mended:
        shown = [f"with {words} it is {values}" for words, values in mended.items()]
        text = "; ".join(shown)
        parts.append(f"{text[0].upper()}{text[1:]}.")
    task = measured.task("long_waits")
    points = [point for point in task.points if scores.methods_at(task, point)]
    if points:
        methods = scores.methods_at(task, points[-1])
        values = {name: comparisons.score(task, own) or 0.0 for name, own in methods.items()}
        shown = [
            f"{comparisons.method_name(name).partition(',')[0]} "
            f"{comparisons.show(task, values[name])} %"
            for name in sorted(values, key=lambda name: -values[name])
            if name in CARRIED or name == ROTARY
        ]
        parts.append(
            f"After {points[-1].title} between key and door, trained with "
            f"{config.DEFAULT_PHASES[1]}, the door is opened in these shares of episodes: "
            f"{', '.join(shown)}."
        )
    if not parts:
        return None
    outcomes = {
        scores.difference(
            *([[(value - low) / (high - low) for value in own[name]]] for own in (never, cleared))
        ).outcome
        for name in comparisons.S4_MIXERS
        if name in known
    }
    lost = "S4 fails when it acts for longer than it was trained and never clears its state"
    start = lost if outcomes == {scores.WORSE} else "Acting with a state that is never cleared"
    if mended and outcomes == {scores.WORSE}:
        verb = "avoids" if len(mended) == 1 else "avoid"
        start += f"; on CartPole {' and '.join(mended)} {verb} it"
    return Finding(start, " ".join(parts))


def _scale(measured: Measured) -> tuple[float, float]:
    """Returns random play and the optimum of CartPole without velocities."""
    task = measured.task("masked_cartpole")
    return task.scale(comparisons.MASKED, task.judged_by) or (0.0, 0.0)


def _mean(values: Sequence[float]) -> str:
    return document.number(float(np.mean(values)))


def _mended(
    before: Mapping[str, Sequence[float]],
    trained: Mapping[str, Mapping[str, Sequence[float]]],
    least: float,
) -> dict[str, str]:
    """Returns the trainings that mend a state that is never cleared, for S4 and S4D alike.

    Args:
        before: Returns of every run as trained, with cleared states, by method.
        trained: Returns with states that are never cleared, by training and method.
        least: Smallest change of a mean return with which a training mends.

    Returns:
        By training in words, the returns in words.
    """
    texts = {}
    for training, words in MENDS.items():
        after = trained.get(training, {})
        known = [name for name in comparisons.S4_MIXERS if name in before and name in after]
        if known and all(np.mean(after[name]) - np.mean(before[name]) >= least for name in known):
            names = [name for name in (*CARRIED, scores.ATTENTION) if name in after]
            shown = [f"{_mean(after[name])} ({comparisons.method_name(name)})" for name in names]
            texts[words] = document.listed(shown)
    return texts


def _speed(measured: Measured) -> Finding | None:
    """Says how many times longer attention takes, with as many tokens and parameters."""
    updates = scores.time_ratios(measured.lengths, "equal tokens and parameters", "training")
    actions = scores.time_ratios(measured.lengths, "equal tokens", "acting")
    if not updates or not actions:
        return None
    first, last, acted = _near(updates, 100), updates[-1], actions[-1]
    start = {
        verdicts.HOLDS: "S4D is several times faster",
        verdicts.PARTLY: "S4D is several times faster at long contexts only",
    }.get(verdicts.at_least(updates, verdicts.SEVERAL), "S4D is not several times faster")
    return Finding(
        f"At equal size, {start}",
        f"An update of attention takes "
        f"{document.show_ratio(first.value)} times as long as one of S4D at {first.place:,} "
        f"steps, and {document.show_ratio(last.value)} times at {last.place:,}. After "
        f"{acted.place:,} steps an action of attention takes {document.show_ratio(acted.value)} "
        "times as long as one of S4D, which has no feed-forward part there.",
    )


def _near(ratios: Sequence[scores.Ratio], length: int) -> scores.Ratio:
    return min(ratios, key=lambda ratio: abs(int(ratio.place) - length))


def picture(
    rows: Mapping[str, Sequence[load.Row]], lengths: Sequence[load.Row]
) -> document.Picture:
    """Returns the picture: achieved against target returns, and times of training by context."""
    runs = [
        row
        for row in load.sort(rows["cartpole"]).scored
        if row["dataset"] == SWEEP and not load.variant(row) and row["method"] in SWEPT
    ]
    timed = scores.on_main_machine(lengths)

    def fill(drawn: mpl_figure.Figure) -> None:
        drawn.set_size_inches(9.0, 3.4)
        left, right = drawn.subplots(1, 2)
        _sweep(left, runs)
        plots.times(right, timed, "training")
        if right.lines:
            right.legend(fontsize=8.5)

    text = (
        "Left: CartPole, achieved against target return, of attention and S4D. "
        "Right: milliseconds of training on one row of a batch, by context length."
    )
    return plots.picture("overview", text, [*runs, *timed], fill)


def _sweep(axes: Axes, rows: Sequence[load.Row]) -> None:
    for method, own in load.group_by(rows, lambda row: row["method"]).items():
        by_target: dict[float, list[float]] = {}
        for row in own:
            metrics = row["metrics"]
            pairs = zip(metrics.get("asked", ()), metrics.get("achieved_sampled", ()), strict=True)
            for target, mean in pairs:
                if mean is not None:
                    by_target.setdefault(target, []).append(mean)
        targets = sorted(target for target, each in by_target.items() if len(each) == len(own))
        if not targets:
            continue
        every = np.array([by_target[target] for target in targets])
        style: Any = {"color": figures.color(method)}
        name = comparisons.method_name(method)
        axes.plot(targets, every.mean(axis=1), "o-", lw=1.8, ms=4, label=name, **style)
        axes.fill_between(targets, every.min(1), every.max(1), alpha=0.15, lw=0, **style)
    axes.plot([0, 500], [0, 500], ":", color=figures.FAINT, lw=1.2, label="achieved as targeted")
    axes.set(xlabel="target return", ylabel="achieved return")
    axes.set_title("CartPole: one model, many target returns", fontsize=10, loc="left")
    axes.legend(fontsize=8.5)
