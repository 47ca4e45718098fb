"""Recurrent PPO online: what do S5, an LSTM and no memory learn while they play?

    python -m experiments.recurrent_ppo            # everything, resumable; --quick for a look
    python -m experiments.recurrent_ppo --parts chains --seeds 1

An agent with a memory (`jax_s4rl.agents.recurrent_ppo`) learns from rounds of 16 environments and
256 steps; the memory is carried from round to round and cleared where an episode starts. All
methods have the same networks, but for the mixer of their blocks, and the same steps.

Parts: `chains`, a bit that is asked for 5 to 100 steps later; an agent stops when its last episodes
are right. `repeat_first`, the suit of the first of 52 cards, which is also tested with 16 decks.
`meta_cartpole`, CartPole in 8 trials behind a map that only the trials tell: the score is the
return of the last trial minus that of the first one, on maps that no training had. "s5, cleared
every trial" is the control that cannot learn within an episode, "s5, never cleared" the one whose
memory holds the maps of earlier episodes as well, and "mlp" the one without memory.
Names that end in "shown" are fully observed twins: of task and twin, the difference is what
observability costs, and on the twin that of a memory and none is what a memory gains by itself.

Rows have scores of likeliest and of sampled actions in 400 new episodes of chains, 200 of cards and
100 of trials each; they go to `experiments/results/recurrent_ppo.jsonl`.
"""

import collections
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from experiments import online, target_returns
from jax_s4rl.agents import recurrent_ppo, tasks
from jax_s4rl.cli import entry_point
from jax_s4rl.data import trajectories
from jax_s4rl.envs import meta_cartpole, reference_scores, registry
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import recurrent_policy
from jax_s4rl.modules import mixers

NAME = "recurrent_ppo"
CHAIN, CARDS, TRIALS, SHOWN = "memory_chain", "repeat_first", "meta_cartpole", "shown"
IDS = {
    CHAIN: "jax_s4rl/MemoryChain-v0",
    CARDS: "jax_s4rl/RepeatFirst-v0",
    TRIALS: "jax_s4rl/MetaCartPole-v0",
}
S5, LSTM, MEMORYLESS = "s5", "lstm", "mlp"
CLEARED, NEVER = "s5, cleared every trial", "s5, never cleared"
METHODS = (S5, LSTM, MEMORYLESS)
LENGTHS = (5, 10, 20, 50, 100)
# Environment steps by task; agents without memory have no more than the fewest.
STEPS = {
    f"{CHAIN}/5": 200_000,
    f"{CHAIN}/10": 300_000,
    f"{CHAIN}/20": 500_000,
    f"{CHAIN}/50": 1_000_000,
    f"{CHAIN}/100": 1_500_000,
    f"{CARDS}/1": 1_000_000,
    f"{TRIALS}/8": 1_500_000,
}
FEWEST_STEPS = 200_000
TRIAL_STEPS = 100
TWINS = (f"{CHAIN}/20/{SHOWN}", f"{CARDS}/1/{SHOWN}", f"{TRIALS}/8/{SHOWN}")
# Share of successes that counts as learned, and share at which a training stops, in the latest
# episodes of so many.
AIM, STOP, RECENT = 0.95, 0.99, 400
# Test episodes of each way of choosing actions; long ones are few.
JUDGED = {CHAIN: 400, CARDS: 200, TRIALS: 100}
LONG_DECKS, LONG_JUDGED = 16, 20
POINTS = 50
QUICK = {"parts": ("chains",), "seeds": 1, "steps": 24_576}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line."""

    parts: tuple[str, ...] = ()
    """Parts of the experiment; all of them if none is named."""
    seeds: int = 3
    """Training runs of each."""
    steps: int | None = None
    """Environment steps of each training; those of its task if None."""
    quick: bool = False
    """A look in a few minutes: the shortest chain, few steps, one seed; rows go under runs/."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""


def make_env(name: str) -> gymnasium.Env:
    """Makes the environment of a task or twin, for instance "memory_chain/20/shown"."""
    family, size, *kind = name.split("/")
    kwargs: dict[str, Any] = {
        CHAIN: {"length": int(size), "cue": "always" if kind else "first"},
        CARDS: {"num_decks": int(size), "cue": "always" if kind else "first"},
        TRIALS: {
            "num_trials": int(size),
            "trial_steps": TRIAL_STEPS,
            "view": "state" if kind else "mapped",
        },
    }[family]
    return registry.make(IDS[family], disable_env_checker=True, **kwargs)


def settings(name: str, method: str, steps: int | None = None) -> recurrent_ppo.Settings:
    """Returns the settings of a method on a task.

    Args:
        name: Name of task or twin.
        method: Name of the method.
        steps: Environment steps; those of the task if None.
    """
    base = recurrent_ppo.Settings()
    mixer = base.mixer if method in (S5, CLEARED, NEVER) else mixers.MixerConfig(method)
    task = name.removesuffix(f"/{SHOWN}")
    # Chains show soon that nothing is learned without a memory.
    is_short = method == MEMORYLESS and name.startswith(CHAIN)
    return dataclasses.replace(
        base,
        mixer=mixer,
        clear_flag=meta_cartpole.TRIAL_ENDED if method == CLEARED else None,
        clears_at_start=method != NEVER,
        total_steps=steps or (FEWEST_STEPS if is_short else STEPS[task]),
    )


def chains(lengths: tuple[int, ...] = LENGTHS) -> list[tuple[str, str]]:
    """Returns the memory chains with their methods."""
    return list(itertools.product((f"{CHAIN}/{length}" for length in lengths), METHODS))


