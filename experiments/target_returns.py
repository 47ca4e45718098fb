"""Target returns: which one a model is conditioned on for its score, and the sweep beside it.

The target of every score is fixed in advance: the mean return of the optimum, or the best recorded
return where no recorded episode is as good. Where few episodes earned that much, a model has hardly
seen its target. So a second target is the mean return of the best tenth of the recorded episodes,
the ones that percentile behavior cloning learns from.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments import runner
from jax_s4rl.agents import (
    cql,
    decision_transformer,
    latent_cloning,
    tasks,
    trajectory_transformer,
)
from jax_s4rl.data import selection
from jax_s4rl.evaluation import return_sweep, rollout
from jax_s4rl.modules import tokens

KINDS = ("greedy", "sampled")
SHARE = 0.1
# Distance between the environment seeds of two training seeds.
SEED_STEP = 100_000


def best(task: tasks.Task) -> float:
    """Returns the target of the score: the optimum, or the best recorded return if that is less.

    More than the mean of the optimum is luck, for instance an easy start.
    """
    return min(float(task.record.episode_returns.max()), task.optimal_return)


def tenth(task: tasks.Task) -> float:
    """Returns the mean return of the best tenth of the recorded episodes."""
    return float(task.record.episode_returns[selection.top_episodes(task.record, SHARE)].mean())


def is_conditioned(trained: runner.Trained) -> bool:
    """Returns whether a model is conditioned on a return; clones and Q-networks are not."""
    return (
        isinstance(trained, decision_transformer.Trained)
        and trained.config.model.returns != tokens.NONE
    )


def act(
    trained: runner.Trained,
    task: tasks.Task,
    targets: np.ndarray,
    *,
    greedy: np.ndarray,
    seed: int,
    **more: Any,
) -> rollout.Rollout:
    """Runs one episode per target; Q-networks, planners and latent clones ignore targets.

    Args:
        trained: Trained model.
        task: Task whose environment is acted in.
        targets: Target return of each episode.
        greedy: Whether the likeliest action is taken (True) or one is sampled, for each episode.
        seed: Seed of environments and samples.
        **more: Other arguments of the agent's `act`, for instance `make_env`.

    Returns:
        The episodes and times.
    """
    if isinstance(trained, cql.Trained):
        return cql.act(trained, task, greedy=greedy, seed=seed, **more)
    if isinstance(trained, latent_cloning.Trained):
        return latent_cloning.act(trained, task, greedy=greedy, seed=seed, **more)
    if isinstance(trained, trajectory_transformer.Trained):
        return trajectory_transformer.act(trained, task, len(targets), seed=seed, **more)
    return decision_transformer.act(trained, task, targets, greedy=greedy, seed=seed, **more)


def act_both_ways(
    trained: runner.Trained,
    task: tasks.Task,
    target: float,
    episodes: int,
    *,
    seed: int | None = None,
    **more: Any,
) -> rollout.Rollout:
    """Runs episodes for one target: first greedy ones, then as many with sampled actions.

    Args:
        trained: Trained model.
        task: Task whose environment is acted in.
        target: Target return.
        episodes: Episodes of each way of choosing actions.
        seed: Training seed that the environment seeds belong to; the model's own if None.
        **more: Other arguments of `act`.

    Returns:
        The episodes and times.
    """
    greedy = np.arange(2 * episodes) < episodes
    targets = np.full(2 * episodes, target, np.float32)
    seed = environment_seed(trained.seed if seed is None else seed)
    return act(trained, task, targets, greedy=greedy, seed=seed, **more)


def environment_seed(training_seed: int) -> int:
    """Returns the first environment seed of a training seed, the same for every method."""
    return SEED_STEP * (training_seed + 1)


def seconds(acted: rollout.Rollout) -> float:
    """Returns the time that acting took, with compilation."""
    return acted.act_seconds + acted.compile_seconds


def sweep(
    trained: runner.Trained,
    task: tasks.Task,
    plan: return_sweep.SweepTargets,
    *,
    episodes: int,
    episodes_each: int,
    kinds: tuple[str, ...] = KINDS,
) -> rollout.Rollout:
    """Runs the episodes of score and sweep, all at once.

    Models that are not conditioned on a return get the main target only.

    Args:
        trained: Trained model.
        task: Task with the episodes that the model was trained on.
        plan: Targets of the sweep.
        episodes: Episodes of each kind for the main target, and for the mean of the best tenth.
        episodes_each: Episodes of each kind for every target of the sweep.
        kinds: Ways of choosing actions; models that predict one action have greedy ones only.

    Returns:
        The episodes and times.
    """
    targets = np.full(episodes, best(task))
    if is_conditioned(trained):
        main = np.repeat(np.unique([best(task), tenth(task)]), episodes)
        targets = np.concatenate([main, np.repeat(plan.targets, episodes_each)])
    repeated = np.tile(targets, len(kinds)).astype(np.float32)
    greedy = np.repeat([kind == "greedy" for kind in kinds], len(targets))
    seed = environment_seed(trained.seed)
    acted = act(trained, task, repeated, greedy=greedy, seed=seed)
    return dataclasses.replace(acted, targets=repeated)


def episodes_of(acted: rollout.Rollout, kind: str, target: float | None = None) -> np.ndarray:
    """Returns the indices of the episodes of a kind, for one target or for all."""
    of_kind = acted.greedy == (kind == "greedy")
    return np.flatnonzero(
        of_kind if target is None else of_kind & (acted.targets == np.float32(target))
    )


def metrics(
    acted: rollout.Rollout, task: tasks.Task, plan: return_sweep.SweepTargets
) -> dict[str, Any]:
    """Returns the score and the mean return of every target; marks targets without data.

    Args:
        acted: Episodes that `sweep` returned.
        task: Task with the episodes that the model was trained on.
        plan: Targets of the sweep.

    Returns:
        Metrics of a result row.
    """
    returns = acted.record.episode_returns
    found: dict[str, Any] = {"target": best(task)}
    kinds = [kind for kind in KINDS if len(episodes_of(acted, kind))]
    for kind in kinds:
        scores = returns[episodes_of(acted, kind, best(task))]
        found |= {f"return_{kind}": float(scores.mean()), f"std_{kind}": float(scores.std())}
    # With several targets the model is conditioned on them.
    if len(np.unique(acted.targets)) > 1:
        found["target_tenth"] = tenth(task)
        for kind in kinds:
            own = episodes_of(acted, kind, tenth(task))
            found[f"return_tenth_{kind}"] = float(returns[own].mean())
        found |= _sweep_metrics(acted, plan, kinds)
    return found | {"seconds": seconds(acted)}


def _sweep_metrics(
    acted: rollout.Rollout, plan: return_sweep.SweepTargets, kinds: list[str]
) -> dict[str, Any]:
    returns = acted.record.episode_returns
    asked, supported = plan.targets.tolist(), plan.supported.tolist()
    found: dict[str, Any] = {"asked": asked, "supported": supported}
    for kind in kinds:
        own = episodes_of(acted, kind)
        achieved = return_sweep.means(acted.targets[own], returns[own], plan.targets).tolist()
        found[f"achieved_{kind}"] = achieved
        for name, value in control(asked, achieved, supported).items():
            found[f"{name}_{kind}"] = value
    return found


def control(
    targets: Sequence[float], achieved: Sequence[float], supported: Sequence[bool]
) -> dict[str, float]:
    """Measures how well mean returns follow the targets that the data support, each counted once.

    Args:
        targets: Target returns.
        achieved: Mean return of each target.
        supported: Whether the data have such a return.

    Returns:
        Metrics of a result row; empty if fewer than two targets are supported.
    """
    of_data = np.flatnonzero(supported)
    if len(of_data) < 2:
        return {}
    found = return_sweep.controllability(
        np.asarray(targets)[of_data], np.asarray(achieved)[of_data]
    )
    return {"slope": found.slope, "rank_correlation": found.rank_correlation}
