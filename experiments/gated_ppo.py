"""PPO with a gate: does it learn sooner if actions that did not matter are left out?

    python -m experiments.gated_ppo            # everything, resumable; --quick for a look
    python -m experiments.gated_ppo --parts umbrella --seeds 5

Recurrent PPO around S5 (`jax_s4rl.agents.recurrent_ppo`), and the same with a gate that ignores
actions which hindsight says did not matter (`jax_s4rl.agents.gated_ppo`), in the umbrella chain:
the first action alone decides, and all other rewards are coin flips. An agent stops when its first
actions are right.

Part: `umbrella`, chains of 10, 20 and 50 steps. Rows have scores of likeliest and of sampled
actions in new episodes, the steps until 95 % of the episodes were right, and the share of actions
that the gate let through. They go to `experiments/results/gated_ppo.jsonl`.
"""

import functools
import itertools
import time
from typing import Any

from experiments import future_ppo, online, online_training
from jax_s4rl.agents import gated_ppo, recurrent_ppo
from jax_s4rl.cli import entry_point

NAME = "gated_ppo"
PLAIN, GATED = future_ppo.S5, "s5, gate"
METHODS = (PLAIN, GATED)
LENGTHS = (10, 20, 50)
WATCHED = ("open", "credit", "hindsight")
QUICK = {"seeds": 1, "steps": 16_384}
PARTS = {
    future_ppo.UMBRELLA: [
        (f"{future_ppo.UMBRELLA}/{length}", method)
        for length, method in itertools.product(LENGTHS, METHODS)
    ]
}


def settings(name: str, method: str, steps: int | None = None) -> recurrent_ppo.Settings:
    """Returns the settings of a method on a task: both have those of `experiments.future_ppo`.

    Args:
        name: Name of the task.
        method: Name of the method.
        steps: Environment steps; those of the task if None.
    """
    plain = future_ppo.settings(name, PLAIN, steps)
    return plain if method == PLAIN else gated_ppo.Settings(**vars(plain))


def planned(options: online.Options) -> list[online.Run]:
    """Returns every run.

    Raises:
        ValueError: If a part is unknown, or a number is too small.
    """
    pairs = [pair for part in online.chosen_parts(options, PARTS) for pair in PARTS[part]]
    if options.quick:
        pairs = pairs[: len(METHODS)]
    return [
        online.Run(name, method, settings(name, method, options.steps), seed, measure)
        for (name, method), seed in itertools.product(pairs, range(options.seeds))
    ]


def measure(run: online.Run) -> dict[str, Any]:
    """Trains one agent, tests it, and returns its metrics, parameters and seconds."""
    began = time.perf_counter()
    family = future_ppo.family_of(run.env)
    making = functools.partial(future_ppo.make_env, run.env)
    trained = online_training.train(run, making, family.succeeds)
    records = online_training.play(
        making, run.settings, trained.params, future_ppo.JUDGED, seed=run.seed
    )
    found = trained.found | online_training.scores(records, family.score)
    if isinstance(run.settings, gated_ppo.Settings):
        by_name = {name: [each[name] for each in trained.by_round] for name in WATCHED}
        found |= {f"{name}_curve": online_training.points(own) for name, own in by_name.items()}
        found["open"] = by_name["open"][-1]
    return found | {"seconds": time.perf_counter() - began}


def main(options: online.Options) -> None:
    """Trains what has no row yet, and appends a row for each run.

    Args:
        options: Options of the command line.

    Raises:
        ValueError: If a part is unknown, or a number is too small.
    """
    online.run_script(NAME, options, QUICK, planned)


if __name__ == "__main__":
    entry_point.run(main, online.Options, __doc__)
