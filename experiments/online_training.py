"""Trains an agent that learns while it plays until it has learned, and tests it in new episodes."""

import collections
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from experiments import online, target_returns
from jax_s4rl.agents import recurrent_ppo, tasks
from jax_s4rl.collection import recording
from jax_s4rl.data import trajectories
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.models import recurrent_policy

# Share of successes that counts as learned, and share at which a training stops, in the latest
# episodes of so many.
AIM, STOP, RECENT = 0.95, 0.99, 400
POINTS = 50


class Trained(NamedTuple):
    """What a training gave.

    Attributes:
        params: Parameters of the networks.
        found: Metrics of the training: number of parameters, steps, whether it ended because it
            diverged, steps and episodes at which it had learned (None if it had not), the curve of
            returns, and steps per second.
        by_round: Metrics of each round.
    """

    params: Any
    found: dict[str, Any]
    by_round: list[dict[str, float]]


def train(
    run: online.Run,
    making: recording.MakeEnv,
    succeeds: Callable[[trajectories.Episode], bool] | None = None,
) -> Trained:
    """Trains one agent, to the end or until its latest episodes succeed.

    Args:
        run: Settings and seed.
        making: Function that makes the environment.
        succeeds: Function that says whether an episode is a success; None for tasks that have none.

    Returns:
        What the training gave; if it diverged, what it gave before.

    Raises:
        FloatingPointError: If it diverged in its first round.
    """
    began = time.perf_counter()
    returns: collections.deque[float] = collections.deque(maxlen=RECENT)
    successes: collections.deque[bool] = collections.deque(maxlen=RECENT)
    curve: list[float] = []
    by_round = []
    learned_at, learned_after, num_episodes, num_steps, params = None, None, 0, 0, None
    diverged: list[FloatingPointError] = []
    for each in _rounds(run, making, diverged):
        returns.extend(float(episode.rewards.sum()) for episode in each.episodes)
        params, num_steps = each.params, each.num_steps
        num_episodes += len(each.episodes)
        by_round.append(each.metrics)
        curve += [float(np.mean(returns))] if returns else []
        if succeeds is None:
            continue
        successes.extend(succeeds(episode) for episode in each.episodes)
        if len(successes) < RECENT:
            continue
        share = float(np.mean(successes))
        if learned_at is None and share >= AIM:
            learned_at, learned_after = num_steps, num_episodes
        if share >= STOP:
            break
    if params is None:
        raise diverged[0]
    seconds = time.perf_counter() - began
    found = {
        "parameters": network.num_parameters(params),
        "steps": num_steps,
        "diverged": bool(diverged),
        "learned_at": learned_at,
        "learned_after_episodes": learned_after,
        "return_curve": points(curve),
        "steps_per_second": num_steps / seconds,
    }
    return Trained(params, found, by_round)


def _rounds(
    run: online.Run, making: recording.MakeEnv, diverged: list[FloatingPointError]
) -> Iterator[recurrent_ppo.Round]:
    """Yields the rounds of a training; a divergence ends them and is appended to the list."""
    try:
        yield from recurrent_ppo.train(making, run.settings, seed=run.seed)
    except FloatingPointError as error:
        diverged.append(error)


def points(curve: list[float]) -> list[float]:
    """Returns the means of the parts of a curve, which has few of them."""
    return [float(np.mean(part)) for part in np.array_split(curve, POINTS) if len(part)]


def play(
    making: recording.MakeEnv,
    settings: recurrent_ppo.Settings,
    params: Any,
    episodes: int,
    *,
    seed: int,
    latent: str = recurrent_policy.DRAWN,
) -> dict[str, trajectories.Trajectories]:
    """Plays new episodes.

    Args:
        making: Function that makes the environment, which has a time limit.
        settings: Settings of the agent.
        params: Parameters of its networks.
        episodes: Number of episodes of each way of choosing actions.
        seed: Seed of the training.
        latent: Choice of latent variables, if the agent has any.

    Returns:
        The episodes by the way of choosing actions, likeliest ("greedy") and sampled ones.
    """
    with_limit = making()
    max_steps = tasks.max_steps_of(with_limit)
    with_limit.close()
    assert max_steps is not None
    config = recurrent_ppo.configure(making, settings)
    policy = recurrent_policy.RecurrentPolicy(config, max_steps, latent)
    return {
        kind: rollout.rollout(
            making,
            policy,
            params,
            np.zeros(episodes, np.float32),
            greedy=kind == target_returns.KINDS[0],
            seed=target_returns.environment_seed(seed),
        ).record
        for kind in target_returns.KINDS
    }


def scores(
    records: dict[str, trajectories.Trajectories],
    score: Callable[[trajectories.Trajectories], dict[str, Any]],
) -> dict[str, Any]:
    """Returns the scores of episodes, with the way of choosing actions behind each name."""
    return {
        f"{name}_{kind}": value
        for kind, record in records.items()
        for name, value in score(record).items()
    }
