"""Online budget: how good is the best of a tuning grid, if k episodes may be played to find it?

    python -m experiments.online_budget            # everything, resumable; --quick for a look

A tuning grid that is judged by its best point says what a method can reach, not what a user gets
who has only a few episodes in the environment to find that point. On two tasks, CartPole and key
and door, every mixer is trained at every point of its tuning grid, and acts in episodes of its own.
The curve of a mixer is the true score of the policy that a bandit chooses after k of these episodes
(`jax_s4rl.evaluation.online_budget`); the report draws it. All mixers have the same grid and as
many policies. The rows hold the return of every episode; they go to
`experiments/results/online_budget.jsonl`.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from experiments import cartpole, key_door, reference_rows, runner, target_returns, tuning
from jax_s4rl.agents import tasks
from jax_s4rl.evaluation import online_budget

NAME = "online_budget"
# Experiments whose tuning grid is trained. Both score sampled actions.
TUNED = {"cartpole": cartpole.EXPERIMENT, "key_door": key_door.EXPERIMENT}


def grid_trials(name: str, options: runner.Options) -> list[runner.Trial]:
    """Returns the trials of the tuning grid of an experiment, with the return of every episode.

    A quick look has the first two points of each mixer.
    """
    planned = TUNED[name].parts[runner.TUNING](options)
    if options.quick:
        first = {each.variant for each in planned[:2]}
        planned = [each for each in planned if each.variant in first]
    evaluation = (("episodes", options.episodes),)
    return [dataclasses.replace(each, metrics=metrics, evaluation=evaluation) for each in planned]


def metrics(task: tasks.Task, trained: runner.Trained, *, episodes: int) -> dict[str, Any]:
    """Returns the mean return of sampled actions for the target of the score, and all returns."""
    targets = np.full(episodes, target_returns.best(task), np.float32)
    seed = target_returns.environment_seed(trained.seed)
    acted = target_returns.act(trained, task, targets, greedy=np.zeros(episodes, bool), seed=seed)
    returns = acted.record.episode_returns
    return {
        "return_sampled": float(returns.mean()),
        "returns": returns.tolist(),
        "seconds": target_returns.seconds(acted),
    }


def curves(
    rows: Iterable[Mapping[str, Any]], **options: Any
) -> dict[tuple[str, str], online_budget.Curve]:
    """Computes the curve of every mixer on every dataset.

    Args:
        rows: Result rows of this experiment. Every seed of every point is a policy; of a policy
            that was trained again the last row counts.
        **options: Options of `online_budget.curve`.

    Returns:
        Curves by dataset and method.
    """
    policies: dict[tuple[str, str], dict[tuple, np.ndarray]] = {}
    for row in rows:
        found = row["metrics"]
        if "returns" in found and tuning.parse(found["variant"]) is not None:
            own = policies.setdefault((row["dataset"], row["method"]), {})
            own[found["variant"], row["seed"]] = np.array(found["returns"])
    # As many for all, so that none gains from more tries.
    count = min(map(len, policies.values()), default=1)
    return {
        name: online_budget.curve(list(own.values()), num_policies=count, **options)
        for name, own in policies.items()
    }


def references(options: runner.Options) -> list[reference_rows.Reference]:
    """Returns random play, the optimum, and the best recorded return of the datasets."""
    datasets = {
        "cartpole": f"cartpole/{cartpole.TUNED_ON}",
        "key_door": f"key_door/{key_door.TUNED_ON}",
    }
    return reference_rows.bounds(*(datasets[name] for name in options.parts or TUNED))


EXPERIMENT = runner.Experiment(
    name=NAME,
    parts={name: functools.partial(grid_trials, name) for name in TUNED},
    references=references,
    # Its data need no training of PPO.
    quick=("key_door",),
    most_seeds=dict.fromkeys(TUNED, tuning.MOST_SEEDS["tuning"]),
)


if __name__ == "__main__":
    runner.main(EXPERIMENT, __doc__)
