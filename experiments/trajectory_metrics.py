"""Scores of planned episodes: shares of walks, returns, different plans in a beam, times of plans.

The score is a share: of shortest paths on the graph; of the optimum on CartPole and key-to-door;
and elsewhere of the way from random play to the best controller in the data.
"""

import dataclasses
import time
from typing import Any

import numpy as np

from experiments import random_walk, runner, target_returns
from jax_s4rl.agents import acting, planner, tasks
from jax_s4rl.agents import trajectory_transformer as agent
from jax_s4rl.evaluation import random_walk as walks

# Families of data sets whose score is a share of the optimum.
OF_OPTIMUM = ("cartpole/", "key_to_door/")
# Groups of recorded episodes in their order, each taken for those of one controller.
CONTROLLERS = 10
# Plans that are timed at a horizon.
TIMED_PLANS = 5


def metrics(
    task: tasks.Task,
    trained: runner.Trained,
    *,
    episodes: int,
    horizons: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Returns the score, what it is computed from, and the time of plans.

    Args:
        task: Task with the episodes that were learned from; its environment is acted in.
        trained: Trained model.
        episodes: Episodes; on the graph those from each start.
        horizons: Horizons at which plans are timed.
    """
    if task.dataset.startswith("random_walk/"):
        found = walk_metrics(task, trained, episodes)
    else:
        found = return_metrics(task, trained, episodes)
    if isinstance(trained, agent.Trained):
        plans = plan_metrics(task, trained, horizons)
        found["seconds"] += plans.pop("seconds")
        found |= plans
    return found


def walk_metrics(task: tasks.Task, trained: runner.Trained, episodes: int) -> dict[str, Any]:
    """Returns shares of walks, as many from each start; the score is that of shortest paths."""
    world = random_walk.open_world(task)
    recorded = walks.lookup(task.record, world.n_nodes)
    starts = np.tile(world.starts, episodes)
    targets, greedy = np.zeros(len(starts)), np.ones(len(starts), bool)
    acted = random_walk.walk(trained, task, starts, targets, greedy)
    found = random_walk.describe(acted, recorded, world, ("greedy",))
    found["score_greedy"] = found["optimal_share_greedy"]
    found["ms_per_call"] = acted.milliseconds_per_call
    return found | {"seconds": target_returns.seconds(acted)}


def return_metrics(task: tasks.Task, trained: runner.Trained, episodes: int) -> dict[str, Any]:
    """Returns mean and standard deviation of the returns, and the score."""
    acted = target_returns.act(
        trained,
        task,
        np.zeros(episodes, np.float32),
        greedy=np.ones(episodes, bool),
        seed=target_returns.environment_seed(trained.seed),
    )
    returns = acted.record.episode_returns
    return {
        "return_greedy": float(returns.mean()),
        "std_greedy": float(returns.std()),
        "score_greedy": score(task, float(returns.mean())),
        "ms_per_call": acted.milliseconds_per_call,
        "seconds": target_returns.seconds(acted),
    }


def score(task: tasks.Task, mean_return: float) -> float:
    """Returns a mean return as a share: of the optimum, or of the way to the best controller."""
    if task.dataset.startswith(OF_OPTIMUM):
        return mean_return / task.optimal_return
    random = task.random_return
    return (mean_return - random) / (best_controller(task) - random)


def best_controller(task: tasks.Task) -> float:
    """Returns the best mean return of a tenth of the recorded episodes, in their order."""
    groups = np.array_split(task.record.episode_returns, CONTROLLERS)
    return max(float(group.mean()) for group in groups if len(group))


def plan_metrics(
    task: tasks.Task, trained: agent.Trained, horizons: tuple[int, ...]
) -> dict[str, Any]:
    """Returns the number of different plans in a beam, and milliseconds of a plan by horizon.

    Args:
        task: Task whose environment gives the observations.
        trained: Trained model.
        horizons: Horizons at which plans are timed.
    """
    own = trained.settings.plan
    found: dict[str, Any] = {}
    begin, distinct = time.perf_counter(), 0
    for horizon in horizons or (own.search.horizon,):
        search = dataclasses.replace(own.search, horizon=horizon)
        plan = dataclasses.replace(own, search=search)
        milliseconds, distinct = time_plan(task, trained, plan)
        if horizons:
            found[f"ms_per_plan_at_{horizon}"] = milliseconds
    # The last horizon is that of the plans that act.
    return found | {"distinct_beams": distinct, "seconds": time.perf_counter() - begin}


def time_plan(
    task: tasks.Task, trained: agent.Trained, plan: planner.PlanConfig
) -> tuple[float, int]:
    """Returns the median milliseconds of a planned action, and the different plans of the last.

    Args:
        task: Task whose environment gives the observation.
        trained: Trained model.
        plan: Memory and size of the search.
    """
    env = task.make_env()
    observation, _ = env.reset(seed=0)
    env.close()
    policy: Any = trained.policy(task.max_steps, plan)
    state = acting.start(policy, trained.params, 0.0)
    times = []
    for _ in range(1 + min(TIMED_PLANS, task.max_steps - 1)):
        begin = time.perf_counter()
        _, state = acting.act(state, task.encoders, observation)
        times.append(time.perf_counter() - begin)
    # The first call compiles.
    return 1e3 * float(np.median(times[1:])), int(state.memory.num_distinct[0])
