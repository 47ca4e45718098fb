"""Random and optimal score of every environment: computed, played, and a table for the docs.

    python -m experiments.reference_scores

plays both reference policies in every environment, writes
`experiments/results/reference_scores.jsonl`, and puts the table between `<!-- reference-scores -->`
and `<!-- /reference-scores -->` of docs/environments.md. MuJoCo's tasks need the extra `mujoco`;
`--only` plays some environments and leaves the rows of the others as they are.
"""

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jax_s4rl.cli import entry_point
from jax_s4rl.envs import reference_policies, reference_scores, registry
from jax_s4rl.evaluation import documents, result_rows

RESULTS = Path(__file__).parent / "results" / "reference_scores.jsonl"
SECTION = "reference-scores"
NUM_GRAPHS = 30
# Distance between the seeds of settings, so that the errors of 30 graphs are independent.
SEED_STEP = 1000


@dataclasses.dataclass(frozen=True)
class Setting:
    """An environment with its arguments, and the numbers of episodes to play."""

    env_id: str
    """Id of the environment."""
    kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Arguments of the environment."""
    num_random: int = 2000
    """Episodes of random play."""
    num_optimal: int = 200
    """Episodes of the optimal policy; 0 if none is known."""


DOOR, TIMER, WALK = "jax_s4rl/KeyDoor-v0", "jax_s4rl/KeyToDoor-v0", "jax_s4rl/RandomWalk-v0"
UMBRELLA = "jax_s4rl/Umbrella-v0"
SETTINGS = (
    *(Setting(WALK, {"graph_seed": seed}, 500, 200) for seed in range(NUM_GRAPHS)),
    Setting("umbrella_length/0", {}, 10_000, 1000),
    Setting("umbrella_length/13", {}, 10_000, 2000),
    Setting("umbrella_length/22", {}, 2000, 2000),
    Setting("umbrella_distract/22", {}, 5000, 2000),
    Setting("memory_len/22", {}, 2000, 200),
    Setting("discounting_chain/0", {}, 2000, 100),
    Setting("cartpole/0", {}, 500, 20),
    Setting(DOOR, {}, 2000, 50),
    Setting(DOOR, {"layout": "random"}, 2000, 200),
    Setting(TIMER, {"preset": "dt"}, 10_000, 200),
    Setting(TIMER, {"preset": "dt", "distractor_steps": 300}, 2000, 50),
    Setting(TIMER, {"preset": "low_var"}, 5000, 200),
    Setting(TIMER, {"preset": "high_var"}, 2000, 1000),
    Setting("CartPole-v1", {}, 10_000, 100),
    Setting("jax_s4rl/MaskedCartPole-v0", {}, 5000, 100),
    Setting("Pendulum-v1", {}, 500, 500),
    Setting("Hopper-v5", {}, 2000, 0),
    Setting("HalfCheetah-v5", {}, 100, 0),
    Setting("Walker2d-v5", {}, 2000, 0),
    Setting(
        UMBRELLA,
        {"bsuite_id": "umbrella_length/13", "forecast": "first", "reward_noise": 0},
        2000,
        200,
    ),
    Setting("jax_s4rl/TMaze-v0", {"length": 5}, 10_000, 100),
    Setting("jax_s4rl/TMaze-v0", {"length": 1000}, 100, 20),
    Setting("jax_s4rl/MemoryChain-v0", {"length": 1000}, 500, 20),
    Setting("jax_s4rl/MaskedPendulum-v0", {}, 500, 500),
    Setting("jax_s4rl/WeightedWalk-v0", {}, 10_000, 10),
    Setting("jax_s4rl/MiniGridDoorKey-v0", {}, 2000, 1000),
    Setting("jax_s4rl/MaskedLocomotion-v0", {"robot": "hopper"}, 2000, 0),
    Setting("jax_s4rl/MiniGridMemory-v0", {}, 500, 500),
    Setting("jax_s4rl/MiniGridMemory-v0", {"view": "whole"}, 500, 500),
    Setting("jax_s4rl/RepeatFirst-v0", {}, 2000, 10),
    Setting("jax_s4rl/MetaCartPole-v0", {"num_trials": 8, "trial_steps": 100}, 500, 20),
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the command line."""

    only: tuple[str, ...] = ()
    """Ids of the environments to play; all of them if none is named."""
    scale: float = 1.0
    """Share of the episodes to play; the standard error is divided by its square root."""
    seed: int = 0
    """Seed of environments and policies."""
    out: Path = RESULTS
    """File of result rows; those of played environments are replaced."""
    readme: Path = Path(__file__).parents[1] / "docs" / "environments.md"
    """File that holds the table, between its two marks."""


