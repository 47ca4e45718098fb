"""How many times longer attention takes, from the rows of the benchmarks and of single tasks."""

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.stats

from experiments.report import document, load, scores
from experiments.report.experiment import Experiment, Metric
from experiments.report.verdicts import Ratio
from jax_s4rl.evaluation import result_rows

FOLDER = Path(__file__).parents[2] / "benchmarks" / "results"
ONE, THREE = "concatenated", "interleaved"
MIXERS = ("s4", "s4d")
# Steps of a long context: the length of the episodes that the paper found too long.
LONG = 100


class Contest(NamedTuple):
    """Compared models by method and tokens; `other` is measured against the faster `model`."""

    name: str
    model: tuple[str, str]
    other: tuple[str, str]


ALIKE = (
    Contest("{mixer}, three tokens", ("{mixer}", THREE), ("attention", THREE)),
    Contest("{mixer}, one token", ("{mixer}", ONE), ("attention", ONE)),
)
MATCHED = (Contest("{mixer} matched, one token", ("{mixer}/matched", ONE), ("attention", ONE)),)
ONE_THREE = (
    Contest("{mixer}, one against three", ("{mixer}", ONE), ("attention", THREE)),
    Contest("{mixer} matched, one against three", ("{mixer}/matched", ONE), ("attention", THREE)),
    Contest("{mixer}, one against recomputed window", ("{mixer}", ONE), ("recompute", THREE)),
)
# What fewer tokens give without another mixer.
TOKENS_ALONE = (Contest("attention, one against three", ("attention", ONE), ("attention", THREE)),)
LAYOUTS = (Contest("{mixer}", ("{mixer}", ONE), ("{mixer}", THREE)),)


def read(name: str, folder: Path = FOLDER) -> list[load.Row]:
    """Returns the rows of a benchmark; of equal ones the last counts."""
    last = {_key(row): row for row in result_rows.read_rows(folder / f"{name}.jsonl")}
    return list(last.values())


def compare(
    rows: Sequence[load.Row],
    contests: Sequence[Contest],
    mixers: Sequence[str] = MIXERS,
    *,
    shortest: int = 0,
) -> list[Ratio]:
    """Returns all pairs timed on one machine, at one length, with one number of episodes.

    Contexts below the shortest are left out.
    """
    by_key = {_key(row): row for row in rows}
    places = sorted(
        {key[:1] + key[3:] for key in by_key}, key=lambda place: (place[0], place[1], place[2] or 0)
    )
    several_machines = len({place[0] for place in places}) > 1
    # The batch of training follows from the context; that of acting is a choice.
    several_batches = len({place[:2] for place in places}) < len(places)
    ratios = []
    for mixer, contest in itertools.product(mixers, contests):
        for machine, context, batch in places:
            pair = [
                by_key.get((machine, method.format(mixer=mixer), tokens, context, batch))
                for method, tokens in (contest.model, contest.other)
            ]
            timed = [row for row in pair if row is not None]
            if len(timed) == 2 and context >= shortest:
                series = [f"{batch} at once"] * several_batches + [machine] * several_machines
                name = contest.name.format(mixer=mixer)
                ratios.append(_time(name, ", ".join(series), context, timed))
    return ratios


def per_task(experiment: Experiment, metrics: Sequence[Metric]) -> list[Ratio]:
    """Returns how many times longer attention takes at every task, by every given metric."""
    machines = {group.variant for group in experiment.groups}
    ratios = []
    for mixer in MIXERS:
        for each in scores.against(experiment, mixer):
            machine = each.group.variant if len(machines) > 1 else ""
            task = each.group.rows[0]["metrics"].get("task", each.group.data)
            for metric in metrics:
                sides = (scores.strata(group.rows, metric.name) for group in each[1:3])
                ours, theirs = sides
                if ours and theirs:
                    action = metric.label.rpartition(", ")[2]
                    pair = f"{mixer}, {action}" if len(metrics) > 1 else mixer
                    ratio = scores.middle_value(theirs) / scores.middle_value(ours)
                    ratios.append(Ratio(pair, machine, task, ratio))
    return ratios


def ranges(timed: Sequence[Ratio]) -> str:
    """Returns the lowest and highest ratio of every pair, one pair on each line."""
    pairs = dict.fromkeys(each.pair for each in timed)
    spans = {pair: span([each for each in timed if each.pair == pair]) for pair in pairs}
    return "\n".join(f"{pair}: {ends}" for pair, ends in spans.items())


def span(timed: Sequence[Ratio]) -> str:
    """Returns the lowest and highest ratio."""
    return _ends([each.value for each in timed], 1)


def shares(timed: Sequence[Ratio]) -> str:
    """Returns the parameters of models as shares of attention's, in percent."""
    return _ends([100 * each.parameters[0] / each.parameters[1] for each in timed], 0)


def _ends(values: Sequence[float], decimals: int) -> str:
    ends = {f"{end:.{decimals}f}" for end in (min(values), max(values))}
    return " to ".join(sorted(ends, key=float))


def show(value: float, ends: tuple[float, float] | None) -> str:
    """Returns a ratio as text, with its interval if it has one."""
    return f"{value:.2f}" if ends is None else f"{value:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"


def place(timed: Ratio) -> str:
    """Returns at which length and in which series a pair was timed."""
    return document.join(timed.place, timed.series)


def _time(pair: str, series: str, context: int, rows: Sequence[load.Row]) -> Ratio:
    model, other = (row["seconds"] for row in rows)
    return Ratio(
        pair,
        series,
        f"{context:,} steps",
        other["median"] / model["median"],
        context,
        interval(*(row["metrics"].get("turns", []) for row in rows)),
        other["minimum"] / model["minimum"],
        (1e3 * model["median"], 1e3 * other["median"]),
        (rows[0]["parameters"], rows[1]["parameters"]),
    )


def interval(model: Sequence[float], other: Sequence[float]) -> tuple[float, float] | None:
    """Returns the 95 % interval of the ratio of medians; None if turns are missing.

    Turns are resampled as pairs, for both times of a turn were taken one after the other.
    """
    return _interval(tuple(model), tuple(other)) if model and len(model) == len(other) else None


@functools.cache
def _interval(model: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float]:
    result = scipy.stats.bootstrap(
        (other, model),
        lambda above, below, axis: np.median(above, axis) / np.median(below, axis),
        paired=True,
        method="percentile",
        n_resamples=scores.NUM_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _key(row: load.Row) -> tuple:
    names = (row["machine"], row["method"], row["tokens"], row["context_length"])
    return (*names, row["metrics"].get("batch"))
