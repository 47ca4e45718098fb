"""How many times longer attention takes, from the lines of the benchmarks."""

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.stats

from experiments.reporting import blocks, descriptions, lines, scores, studies, verdicts
from jax_s4rl.evaluation import documents, result_rows

FOLDER = Path(__file__).parents[2] / "benchmarks" / "results"
ONE, THREE = "concatenated", "interleaved"
MIXERS = ("s4", "s4d")
# Steps from which a context is called long: the length of the episodes that the paper found too long.
LONG = 100


class Contest(NamedTuple):
    """Who is compared, by method and tokens.

    Attributes:
      name: for people.
      model: what should be the faster one.
      other: what it is measured by.
    """

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
    Contest("{mixer}, one against mapped anew", ("{mixer}", ONE), ("recompute", THREE)),
)
# What fewer tokens give without another mixer.
TOKENS_ALONE = (Contest("attention, one against three", ("attention", ONE), ("attention", THREE)),)
LAYOUTS = (Contest("{mixer}", ("{mixer}", ONE), ("{mixer}", THREE)),)


class Timed(NamedTuple):
    """Milliseconds of a model and of what it is measured by; a `verdicts.Ratio` with more in it.

    Attributes:
      pair: who is compared.
      series: how many episodes at once, and the machine, if there are several.
      place: at which length.
      value: how many times longer the other one takes, by medians.
      interval: 95 % interval of it over turns; None where the lines do not have the turns.
      of_minima: the same by the fastest runs.
      milliseconds: medians, of the model and of the other.
      parameters: of the model and of the other.
      context: steps.
    """

    pair: str
    series: str
    place: str
    value: float
    interval: tuple[float, float] | None
    of_minima: float
    milliseconds: tuple[float, float]
    parameters: tuple[int, int]
    context: int


class AtTask(NamedTuple):
    """How many times longer attention takes than a mixer, at one task; a `verdicts.Ratio` as well."""

    pair: str
    series: str
    place: str
    value: float
    context: None = None


def read(name: str, folder: Path = FOLDER) -> list[lines.Row]:
    """Lines of a benchmark, in the order of their file; of equals the last one counts."""
    found = {_key(row): row for row in result_rows.read_rows(folder / f"{name}.jsonl")}
    return list(found.values())


def compare(
    rows: Sequence[lines.Row], contests: Sequence[Contest], who: Sequence[str] = MIXERS, *, shortest: int = 0
) -> list[Timed]:
    """All pairs that were timed on one machine, at one length, with one number of episodes.

    Args:
      rows: of a benchmark.
      contests: who is compared.
      who: the mixers.
      shortest: contexts of fewer steps are left out.
    """
    known = {_key(row): row for row in rows}
    places = sorted({key[:1] + key[3:] for key in known}, key=lambda place: (place[0], place[1], place[2] or 0))
    several_machines = len({place[0] for place in places}) > 1
    # The batch of training follows from the context; that of acting is a choice.
    several_batches = len({place[:2] for place in places}) < len(places)
    found = []
    for mixer, contest in itertools.product(who, contests):
        for machine, context, batch in places:
            pair = (
                known.get((machine, method.format(mixer=mixer), tokens, context, batch))
                for method, tokens in (contest.model, contest.other)
            )
            timed = [row for row in pair if row is not None]
            if len(timed) == 2 and context >= shortest:
                told = [f"{batch} at once"] * several_batches + [machine] * several_machines
                found.append(_time(contest.name.format(mixer=mixer), ", ".join(told), context, timed))
    return found


def per_task(study: studies.Study, metrics: Sequence[descriptions.Metric]) -> list[AtTask]:
    """How many times longer attention takes on every task, by every time that is asked for."""
    machines = {arm.setting.variant for arm in study.arms}
    found = []
    for mixer in MIXERS:
        for match in studies.against(study, mixer):
            machine = match.setting.variant if len(machines) > 1 else ""
            task = match.arms[0].rows[0]["metrics"].get("task", match.setting.data)
            for metric in metrics:
                ours, theirs = (scores.strata(arm.rows, metric.name) for arm in match.arms)
                if ours and theirs:
                    what = metric.label.rpartition(", ")[2]
                    pair = f"{mixer}, {what}" if len(metrics) > 1 else mixer
                    found.append(AtTask(pair, machine, task, scores.middle_value(theirs) / scores.middle_value(ours)))
    return found


def ranges(timed: Sequence[verdicts.Ratio]) -> str:
    """Lowest and highest ratio of every pair."""
    parts = []
    for pair in dict.fromkeys(each.pair for each in timed):
        parts.append(f"{pair}: {span([each for each in timed if each.pair == pair])}")
    return "\n".join(parts)


def span(timed: Sequence[verdicts.Ratio]) -> str:
    """Lowest and highest ratio."""
    values = [each.value for each in timed]
    return " to ".join(sorted({f"{min(values):.1f}", f"{max(values):.1f}"}, key=float))


def shares(timed: Sequence[Timed]) -> str:
    """Parameters of models as shares of attention's, in percent."""
    found = [100 * each.parameters[0] / each.parameters[1] for each in timed]
    return " to ".join(sorted({f"{min(found):.0f}", f"{max(found):.0f}"}, key=float))


def table(timed: Sequence[Timed]) -> blocks.Table:
    """All ratios."""
    rows = []
    for each in timed:
        times = (documents.milliseconds(value / 1e3) for value in each.milliseconds)
        sizes = (f"{value:,}" for value in each.parameters)
        place = ", ".join(filter(None, [each.place, each.series]))
        rows.append([each.pair, place, *times, show(each.value, each.interval), f"{each.of_minima:.2f}", *sizes])
    head = ["compared", "at", "ms, first", "ms, attention", "ratio of medians", "of minima"]
    head += ["parameters, first", "parameters, attention"]
    return blocks.Table(head, rows, left=2)


def show(value: float, ends: tuple[float, float] | None) -> str:
    """A ratio with its interval, if it has one."""
    return f"{value:.2f}" if ends is None else f"{value:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"


def _time(pair: str, series: str, context: int, rows: Sequence[lines.Row]) -> Timed:
    model, other = (row["seconds"] for row in rows)
    return Timed(
        pair,
        series,
        f"{context:,} steps",
        other["median"] / model["median"],
        interval(*(row["metrics"].get("turns", []) for row in rows)),
        other["minimum"] / model["minimum"],
        (1e3 * model["median"], 1e3 * other["median"]),
        (rows[0]["parameters"], rows[1]["parameters"]),
        context,
    )


def interval(model: Sequence[float], other: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the ratio of medians.

    Turns are drawn again, each with both its times: they were taken one after the other.

    Args:
      model: seconds of the model in every turn.
      other: of what it is measured by.

    Returns:
      The ends; None where turns are missing.
    """
    return _interval(tuple(model), tuple(other)) if model and len(model) == len(other) else None


@functools.cache
def _interval(model: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float]:
    found = scipy.stats.bootstrap(
        (other, model),
        lambda above, below, axis: np.median(above, axis) / np.median(below, axis),
        paired=True,
        method="percentile",
        n_resamples=scores.NUM_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _key(row: lines.Row) -> tuple:
    return row["machine"], row["method"], row["tokens"], row["context_length"], row["metrics"].get("batch")
