"""Twins: what a hidden observation costs a method, and what memory costs where nothing is hidden.

A task that hides something has a fully observed twin: same world, same recorded actions, all that
matters is shown. The observability gap of a method is its score on the twin minus its score on the
task: what its memory does not make up for. The memory bias of a method is its score on the twin
minus that of the mixer without memory there: what memory itself gives or takes where it is not
needed, by its parameters and its optimization. A difference between mixers on the task is one of
memory only as far as it is one of the gaps and not of the biases.

Source: Wang et al. 2025, Investigating Memory in RL with POPGym Arcade (twins, gap and bias).
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from experiments import protocol, tuning

# Method and variant of the rows of one model.
Model = tuple[str, str]


class Pair(NamedTuple):
    """Datasets of a task and of its twin.

    Attributes:
        hidden: Dataset of the task.
        shown: Dataset of the fully observed twin.
    """

    hidden: str
    shown: str


def observability_gaps(
    rows: Iterable[Mapping[str, Any]], pair: Pair, metric: str
) -> dict[Model, list[float]]:
    """Computes the observability gap of every model: score on the twin minus score on the task.

    Args:
        rows: Result rows; those of tuning grids are left out.
        pair: Task and twin.
        metric: Name of the score; larger is better.

    Returns:
        By method and variant, a gap for each training seed that has both scores, in their order;
        0 or less if memory makes up for everything that is hidden.
    """
    rows = list(rows)
    hidden, shown = (_scores(rows, dataset, metric) for dataset in pair)
    return _differences(shown, {model: hidden.get(model, {}) for model in shown})


def memory_biases(
    rows: Iterable[Mapping[str, Any]], pair: Pair, metric: str
) -> dict[Model, list[float]]:
    """Computes the memory bias of every model: its score on the twin minus that without memory.

    Args:
        rows: Result rows; those of tuning grids are left out.
        pair: Task and twin.
        metric: Name of the score; larger is better.

    Returns:
        By method and variant, a bias for each training seed that has both scores, in their order;
        below 0 if memory costs something where it is not needed.
    """
    shown = _scores(rows, pair.shown, metric)
    memoryless = shown.get((protocol.MEMORYLESS, ""), {})
    others = {model: scores for model, scores in shown.items() if model[0] != protocol.MEMORYLESS}
    return _differences(others, dict.fromkeys(others, memoryless))


def _scores(
    rows: Iterable[Mapping[str, Any]], dataset: str, metric: str
) -> dict[Model, dict[int, float]]:
    """Returns the score of every model on a dataset, by seed; later rows replace earlier ones."""
    found: dict[Model, dict[int, float]] = {}
    for row in rows:
        variant = row["metrics"].get("variant", "")
        seed: int | None = row["seed"]
        # References have no seed.
        if seed is None or row["dataset"] != dataset or tuning.TITLE in variant:
            continue
        if metric in row["metrics"]:
            found.setdefault((row["method"], variant), {})[seed] = row["metrics"][metric]
    return found


def _differences(
    scores: Mapping[Model, Mapping[int, float]], others: Mapping[Model, Mapping[int, float]]
) -> dict[Model, list[float]]:
    found = {}
    for model, own in scores.items():
        seeds = sorted(own.keys() & others[model].keys())
        if seeds:
            found[model] = [own[seed] - others[model][seed] for seed in seeds]
    return found
