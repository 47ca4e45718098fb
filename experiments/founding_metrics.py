"""Scores of the founding report's tasks: its own numbers, exact floors and ceilings beside them.

Its models acted on wrong histories: the function that scales rewards was used for past actions as
well, so that the action `a` became the vector with `a / scale` in every place, where training had
the one-hot vector of `a`. A table of actions is a linear map of one-hot vectors, so the same
mistake is made here by exchanging its rows while acting.
"""

import contextlib
import dataclasses
from typing import Any

import numpy as np

from experiments import reference_rows, runner, target_returns
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.data import trajectories
from jax_s4rl.envs import door_key_play, graphs, weighted_walk
from jax_s4rl.evaluation import return_sweep, umbrella

GRAPH, UMBRELLA, DOOR_KEY, CARTPOLE = "graph", "umbrella", "door_key", "cartpole"
RIGHT, WRONG = "right", "wrong"
# The report counts an umbrella episode as a success above this total reward.
TOTAL = 0.5


def measure(
    task: tasks.Task,
    trained: runner.Trained,
    *,
    family: str,
    targets: tuple[float, ...],
    episodes: int,
    episodes_each: int,
    history: str = RIGHT,
    divisor: float = 1.0,
) -> dict[str, Any]:
    """Returns the metrics of a result row.

    Args:
        task: Task with the episodes that were learned from.
        trained: Trained model.
        family: Kind of the task: graph, umbrella, door_key or cartpole.
        targets: Target returns that the report asked for; the score of umbrella is for the highest.
        episodes: Episodes for the main target, for each way of choosing actions.
        episodes_each: Episodes for every other target, for each way.
        history: Past actions that the model is given while it acts, right or wrong.
        divisor: Scale of the rewards, by which wrong past actions are divided.
    """
    if history == WRONG:
        assert isinstance(trained, decision_transformer.Trained)
        trained = dataclasses.replace(trained, params=with_wrong_history(trained.params, divisor))
    if family == UMBRELLA:
        return _of_umbrella(task, trained, targets, episodes)
    plan = return_sweep.choose_targets(task.record.episode_returns, extra=targets)
    acted = target_returns.sweep(
        trained, task, plan, episodes=episodes, episodes_each=episodes_each
    )
    found = target_returns.metrics(acted, task, plan)
    for kind in target_returns.KINDS:
        own = target_returns.episodes_of(acted, kind, target_returns.best(task))
        described = _describe(family, acted.record.select(own), task)
        found |= {f"{name}_{kind}": value for name, value in described.items()}
        # Clones and Q-networks cannot be asked for a return: theirs is the same for all targets.
        achieved = found.get(f"achieved_{kind}", [found[f"return_{kind}"]])
        found[f"best_of_sweep_{kind}"] = max(achieved)
    return found


def with_wrong_history(params: Any, divisor: float) -> Any:
    """Returns parameters whose embedded action `a` is that of `a / divisor` in every place.

    The rows of the table are the columns of a linear map of one-hot vectors, without a bias. The
    row of "no action" stays.

    Args:
        params: Parameters of a decision transformer with discrete actions.
        divisor: Scale of the rewards.
    """
    action = params["tokenizer"]["action"]
    no_action, rows = np.split(np.asarray(action["table"]["embedding"]), [1])
    everywhere = np.arange(len(rows), dtype=np.float32)[:, None] / np.float32(divisor)
    embedding = np.concatenate([no_action, everywhere * rows.sum(axis=0)])
    changed = {**action, "table": {"embedding": embedding}}
    return {**params, "tokenizer": {**params["tokenizer"], "action": changed}}


def _of_umbrella(
    task: tasks.Task,
    trained: runner.Trained,
    targets: tuple[float, ...],
    episodes: int,
) -> dict[str, Any]:
    """Returns the score of the report for the highest target, and the first actions behind it."""
    asked = np.repeat(np.asarray(targets, np.float32), episodes)
    acted = target_returns.act(
        trained,
        task,
        asked,
        greedy=np.ones(len(asked), bool),
        seed=target_returns.environment_seed(trained.seed),
    )
    right = umbrella.umbrella_first_actions(acted.record)
    returns = acted.record.episode_returns
    highest, lowest = (np.flatnonzero(asked == end) for end in (asked.max(), asked.min()))
    share = float(right[highest].mean())
    return {
        "length": task.max_steps,
        "share_above_half_greedy": float((returns[highest] > TOTAL).mean()),
        # The mean of the same share over all that luck could have been.
        "share_without_luck_greedy": umbrella.umbrella_share_above_half(task.max_steps, share),
        "first_action_greedy": share,
        "first_action_lowest_greedy": float(right[lowest].mean()),
        "return_greedy": float(returns[highest].mean()),
        "seconds": target_returns.seconds(acted),
    }


def _describe(family: str, record: trajectories.Trajectories, task: tasks.Task) -> dict[str, float]:
    if family == GRAPH:
        is_best = np.isclose(record.episode_returns, task.optimal_return)
        return {"optimal_share": float(is_best.mean())}
    steps = float(record.episode_lengths.mean())
    if family == DOOR_KEY:
        success = float((record.episode_returns > 0).mean())
        return {"steps_share": steps / task.max_steps, "success": success}
    return {"steps": steps}


def references(family: str, dataset: str) -> list[reference_rows.Reference]:
    """Returns random play and the optimum of a task; both are exact but for CartPole.

    Args:
        family: Kind of the task.
        dataset: Name of its dataset.
    """
    task = tasks.load(dataset)
    random, optimal = _ends(family, task)
    found = {"random": random, "optimal": optimal}
    if family == CARTPOLE:
        lengths = task.record.episode_lengths
        found |= {
            "best_in_data": {"steps": float(lengths.max())},
            "mean_of_data": {"steps": float(lengths.mean())},
        }
    return [
        reference_rows.Reference(
            method, dataset, {**_of_both_kinds(metrics), "exact": family != CARTPOLE}
        )
        for method, metrics in found.items()
    ]


def _ends(family: str, task: tasks.Task) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the metrics of random play, and those of the optimum."""
    if family == UMBRELLA:
        random, optimal = (
            {
                "share_above_half": umbrella.umbrella_share_above_half(task.max_steps, right),
                "first_action": right,
            }
            for right in (0.5, 1.0)
        )
        return random, optimal
    returns = [{"return": mean} for mean in (task.random_return, task.optimal_return)]
    if family == GRAPH:
        with contextlib.closing(task.make_env()) as env:
            world: Any = env.unwrapped
            chances = graphs.least_cost_by_chance(world.weights, world.goal)
        share = float(chances[weighted_walk.START])
        return returns[0] | {"optimal_share": share}, returns[1] | {"optimal_share": 1.0}
    if family == CARTPOLE:
        return {"steps": task.random_return}, {"steps": task.optimal_return}
    chances = door_key_play.arrival_chances()
    success = float(chances.sum())
    longest = door_key_play.MAX_STEPS
    steps = float(chances @ np.arange(len(chances))) + (1 - success) * longest
    best = float(door_key_play.optimal_steps().mean())
    return (
        returns[0] | {"steps_share": steps / longest, "success": success},
        returns[1] | {"steps_share": best / longest, "success": 1.0},
    )


def _of_both_kinds(metrics: dict[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in target_returns.KINDS:
        found |= {f"{name}_{kind}": value for name, value in metrics.items()}
    return found
