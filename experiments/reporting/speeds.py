"""How many times longer attention takes, from the lines of the benchmarks."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments import results
from experiments.reporting import blocks, descriptions, lines, scores, studies, verdicts

FOLDER = results.ROOT / "benchmarks" / "results"
ONE, THREE = "concatenated", "interleaved"
# What is compared: its name, the model, and the attention that it is measured by.
PAIRS = (
    ("{mixer}, three tokens each", ("{mixer}", THREE), ("attention", THREE)),
    ("{mixer}, one token each", ("{mixer}", ONE), ("attention", ONE)),
    ("{mixer} of as many parameters, one token each", ("{mixer}/matched", ONE), ("attention", ONE)),
    ("{mixer} with one token, attention with three", ("{mixer}", ONE), ("attention", THREE)),
    ("{mixer}, attention that maps its history anew, three tokens each", ("{mixer}", THREE), ("recompute", THREE)),
)
MIXERS = ("s4", "s4d")
# Steps from which a context is called long: the length of the episodes that the paper found too long.
LONG = 100


class Timed(NamedTuple):
    """Milliseconds of a model and of the attention that it is measured by; a `verdicts.Ratio` with more in it.

    Attributes:
      pair: who is compared.
      place: at which length, how many episodes at once, and the machine if there are several.
      value: how many times longer attention takes, by medians.
      of_minima: the same by the fastest runs.
      milliseconds: medians, of the model and of attention.
      context: steps.
    """

    pair: str
    place: str
    value: float
    of_minima: float
    milliseconds: tuple[float, float]
    context: int


class AtTask(NamedTuple):
    """How many times longer attention takes than a mixer, at one task."""

    pair: str
    place: str
    value: float


def read(name: str, folder: Path = FOLDER) -> list[lines.Row]:
    """Lines of a benchmark, in the order of their file; of equals the last one counts."""
    found = {_key(row): row for row in results.read_rows(folder / f"{name}.jsonl")}
    return list(found.values())


def compare(rows: Sequence[lines.Row]) -> list[Timed]:
    """All pairs that were timed on one machine, at one length, with one number of episodes."""
    known = {_key(row): row for row in rows}
    places = sorted({key[:1] + key[3:] for key in known}, key=lambda place: (place[0], place[1], place[2] or 0))
    several_machines = len({place[0] for place in places}) > 1
    # The batch of training follows from the context; that of acting is a choice.
    several_batches = len({place[:2] for place in places}) < len(places)
    found = []
    for mixer in MIXERS:
        for name, model, attention in PAIRS:
            for machine, context, batch in places:
                pair = (
                    known.get((machine, who.format(mixer=mixer), tokens, context, batch))
                    for who, tokens in (model, attention)
                )
                timed = [row for row in pair if row is not None]
                if len(timed) < 2:
                    continue
                place = f"{context:,} steps"
                place += f", {batch} at once" if several_batches else ""
                place += f", {machine}" if several_machines else ""
                found.append(_time(name.format(mixer=mixer), place, context, timed))
    return found


def per_task(study: studies.Study, metrics: Sequence[descriptions.Metric]) -> list[AtTask]:
    """How many times longer attention takes on every task, by every time that is asked for."""
    machines = {arm.setting.variant for arm in study.arms}
    found = []
    for mixer in MIXERS:
        for match in studies.against(study, mixer):
            place = match.setting.name if len(machines) > 1 else match.setting.data
            for metric in metrics:
                ours, theirs = (scores.strata(arm.rows, metric.name) for arm in match.arms)
                if ours and theirs:
                    pair = f"{mixer}, {metric.label}" if len(metrics) > 1 else mixer
                    found.append(AtTask(pair, place, scores.middle_value(theirs) / scores.middle_value(ours)))
    return found


def ranges(timed: Sequence[verdicts.Ratio]) -> str:
    """Lowest and highest ratio of every pair."""
    parts = []
    for pair in dict.fromkeys(each.pair for each in timed):
        values = [each.value for each in timed if each.pair == pair]
        ends = sorted({f"{min(values):.1f}", f"{max(values):.1f}"}, key=float)
        parts.append(f"{pair}: {' to '.join(ends)} times")
    return "\n".join(parts)


def table(timed: Sequence[Timed]) -> blocks.Table:
    """All ratios."""
    rows = []
    for each in timed:
        times = (f"{value:.3g}" for value in each.milliseconds)
        rows.append([each.pair, each.place, *times, f"{each.value:.2f}", f"{each.of_minima:.2f}"])
    head = ["compared", "at", "ms, first", "ms, attention", "ratio of medians", "of minima"]
    return blocks.Table(head, rows, left=2)


def _time(pair: str, place: str, context: int, rows: Sequence[lines.Row]) -> Timed:
    model, attention = (row["seconds"] for row in rows)
    return Timed(
        pair,
        place,
        attention["median"] / model["median"],
        attention["minimum"] / model["minimum"],
        (1e3 * model["median"], 1e3 * attention["median"]),
        context,
    )


def _key(row: lines.Row) -> tuple:
    return row["machine"], row["method"], row["tokens"], row["context_length"], row["metrics"].get("batch")