def with_twin(name: str, *controls: str) -> list[tuple[str, str]]:
    """Returns a task with all methods and controls, and its twin with and without memory."""
    twin = f"{name}/{SHOWN}"
    return [(name, method) for method in (*METHODS, *controls)] + [(twin, S5), (twin, MEMORYLESS)]


PARTS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "chains": lambda: [*chains(), (TWINS[0], S5), (TWINS[0], MEMORYLESS)],
    "repeat_first": lambda: with_twin(f"{CARDS}/1"),
    "meta_cartpole": lambda: with_twin(f"{TRIALS}/8", CLEARED, NEVER),
}


def planned(options: Options) -> list[online.Run]:
    """Returns every run.

    Raises:
        ValueError: If a part is unknown, or a number is too small.
    """
    if unknown := [part for part in options.parts if part not in PARTS]:
        raise ValueError(f"got parts {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    if options.seeds < 1:
        raise ValueError(f"got seeds={options.seeds}; ask for 1 or more")
    if options.quick:
        pairs = chains(LENGTHS[:1])
    else:
        pairs = [pair for part in options.parts or PARTS for pair in PARTS[part]()]
    return [
        online.Run(name, method, settings(name, method, options.steps), seed, measure)
        for (name, method), seed in itertools.product(pairs, range(options.seeds))
    ]


def measure(run: online.Run) -> dict[str, Any]:
    """Trains one agent, tests it, and returns its metrics and their "seconds"."""
    began = time.perf_counter()
    making = functools.partial(make_env, run.env)
    family = run.env.partition("/")[0]
    recent: collections.deque[float] = collections.deque(maxlen=RECENT)
    curve: list[float] = []
    learned_at, params, num_steps = None, None, 0
    for each in recurrent_ppo.train(making, run.settings, seed=run.seed):
        recent.extend(float(episode.rewards.sum()) for episode in each.episodes)
        params, num_steps = each.params, each.num_steps
        curve += [float(np.mean(recent))] if recent else []
        if family != CHAIN or len(recent) < RECENT:
            continue
        share = float(np.mean(np.array(recent) > 0))
        learned_at = num_steps if learned_at is None and share >= AIM else learned_at
        if share >= STOP:
            break
    trained = time.perf_counter() - began
    found = judge(run.env, run.settings, params, JUDGED[family], seed=run.seed)
    if run.env == f"{CARDS}/1":
        name = f"{CARDS}/{LONG_DECKS}"
        longer = judge(name, run.settings, params, LONG_JUDGED, seed=run.seed)
        found |= {f"{key}_at_{LONG_DECKS}_decks": value for key, value in longer.items()}
    return found | {
        "steps": num_steps,
        "learned_at": learned_at,
        "return_curve": [
            float(np.mean(part)) for part in np.array_split(curve, POINTS) if len(part)
        ],
        "steps_per_second": num_steps / trained,
        "seconds": time.perf_counter() - began,
    }


def judge(
    name: str, settings: recurrent_ppo.Settings, params: Any, episodes: int, *, seed: int
) -> dict[str, Any]:
    """Tests an agent in new episodes.

    Args:
        name: Name of task or twin.
        settings: Settings of the agent.
        params: Parameters of its networks.
        episodes: Number of episodes of each way of choosing actions.
        seed: Seed of the training.

    Returns:
        Metrics for likeliest ("greedy") and for sampled actions.
    """
    making = functools.partial(make_env, name)
    with_limit = making()
    max_steps = tasks.max_steps_of(with_limit)
    with_limit.close()
    assert max_steps is not None
    policy = recurrent_policy.RecurrentPolicy(recurrent_ppo.configure(making, settings), max_steps)
    found: dict[str, Any] = {}
    for kind in target_returns.KINDS:
        record = rollout.rollout(
            making,
            policy,
            params,
            np.zeros(episodes, np.float32),
            greedy=kind == target_returns.KINDS[0],
            seed=target_returns.environment_seed(seed),
        ).record
        scores = SCORES[name.partition("/")[0]](name, record)
        found |= {f"{key}_{kind}": value for key, value in scores.items()}
    return found


def score_chain(name: str, record: trajectories.Trajectories) -> dict[str, Any]:
    """Returns the share of right answers."""
    return {"score": float((record.episode_returns > 0).mean())}


def score_cards(name: str, record: trajectories.Trajectories) -> dict[str, Any]:
    """Returns the mean return as a share of the best one."""
    best = reference_scores.scores(IDS[CARDS], num_decks=int(name.split("/")[1])).optimal
    return {"score": float(record.episode_returns.mean() / best)}


def score_trials(name: str, record: trajectories.Trajectories) -> dict[str, Any]:
    """Returns the mean return of each trial, and of the last one minus the first one."""
    by_trial = np.array(
        [meta_cartpole.trial_returns(one.observations, one.rewards) for one in record.episodes()]
    )
    gains = by_trial[:, -1] - by_trial[:, 0]
    return {
        "score": float(gains.mean()),
        "score_error": float(gains.std() / np.sqrt(len(gains))),
        "by_trial": by_trial.mean(axis=0).tolist(),
    }


SCORES: dict[str, Callable[[str, trajectories.Trajectories], dict[str, Any]]] = {
    CHAIN: score_chain,
    CARDS: score_cards,
    TRIALS: score_trials,
}


def main(options: Options) -> None:
    """Trains what has no row yet, and appends a row for each run.

    Args:
        options: Options of the command line.

    Raises:
        ValueError: If a part is unknown, or a number is too small.
    """
    out = online.out_file(NAME, options.out, quick=options.quick)
    if options.quick:
        options = dataclasses.replace(options, **QUICK)
    online.run_missing(NAME, planned(options), out, "score_sampled")


if __name__ == "__main__":
    entry_point.run(main, Options, __doc__)
