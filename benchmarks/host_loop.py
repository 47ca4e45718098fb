"""Share of a rollout's time that passes outside of the environments.

    python -m benchmarks.host_loop            # everything; --quick for a short run

A model of two blocks of width 64 acts in CartPole for 200 steps, in several environments side by
side. In turns with the rollout, the same environments take the same actions in a plain loop; what a
rollout takes above that is its own: the policy, which is timed apart, the checks and the record.
The time to compile is not counted. Appends rows to `benchmarks/results/host_loop.jsonl`, then
writes the table of `benchmarks/README.md`.
"""

import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np

from benchmarks import tables, timing
from jax_s4rl import self_test
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows, rollout
from jax_s4rl.models import configs, decision_transformer, policy
from jax_s4rl.modules import groups, mixers, tokens

RESULTS = Path(__file__).parent / "results" / "host_loop.jsonl"
SECTION = "host-loop"
STEPS = 200
# Share of the time outside of the environments that is aimed at, with 64 of them.
AIM = 0.4
PARTS = ("environments", "policy", "rest")


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    mixers: tuple[str, ...] = ("s4d", "s5")
    """Mixers of the model: S4D has a state for each feature, S5 one for all."""
    environments: tuple[int, ...] = (1, 8, 64, 256)
    """Numbers of environments side by side."""
    repeats: int = 10
    """Number of turns."""
    quick: bool = False
    """Whether to time only 8 environments, in three turns."""
    report_only: bool = False
    """Whether to measure nothing and only write the table again."""
    out: Path = RESULTS
    """File to which result rows are appended."""


def make_env() -> gymnasium.Env:
    """Makes an environment with episodes of `STEPS` steps: a fallen pole ends none."""
    env = gymnasium.make("CartPole-v1", max_episode_steps=STEPS)
    cart: Any = env.unwrapped
    cart.x_threshold = cart.theta_threshold_radians = math.inf
    return env


def main(config: Config) -> None:
    """Times rollouts, then writes the table.

    Args:
        config: Options of the benchmark.
    """
    if config.quick:
        config = dataclasses.replace(config, environments=(8,), repeats=3)
    cases = itertools.product(config.mixers, config.environments)
    for mixer, count in () if config.report_only else cases:
        row = measure(mixer, count, config.repeats)
        result_rows.append_row(config.out, row)
        share = row["metrics"]["share_outside"]
        print(f"{mixer}, {count} environments: {share:.0%} outside", flush=True)
    tables.publish(config.out, RESULTS, SECTION, table)


def measure(mixer: str, count: int, repeats: int) -> dict[str, Any]:
    """Times rollouts and plain loops in turns.

    Args:
        mixer: Mixer of the model.
        count: Number of environments.
        repeats: Number of turns, after one of each that warms up.

    Returns:
        A result row; its seconds are those of one step of one environment.

    Raises:
        ValueError: If the installed JAX must not be used (see `jax_s4rl.self_test`).
    """
    self_test.require()
    act = make_rollout(mixer, count)
    # All episodes are equally long.
    actions = act().record.actions.reshape(count, STEPS)
    turns = [(_timed_rollout(act), _plain(actions)) for _ in range(repeats + 1)][1:]
    per_step = 1 / (count * STEPS)
    seconds = {
        "environments": [plain * per_step for _, plain in turns],
        "policy": [policy * per_step for (_, policy), _ in turns],
        "whole": [whole * per_step for (whole, _), _ in turns],
    }
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    medians["rest"] = medians["whole"] - medians["environments"] - medians["policy"]
    return result_rows.make_row(
        experiment="benchmarks/host_loop",
        env="CartPole-v1",
        method=mixer,
        seconds=medians,
        metrics={
            "environments": count,
            "steps": STEPS,
            "share_outside": 1 - medians["environments"] / medians["whole"],
            "huge_pages": timing.has_huge_pages(),
            "turns": {name: [round(one, 9) for one in times] for name, times in seconds.items()},
        },
    )


def make_rollout(mixer: str, count: int) -> Callable[[], rollout.Rollout]:
    """Makes a rollout of an untrained policy.

    Args:
        mixer: Mixer of the model.
        count: Number of environments.

    Returns:
        A function that acts for `STEPS` steps in each of them.
    """
    model = configs.ModelConfig(
        mixer=mixers.MixerConfig(mixer),
        tokens=tokens.CONCATENATED,
        context_length=STEPS,
        width=64,
        num_layers=2,
        mlp_ratio=0,
        time_embedding=tokens.NONE,
    )
    config = configs.DecisionTransformerConfig(
        observation_shape=(4,), num_actions=2, horizon=STEPS, model=model
    )
    params = groups.strip(
        jax.jit(lambda key: decision_transformer.init(config, key))(jax.random.key(0))
    )
    acting, targets = policy.Policy(config, STEPS), np.full(count, 100.0)
    return lambda: rollout.rollout(make_env, acting, params, targets, greedy=False, seed=0)


def _timed_rollout(act: Callable[[], rollout.Rollout]) -> tuple[float, float]:
    """Returns the seconds of a rollout without compiling, and those of its policy."""
    begin = time.perf_counter()
    done = act()
    return time.perf_counter() - begin - done.compile_seconds, done.act_seconds


def _plain(actions: np.ndarray) -> float:
    """Returns the seconds in which new environments are made and take actions [envs, steps]."""
    begin = time.perf_counter()
    envs = [make_env() for _ in actions]
    for number, env in enumerate(envs):
        env.reset(seed=number)
    for now in actions.T.tolist():
        for env, action in zip(envs, now, strict=True):
            env.step(action)
    for env in envs:
        env.close()
    return time.perf_counter() - begin


def table(rows: list[tables.Row]) -> str:
    """Formats the section: one line for each number of environments of each machine.

    Args:
        rows: Result rows of this benchmark, oldest first.

    Returns:
        Markdown.
    """
    parts = [
        "## The host loop",
        "Microseconds of one step of one environment (CartPole, 200 steps, two blocks of width "
        f"64), medians of turns, compile time apart. Aim: at most {AIM:.0%} outside of 64 "
        "environments. *Environments*: the same steps in a plain loop. *Rest*: checks, record.",
    ]
    head = ["mixer", "environments side by side", "whole", *PARTS, "outside of the environments"]
    for machine, found in tables.newest_by_machine(rows, ("method", "environments")).items():
        lines = [
            [
                mixer,
                f"{count:,}",
                *(f"{1e6 * row['seconds'][name]:.1f}" for name in ("whole", *PARTS)),
                f"{row['metrics']['share_outside']:.0%}",
            ]
            for (mixer, count), row in sorted(found.items())
        ]
        parts += [f"### {machine}", tables.markdown(head, lines, left=1)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    timing.with_huge_pages()
    entry_point.run(main, Config, __doc__)
