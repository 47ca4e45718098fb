"""Returns and seconds of PPO on every environment for which a recipe trains it.

    python -m benchmarks.collection

trains each with three seeds, appends to `benchmarks/results/collection.jsonl` and writes the table
in `benchmarks/README.md`. Trainings on MuJoCo need the extra `mujoco` and run only if they are
named:

    python -m benchmarks.collection --runs hopper-ppo --seeds 0
"""

import dataclasses
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import tables
from jax_s4rl.cli import entry_point
from jax_s4rl.collection import catalog, recording, sources
from jax_s4rl.collection.ppo import policy as ppo_policy
from jax_s4rl.collection.ppo import storage
from jax_s4rl.collection.ppo import training as ppo_training
from jax_s4rl.evaluation import documents, result_rows

RESULTS = Path(__file__).parent / "results" / "collection.jsonl"
SECTION = "collection"
# Goal of each training, in the mean return of its latest episodes. That of KeyDoor is just below
# the optimum of 11, because a policy that still explores misses an apple now and then.
GOALS = {"cartpole-ppo": 475.0, "key_door-ppo": 10.8, "pendulum-ppo": -200.0}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    runs: tuple[str, ...] = tuple(GOALS)
    """Names of the trainings."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds; each training runs once per seed."""
    num_episodes: int = 100
    """Number of episodes in which the strongest policy is evaluated, greedy and sampled."""
    out: Path = RESULTS
    """File to which result rows are appended."""
    readme: Path = tables.README
    """Document with the marks between which the table is written."""


def main(config: Config) -> None:
    """Trains, evaluates and writes the table.

    Args:
        config: Options of the benchmark.

    Raises:
        ValueError: If a training is unknown.
    """
    known = runs()
    if unknown := [name for name in config.runs if name not in known]:
        raise ValueError(f"got {', '.join(unknown)}; choose from {', '.join(known)}")
    for name in config.runs:
        for seed in config.seeds:
            row = measure(known[name], seed, config.num_episodes)
            result_rows.append_row(config.out, row)
            print(f"{name}, seed {seed}: {row['metrics']['greedy_return']:.1f}", flush=True)
    text = table(documents.read_rows(config.out))
    print(text)
    documents.write_section(config.readme, SECTION, text)


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Formats a Markdown table of the latest row of each training and seed."""
    head = ["training", "environment", "seed", "steps", "goal", "reached at step"]
    head += ["greedy", "sampled", "seconds"]
    lines = []
    for (name, seed), row in sorted(tables.newest(rows, ("run", "seed")).items()):
        metrics = row["metrics"]
        goal = "" if metrics["goal"] is None else f"{metrics['goal']:g}"
        reached = "never" if metrics["steps_to_goal"] is None else f"{metrics['steps_to_goal']:,}"
        returns = [f"{metrics[f'{kind}_return']:.1f}" for kind in ("greedy", "sampled")]
        cells = [
            name,
            f"`{row['env']}`",
            str(seed),
            f"{metrics['environment_steps']:,}",
            goal,
            reached,
            *returns,
            f"{row['seconds']['train']:.0f}",
        ]
        lines.append(cells)
    return tables.markdown(head, lines, left=2)


def runs() -> dict[str, storage.Run]:
    """Returns the trainings that recipes use, by name."""
    recipes = catalog.all_recipes().values()
    trainings = [
        part.run
        for recipe in recipes
        for part in recipe.parts
        if isinstance(part, sources.Snapshot | sources.Replay)
    ]
    return {run.name: run for run in trainings}


def measure(run: storage.Run, seed: int, num_episodes: int) -> dict[str, Any]:
    """Trains once and evaluates the strongest policy.

    Args:
        run: Training of a recipe.
        seed: Seed of the training and of the evaluation.
        num_episodes: Number of episodes of each evaluation, greedy and sampled.

    Returns:
        A result row.
    """
    strengths = [strength for _, strength in run.strengths]
    goal = GOALS.get(run.name, strengths[-1] if strengths else None)
    start = time.perf_counter()
    training = ppo_training.train(
        run.make_env, run.config, seed=seed, strengths=strengths, name=run.env_id
    )
    trained = time.perf_counter()
    evaluated = {}
    for kind in ("greedy", "sampled"):
        env = run.make_env()
        policy = ppo_policy.behavior(
            training.network, training.snapshots[-1], env, greedy=kind == "greedy"
        )
        env.close()
        record = recording.record_episodes(run.make_env, policy, num_episodes, seed=seed)
        evaluated[f"{kind}_return"] = float(record.episode_returns.mean())
        evaluated[f"{kind}_length"] = float(record.episode_lengths.mean())
    reached = (step for step, progress in training.history if goal is not None and progress >= goal)
    metrics = {
        "run": run.name,
        "environment_steps": run.config.num_updates
        * run.config.num_envs
        * run.config.rollout_length,
        "goal": goal,
        "steps_to_goal": next(reached, None),
        "snapshots": [
            [snapshot.num_steps, snapshot.mean_return] for snapshot in training.snapshots
        ],
        **evaluated,
    }
    # The training includes compilation and the evaluation of snapshots.
    seconds = {"train": trained - start, "evaluate": time.perf_counter() - trained}
    return result_rows.make_row(
        experiment="benchmarks/collection",
        env=run.env_id,
        method="ppo",
        seed=seed,
        updates=run.config.num_updates,
        metrics=metrics,
        seconds=seconds,
    )


if __name__ == "__main__":
    entry_point.run(main, Config, __doc__)
