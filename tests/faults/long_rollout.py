"""Acts for a million steps in one process, and measures its memory.

    python -m tests.faults.long_rollout --steps 1000000

Two ways of acting: whole episodes side by side by `jax_s4rl.evaluate`, and step by step by
`Agent.act`, as somebody does who has a loop of his own.
"""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium

import jax_s4rl
from jax_s4rl.agents.agent import Agent
from jax_s4rl.cli import entry_point
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.evaluation import result_rows
from tests.faults import flatness, table

EXPERIMENT = "long_rollout"
ENV = "Pendulum-v1"
# Episodes side by side, and steps between two samples of the memory.
EPISODES, EVERY = 50, 10_000


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the long rollout."""

    steps: int = 1_000_000
    """Steps of each way of acting."""
    out: Path = table.LONG_RUNS
    """File to which rows are appended."""


def main(config: Config) -> None:
    """Acts in both ways, and appends a row of each.

    Args:
        config: Options.
    """
    agent = make_agent()
    for method, acted in (("episodes", episodes(agent)), ("single steps", single_steps(agent))):
        result_rows.append_row(config.out, measure(method, acted, config.steps))


def make_agent() -> Agent:
    """Trains a small model for a moment."""

    def make_env() -> gymnasium.Env:
        return gymnasium.make(ENV)

    with make_env() as env:
        behavior = behaviors.uniform(env.action_space)
    record = recording.record_episodes(make_env, behavior, 4, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        return jax_s4rl.train(
            record,
            ENV,
            folder=Path(folder) / "run",
            num_updates=20,
            width=16,
            num_layers=1,
        )


def measure(method: str, acted: Iterator[int], steps: int) -> dict[str, Any]:
    """Acts, and measures after every some thousand steps.

    Args:
        method: Name of the way of acting.
        acted: Yields numbers of steps that were made.
        steps: Number of steps to make.

    Returns:
        The result row; its slope is in MiB for a million steps.
    """
    begin, done = flatness.clock(), 0
    samples = [flatness.sample(0.0)]
    while done < steps:
        done += next(acted)
        if done // EVERY > samples[-1].at * 1e6 // EVERY:
            samples.append(flatness.sample(done / 1e6))
    return result_rows.make_row(
        experiment=EXPERIMENT,
        method=method,
        dataset=ENV,
        seed=0,
        metrics={"steps": done, **flatness.describe(samples)},
        seconds={"total": round((flatness.clock() - begin) * 3600, 1)},
    )


def episodes(agent: Agent) -> Iterator[int]:
    """Acts in whole episodes, with new environments and another seed each time."""
    seed = 0
    while True:
        record = jax_s4rl.evaluate(agent, episodes=EPISODES, seed=seed).record
        seed += 1
        yield int(record.episode_lengths.sum())


def single_steps(agent: Agent) -> Iterator[int]:
    """Acts step by step in one environment, from one episode to the next."""
    with gymnasium.make(ENV) as env:
        seed = 0
        while True:
            (observation, _), state, reward = env.reset(seed=seed), agent.start(), 0.0
            is_over = False
            while not is_over:
                action, state = agent.act(state, observation, reward)
                observation, reward, terminated, truncated, _ = env.step(action)
                is_over = terminated or truncated
                yield 1
            seed += 1


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
