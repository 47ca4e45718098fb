"""Steps per second of every environment: bare, wrapped, eight in one vector, and recorded.

    python -m benchmarks.environments

appends to `benchmarks/results/environments.jsonl` and writes the table in `benchmarks/README.md`.
"Wrapped" is the environment as `gymnasium.make` returns it. Actions are drawn before the clock
starts; resets at the end of episodes are timed. Recording includes all the work that makes a
dataset: environments made, actions drawn, arrays checked. `--only` measures some environments;
those of MuJoCo, which need the extra `mujoco`, are measured only if they are named.
"""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from benchmarks import tables
from jax_s4rl.cli import entry_point
from jax_s4rl.collection import sources
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import documents, result_rows

RESULTS = Path(__file__).parent / "results" / "environments.jsonl"
SECTION = "environments"
NUM_COPIES = 8
METRICS = ("bare", "wrapped", "vector", "recorded")
# Recording has this many times the episodes of another measurement, so that the time to make the
# environments counts little.
NUM_RECORDED = 5
DOOR, TIMER, WALK = "jax_s4rl/KeyDoor-v0", "jax_s4rl/KeyToDoor-v0", "jax_s4rl/RandomWalk-v0"
SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("CartPole-v1", {}),
    ("jax_s4rl/MaskedCartPole-v0", {}),
    ("jax_s4rl/TMaze-v0", {}),
    ("Pendulum-v1", {}),
    (WALK, {}),
    (WALK, {"obs": "onehot"}),
    *((DOOR, {"obs": obs}) for obs in ("position", "onehot", "full", "image")),
    (DOOR, {"layout": "random", "obs": "full"}),
    *((TIMER, {"preset": preset}) for preset in ("dt", "low_var", "high_var")),
    (TIMER, {"preset": "dt", "distractor_steps": 1000}),
    ("umbrella_length/0", {}),
    ("umbrella_length/22", {}),
    ("jax_s4rl/Umbrella-v0", {"bsuite_id": "umbrella_length/22", "forecast": "first"}),
    ("memory_len/22", {}),
    ("discounting_chain/0", {}),
    ("cartpole/0", {}),
    ("jax_s4rl/MaskedPendulum-v0", {}),
    ("jax_s4rl/MemoryChain-v0", {}),
    (DOOR, {"layout": "random", "obs": "visible"}),
    ("jax_s4rl/WeightedWalk-v0", {}),
    ("jax_s4rl/MiniGridDoorKey-v0", {}),
    ("jax_s4rl/MiniGridMemory-v0", {}),
    ("jax_s4rl/RepeatFirst-v0", {}),
    ("jax_s4rl/MetaCartPole-v0", {}),
    ("jax_s4rl/CroppedKeyToDoor-v0", {}),
)
MUJOCO: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Hopper-v5", {}),
    ("HalfCheetah-v5", {}),
    ("Walker2d-v5", {}),
    ("jax_s4rl/MaskedLocomotion-v0", {}),
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    only: tuple[str, ...] = ()
    """Ids of the environments to measure; if empty, all but those of MuJoCo."""
    num_steps: int = 20_000
    """Number of steps of each measurement of a single environment."""
    repeats: int = 3
    """Number of measurements, of which the median counts."""
    out: Path = RESULTS
    """File to which result rows are appended."""
    readme: Path = tables.README
    """Document with the marks between which the table is written."""


