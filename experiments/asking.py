"""Asks trained models for returns: one that is fixed in advance gives the score, a sweep of others stands beside it.

The rule of every score: the mean return of the optimum is asked for, or the best recorded return where none is as
good. Where few episodes earned as much, a model has hardly seen what it is asked for; beside the score stands what a
modest wish brings, the mean return of the best tenth of the recorded episodes, the ones that percentile behavior
cloning learns from.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments import cells
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.data import selection
from jax_s4rl.evaluation import return_sweep, rollout
from jax_s4rl.modules import tokens

KINDS = ("greedy", "sampled")
SHARE = 0.1


def best(task: tasks.Task) -> float:
    """The return that is asked for where a score is reported: the optimum, or the best recorded one if that is less.

    More than the mean of the optimum is luck, for instance an easy start.
    """
    return min(float(task.record.episode_returns.max()), task.optimal_return)


def modest(task: tasks.Task) -> float:
    """Mean return of the best tenth of the recorded episodes."""
    return float(task.record.episode_returns[selection.best(task.record, SHARE)].mean())


def listens(trained: cells.Trained) -> bool:
    """Whether a model is told a return at all; clones and Q-networks are not."""
    return isinstance(trained, decision_transformer.Trained) and trained.config.model.returns != tokens.NONE


def ask(
    trained: cells.Trained,
    task: tasks.Task,
    swept: return_sweep.Plan,
    *,
    episodes: int,
    episodes_each: int,
    kinds: tuple[str, ...] = KINDS,
    **more: Any,
) -> rollout.Rollout:
    """Lets a model act, all episodes at once; one that does not listen is told the best alone.

    Args:
      trained: the model.
      task: with the episodes that it was trained on.
      swept: the targets of the sweep.
      episodes: of each kind, for the return that gives the score, and for the modest wish.
      episodes_each: of each kind, for every target of the sweep.
      kinds: ways of choosing actions; where one action is predicted, the greedy one is all there is.
      **more: for `cells.act`.

    Returns:
      The episodes.
    """
    targets = np.full(episodes, best(task))
    if listens(trained):
        wishes = np.unique([best(task), modest(task)])
        targets = np.concatenate([np.repeat(wishes, episodes), np.repeat(swept.targets, episodes_each)])
    repeated = np.tile(targets, len(kinds)).astype(np.float32)
    greedy = np.repeat([kind == "greedy" for kind in kinds], len(targets))
    acted = cells.act(trained, task, repeated, greedy=greedy, seed=100_000 * (trained.seed + 1), **more)
    return dataclasses.replace(acted, targets=repeated)


def chosen(acted: rollout.Rollout, kind: str, target: float | None = None) -> np.ndarray:
    """Indices of the episodes of a kind, of one target or of all."""
    of_kind = acted.greedy == (kind == "greedy")
    return np.flatnonzero(of_kind if target is None else of_kind & (acted.targets == np.float32(target)))


def judge(acted: rollout.Rollout, task: tasks.Task, swept: return_sweep.Plan) -> dict[str, Any]:
    """The score, and what came of every target; targets without support in the data are marked.

    Control is judged over supported targets, where there are at least two: how well achieved returns follow them.

    Args:
      acted: what `ask` gave.
      task: with the episodes that the model was trained on.
      swept: the targets.

    Returns:
      Metrics of a result line.
    """
    returns, listened = acted.record.episode_returns, len(np.unique(acted.targets)) > 1
    metrics: dict[str, Any] = {"target": best(task)}
    kinds = [kind for kind in KINDS if len(chosen(acted, kind))]
    for kind in kinds:
        scores = returns[chosen(acted, kind, best(task))]
        metrics |= {f"return_{kind}": float(scores.mean()), f"std_{kind}": float(scores.std())}
    if listened:
        wish = modest(task)
        modestly = {f"return_tenth_{kind}": float(returns[chosen(acted, kind, wish)].mean()) for kind in kinds}
        metrics |= {"target_tenth": wish} | modestly | _sweep(acted, swept, kinds)
    return metrics | {"seconds": acted.act_seconds + acted.compile_seconds}


def _sweep(acted: rollout.Rollout, swept: return_sweep.Plan, kinds: list[str]) -> dict[str, Any]:
    returns = acted.record.episode_returns
    metrics: dict[str, Any] = {"asked": swept.targets.tolist(), "supported": swept.supported.tolist()}
    for kind in kinds:
        own = chosen(acted, kind)
        achieved = return_sweep.means(acted.targets[own], returns[own], swept.targets).tolist()
        found = control(metrics["asked"], achieved, metrics["supported"])
        metrics |= {f"achieved_{kind}": achieved} | {f"{name}_{kind}": value for name, value in found.items()}
    return metrics


def control(asked: Sequence[float], achieved: Sequence[float], supported: Sequence[bool]) -> dict[str, float]:
    """How well mean returns follow what was asked for, over the targets that the data support: each counts once.

    Args:
      asked: targets.
      achieved: mean return of each.
      supported: whether the data have such a return.

    Returns:
      Metrics of a result line; none where fewer than two targets are supported.
    """
    of_data = np.flatnonzero(supported)
    if len(of_data) < 2:
        return {}
    found = return_sweep.controllability(np.asarray(asked)[of_data], np.asarray(achieved)[of_data])
    return {"slope": found.slope, "rank_correlation": found.rank_correlation}
