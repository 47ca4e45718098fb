"""Committed rows beside the same runs under another version of JAX.

jaxlib 0.10.2 sums wrongly on CPU, and the committed rows were made with it. Some trials of every experiment were
trained again with a version that sums right, and once more with 0.10.2 on that same machine, so that what the version
changes can be told from what another processor changes.
"""

import math
from collections.abc import Sequence
from typing import Any

from experiments import suites
from experiments.reporting import again, blocks, lines, scores, studies

TITLE = "Trained again under another JAX"
HAZARDOUS = "0.10.2"
# Both evaluations draw their episodes: the difference of two means has sqrt(2) times the error of one.
QUANTILE, BOTH = 1.96, math.sqrt(2)


def blocks_of(found: Sequence[studies.Study], rows: Sequence[lines.Row]) -> list[blocks.Block]:
    """A table of experiments, one row each; nothing if no run was trained again.

    Args:
      found: The experiments.
      rows: Of the runs that were trained again, under two versions of jaxlib.
    """
    clean = [row for row in rows if row["versions"]["jaxlib"] != HAZARDOUS]
    if not clean:
        return []
    control = [row for row in rows if row["versions"]["jaxlib"] == HAZARDOUS]
    by_version = again.match(found, clean), again.match(found, control), _between(found, control, clean)
    head = ["experiment", "trials", "runs"]
    for name in ("against the rows", f"{HAZARDOUS} here against the rows", f"against {HAZARDOUS} here"):
        head += [f"{name}: the same", "largest difference of the score", "beyond sampling"]
    table = [row for study in found if (row := _row(study, by_version))]
    return [blocks.Fold(TITLE, [blocks.Paragraph(_text(by_version, clean, control)), blocks.Table(head, table)])]


def _text(by_version: Sequence[list[again.Pair]], clean: Sequence[lines.Row], control: Sequence[lines.Row]) -> str:
    against, of_control, between = by_version
    beyond = [_count_beyond(pairs) for pairs in by_version]
    same = [sum(pair.is_same for pair in pairs) for pairs in by_version]
    version = ", ".join(sorted({row["versions"]["jaxlib"] for row in clean}))
    machine = "; ".join(dict.fromkeys(row["machine"] for row in clean))
    text = (
        f"The committed rows were made with jaxlib {HAZARDOUS}, whose sums on CPU can be wrong. {len(against)} runs "
        f"were trained again with jaxlib {version} on another processor ({machine}): {same[0]} have the same numbers "
        f"to the last digit, and the scores of {beyond[0]} differ by more than the sampling of their own evaluation "
        "leaves open. "
    )
    if control:
        text += (
            f"With {HAZARDOUS} itself on that processor, {same[1]} of {len(of_control)} have the same numbers and "
            f"{beyond[1]} scores differ by more than sampling; between the two versions on that processor {same[2]} of "
            f"{len(between)} and {beyond[2]}. "
        )
    return text + (
        "*Sampling*: 1.96 standard errors of the difference of two evaluations of "
        f"{suites.Options().episodes} episodes, from the share or the standard deviation in the row; an exact score "
        "has none, and neither has one without a standard deviation: these count if they differ by more than the "
        "committed runs of the trial among themselves."
    )


def _row(study: studies.Study, by_version: Sequence[list[again.Pair]]) -> list[str] | None:
    own = [[pair for pair in pairs if pair.study.about.name == study.about.name] for pairs in by_version]
    if not own[0]:
        return None
    cells = {pair.first["metrics"]["cell"] for pair in own[0]}
    row = [study.about.title, str(len(cells)), str(len(own[0]))]
    for pairs in own:
        differences = [pair.difference for pair in pairs if pair.difference is not None]
        row += [
            str(sum(pair.is_same for pair in pairs)),
            scores.number(max(differences), study.about.metrics[0].unit) if differences else "-",
            str(_count_beyond(pairs)),
        ]
    return row


def _between(
    found: Sequence[studies.Study], control: Sequence[lines.Row], clean: Sequence[lines.Row]
) -> list[again.Pair]:
    """The runs of both versions on one machine."""
    second = {(pair.study.about.name, *_run(pair.first)): pair.second for pair in again.match(found, clean)}
    return [
        again.Pair(pair.study, pair.second, second[key])
        for pair in again.match(found, control)
        if (key := (pair.study.about.name, *_run(pair.first))) in second
    ]


def _count_beyond(pairs: Sequence[again.Pair]) -> int:
    """Runs whose score differs by more than the sampling of their evaluation."""
    return sum(pair.difference is not None and pair.difference > _sampling(pair) for pair in pairs)


def _sampling(pair: again.Pair) -> float:
    """What two evaluations of the same model may differ by, with a chance of 95 %."""
    score = pair.study.about.score
    metrics: dict[str, Any] = pair.first["metrics"]
    spread = metrics.get(f"std_{score.rpartition('_')[2]}")
    if score.startswith("return") and spread is not None:
        return QUANTILE * BOTH * spread / math.sqrt(suites.Options().episodes)
    if not score.startswith("return") and 0 <= metrics[score] <= 1:
        share = metrics[score]
        return QUANTILE * BOTH * math.sqrt(share * (1 - share) / suites.Options().episodes)
    runs = [
        row["metrics"][score]
        for row in pair.study.found.trained
        if row["metrics"]["cell"] == metrics["cell"] and row["metrics"].get(score) is not None
    ]
    return max(runs) - min(runs)


def _run(row: lines.Row) -> tuple[Any, ...]:
    return row["metrics"]["cell"], row["seed"]