def main(config: Config) -> None:
    """Measures the chosen environments, appends rows and writes the table.

    Args:
        config: Options of the benchmark.

    Raises:
        ValueError: If an environment is unknown.
    """
    for env_id, kwargs in choose(config.only):
        row = measure(env_id, kwargs, config)
        result_rows.append_row(config.out, row)
        print(f"{env_id}: {row['metrics']['bare']:,.0f} steps/s bare", flush=True)
    text = table(documents.read_rows(config.out))
    print(text)
    documents.write_section(config.readme, SECTION, text)


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Formats a Markdown table of the latest row of each environment and its arguments."""
    latest = {(row["env"], json.dumps(row["metrics"]["kwargs"])): row for row in rows}
    lines = []
    for (env_id, _), row in latest.items():
        arguments = ", ".join(f"{name}={value}" for name, value in row["metrics"]["kwargs"].items())
        speeds = [
            f"{row['metrics'][name]:,.0f}" if name in row["metrics"] else "" for name in METRICS
        ]
        lines.append([f"`{env_id}`", arguments, *speeds])
    machines = sorted({row["machine"] for row in latest.values()})
    head = ["steps/s", "arguments", "bare", "wrapped", f"{NUM_COPIES} in a vector", "recorded"]
    return f"{tables.markdown(head, lines, left=2)}\n\nMeasured on {'; '.join(machines)}."


def choose(names: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Returns the settings of the named environments, or of all but those of MuJoCo.

    Args:
        names: Ids of environments.

    Returns:
        Ids and arguments.

    Raises:
        ValueError: If there is no setting for an id.
    """
    known = dict.fromkeys(env_id for env_id, _ in (*SETTINGS, *MUJOCO))
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"got {', '.join(unknown)}; choose from {', '.join(known)}")
    return (
        [setting for setting in (*SETTINGS, *MUJOCO) if setting[0] in names]
        if names
        else list(SETTINGS)
    )


def measure(env_id: str, kwargs: dict[str, Any], config: Config) -> dict[str, Any]:
    """Measures the steps per second of one environment.

    Args:
        env_id: Id of the environment.
        kwargs: Arguments of the environment.
        config: Options of the benchmark.

    Returns:
        A result row.
    """
    env = registry.make(env_id, **kwargs)
    space = env.action_space
    space.seed(0)
    actions = [space.sample() for _ in range(config.num_steps)]
    start = time.perf_counter()
    num_episodes = run(env.unwrapped, actions)
    metrics = {
        "kwargs": kwargs,
        "bare": _median(lambda: run(env.unwrapped, actions), config.repeats) * config.num_steps,
        "wrapped": _median(lambda: run(env, actions), config.repeats) * config.num_steps,
        "vector": _vector(env_id, kwargs, config),
        "recorded": _recorded(env_id, kwargs, NUM_RECORDED * num_episodes),
    }
    seconds = {"measure": time.perf_counter() - start}
    return result_rows.make_row(
        experiment="benchmarks/environments",
        env=env_id,
        method="random",
        metrics=metrics,
        seconds=seconds,
    )


def run(env: gymnasium.Env, actions: list[Any]) -> int:
    """Plays the actions, resets at the end of each episode, and counts the episodes that began."""
    env.reset(seed=0)
    num_episodes = 1
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
            num_episodes += 1
    return num_episodes


def _vector(env_id: str, kwargs: dict[str, Any], config: Config) -> float:
    """Measures the steps per second of all copies together."""
    mode = gymnasium.vector.AutoresetMode.SAME_STEP
    envs = gymnasium.vector.SyncVectorEnv(
        [lambda: registry.make(env_id, **kwargs)] * NUM_COPIES, autoreset_mode=mode
    )
    envs.action_space.seed(0)
    actions = [envs.action_space.sample() for _ in range(max(1, config.num_steps // NUM_COPIES))]

    def play() -> None:
        envs.reset(seed=0)
        for action in actions:
            envs.step(action)

    per_second = _median(play, config.repeats) * len(actions) * NUM_COPIES
    envs.close()
    return per_second


def _recorded(env_id: str, kwargs: dict[str, Any], num_episodes: int) -> float:
    """Measures the steps per second of one recording of random play."""
    context = sources.RecordingContext(env_id, kwargs, seed=0, stream=0, folder=Path())
    start = time.perf_counter()
    record = sources.Uniform(num_episodes).record(context)
    return record.num_steps / (time.perf_counter() - start)


def _median(action: Callable[[], Any], repeats: int) -> float:
    """Measures how often the action runs per second; the median of all repeats."""
    speeds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        speeds.append(1 / (time.perf_counter() - start))
    return float(np.round(statistics.median(speeds), 6))


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
