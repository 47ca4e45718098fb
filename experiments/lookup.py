"""Lookup: what repeating recorded episodes earns, without training.

Each episode looks up the recorded one whose first observation is the nearest, of equally near ones
the best, and repeats its actions; when they end, it goes on with the last of them. In a world
without chance whose first observation tells everything, a good recorded episode wins so, and a
score is no sign of learning.
"""

import contextlib
import functools

import numpy as np
from jaxtyping import Float

from experiments import reference_rows, run_options, target_returns
from jax_s4rl.agents import tasks
from jax_s4rl.data import player


def references(options: run_options.Options, *datasets: str) -> list[reference_rows.Later]:
    """Returns the mean return of lookup on each dataset, as rows without training.

    Args:
        options: Options of the run, with the number of a model's episodes; lookup, which costs
            little, plays four times as many, once its row is needed.
        *datasets: Names of datasets in the catalog.
    """
    return [
        reference_rows.Later(
            "lookup", dataset, functools.partial(_mean, dataset, 4 * options.episodes)
        )
        for dataset in datasets
    ]


def _mean(dataset: str, episodes: int) -> dict[str, float]:
    earned = returns(tasks.load(dataset), episodes, target_returns.environment_seed(0))
    return {"return": float(earned.mean())}


def returns(task: tasks.Task, episodes: int, seed: int) -> Float[np.ndarray, " episodes"]:
    """Plays episodes that repeat recorded ones, and returns their returns.

    Args:
        task: Task with the recorded episodes; its environment is acted in.
        episodes: Number of episodes.
        seed: Seed of the first episode; that of number i is `seed + i`.
    """
    record = task.record
    first = record.observations[record.episode_starts].reshape(record.num_episodes, -1)
    first = first.astype(np.float32)
    earned = np.zeros(episodes, np.float32)
    with contextlib.closing(task.make_env()) as env:
        world = player.Player(env)
        for number in range(episodes):
            seen = np.asarray(world.reset(seed + number), np.float32).reshape(-1)
            distances = np.square(first - seen).sum(axis=1)
            (near,) = np.nonzero(distances == distances.min())
            chosen = int(near[np.argmax(record.episode_returns[near])])
            earned[number] = _repeat(world, record.select(np.array([chosen])).actions)
    return earned


def _repeat(world: player.Player, actions: np.ndarray) -> float:
    """Returns the return of an episode of some actions, the last of which is repeated."""
    total, is_over, step = 0.0, False, 0
    while not is_over:
        _, reward, is_over = world.step(actions[min(step, len(actions) - 1)])
        total, step = total + reward, step + 1
    return total