def main(config: Config) -> None:
    """Plays, writes the rows, and puts the table into its document."""
    chosen = choose(config.only)
    if config.scale <= 0:
        raise ValueError(f"got scale={config.scale:g}; play a share above 0 of the episodes")
    # Fails before hours of play if the document has no place for the table.
    documents.replace_section(config.readme.read_text(), SECTION, "")
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in result_rows.read_rows(config.out):
        lines.setdefault(name_of(Setting(row["env"], row["metrics"]["kwargs"])), []).append(row)
    for number, setting in enumerate(SETTINGS):
        if setting not in chosen:
            continue
        rows = rows_of(setting, config, seed=config.seed + SEED_STEP * number)
        lines[name_of(setting)] = rows
        reference, measured = (
            rows[-1]["metrics"][name] for name in (rows[-1]["method"], "mean_return")
        )
        print(
            f"{name_of(setting)}: {rows[-1]['method']} {reference:.2f}, played {measured:.2f}",
            flush=True,
        )
    rows = [row for setting in SETTINGS for row in lines.get(name_of(setting), [])]
    result_rows.write_rows(config.out, rows)
    text = table(documents.escape_all(rows))
    print(text)
    documents.write_section(config.readme, SECTION, text)


def choose(names: Sequence[str]) -> list[Setting]:
    """Returns the settings to play, and makes sure that their environments are installed.

    Args:
        names: Ids of environments; all if empty.

    Returns:
        Their settings.

    Raises:
        ValueError: If an id has no setting, or its package is missing.
    """
    known = {setting.env_id for setting in SETTINGS}
    if unknown := sorted(set(names) - known):
        raise ValueError(f"got {', '.join(unknown)}, wanted some of {', '.join(sorted(known))}")
    chosen = [setting for setting in SETTINGS if not names or setting.env_id in names]
    for setting in chosen:
        registry.make(setting.env_id, **setting.kwargs).close()
    return chosen


def rows_of(setting: Setting, config: Config, *, seed: int = 0) -> list[dict[str, Any]]:
    """Plays the policies in one setting, with a seed of its own; returns a result row for each."""
    env = registry.make(setting.env_id, **setting.kwargs)
    reference = reference_scores.scores(setting.env_id, **setting.kwargs)
    rows = []
    for method, number in (("random", setting.num_random), ("optimal", setting.num_optimal)):
        if number == 0:
            continue
        num_episodes = max(2, round(number * config.scale))
        policy = (
            reference_policies.uniform(env, seed + 1)
            if method == "random"
            else reference_policies.optimal(env)
        )
        start = time.perf_counter()
        returns = reference_policies.play(env, policy, num_episodes, seed)
        metrics = {
            "kwargs": setting.kwargs,
            "mean_return": float(returns.mean()),
            "standard_error": float(returns.std() / math.sqrt(num_episodes)),
            "num_episodes": num_episodes,
            "normalized_score": reference_scores.normalized_score(float(returns.mean()), reference),
            "random": reference.random,
            "optimal": reference.optimal,
            "kind": reference.kind,
        }
        seconds = {"evaluate": time.perf_counter() - start}
        row = {
            "env": setting.env_id,
            "method": method,
            "metrics": metrics,
            "seconds": seconds,
            "seed": seed,
        }
        rows.append(result_rows.make_row(experiment="reference_scores", **row))
    return rows


def name_of(setting: Setting) -> str:
    """Returns id and arguments as text."""
    return " ".join(
        [setting.env_id, *(f"{name}={value}" for name, value in setting.kwargs.items())]
    )


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns a Markdown table of result rows, with one line for all graphs of RandomWalk."""
    groups: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for row in rows:
        kwargs = {
            name: value for name, value in row["metrics"]["kwargs"].items() if name != "graph_seed"
        }
        arguments = ", ".join(f"{name}={value}" for name, value in kwargs.items())
        arguments = f"{NUM_GRAPHS} graphs" if row["env"] == WALK else arguments
        groups.setdefault((row["env"], arguments), {}).setdefault(row["method"], []).append(
            row["metrics"]
        )
    lines = [
        "| environment | arguments | random | optimal | | random, played | optimal, played |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    for (env_id, arguments), by_method in groups.items():
        random, optimal = by_method["random"], by_method.get("optimal", [])
        kind = random[0]["kind"]
        cells = [
            f"`{env_id}`",
            arguments,
            _number(_mean(random, "random")),
            _number(_mean(random, "optimal")),
            kind,
        ]
        lines.append(f"| {' | '.join([*cells, _played(random), _played(optimal)])} |")
    return "\n".join(lines)


def _mean(metrics: list[Mapping[str, Any]], name: str) -> float:
    return sum(each[name] for each in metrics) / len(metrics)


def _played(metrics: list[Mapping[str, Any]]) -> str:
    if not metrics:
        return "not known"
    error = math.sqrt(sum(each["standard_error"] ** 2 for each in metrics)) / len(metrics)
    mean = _number(_mean(metrics, "mean_return"))
    # Below that the error is rounding.
    return f"{mean} ± {_number(error)}" if error > 1e-6 else mean


def _number(value: float) -> str:
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if value else "0"


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
