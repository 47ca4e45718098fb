"""Evaluates a trained agent in its environment.

    jax-s4rl evaluate runs/cartpole --targets 100 300 500 --episodes 20

Loads the run directory, runs some episodes for each target return, with greedy and with sampled
actions, and prints the mean returns.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rich.console
import tyro

from jax_s4rl import cache_folders, stack
from jax_s4rl.agents import agent as agents
from jax_s4rl.cli import entry_point
from jax_s4rl.evaluation import result_rows, rollout
from jax_s4rl.models import decision_transformer

RULE = (
    "the one with the lowest mean training loss since the checkpoint before it; "
    "returns do not count"
)


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Options of an evaluation: run directory, target returns and episodes."""

    folder: tyro.conf.Positional[Path]
    """Run directory of `jax-s4rl train`."""
    targets: tuple[float, ...] = ()
    """Target returns; by default the highest return in the data."""
    episodes: int = 10
    """Number of episodes for each target return, with greedy and again with sampled actions."""
    out: Path | None = None
    """File to which result rows are appended, one JSON object per line."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    with entry_point.errors_as_sentences():
        options = tyro.cli(Evaluate, args=arguments, description=__doc__, prog="jax-s4rl evaluate")
        if options.out is not None:
            entry_point.check_writable(options.out)
        cache_folders.enable_compilation_cache()
        stack.require()
        console = rich.console.Console()
        rows = evaluate_checkpoints(options.folder, options.targets, options.episodes, console)
        if options.out is not None:
            for row in rows:
                result_rows.append_row(options.out, row)


def evaluate_checkpoints(
    folder: Path,
    targets: Sequence[float],
    episodes: int,
    console: rich.console.Console,
    *,
    seconds: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Evaluates the newest and the best checkpoint of a run directory.

    Args:
        folder: Run directory.
        targets: Target returns; the highest return in the data if there are none.
        episodes: Number of episodes for each target return, with greedy and again with sampled
            actions.
        console: Console for the results.
        seconds: Seconds spent before on all seeds, by phase.

    Returns:
        A result row for each checkpoint and seed.

    Raises:
        FileNotFoundError: If the folder holds no run, or no checkpoint yet.
        ValueError: If the run is damaged, or `episodes` is below 1.
    """
    if episodes < 1:
        raise ValueError(f"got {episodes} episodes; give 1 or more")
    last, best = (agents.load(folder, best=best) for best in (False, True))
    console.print(
        f"checkpoints: last, after update {last.step:,}; best, after update {best.step:,}: {RULE}",
        highlight=False,
    )
    by_name = {"last and best": last} if best.step == last.step else {"last": last, "best": best}
    return [
        row
        for name, agent in by_name.items()
        for row in evaluate_agent(agent, name, targets, episodes, console, seconds or {})
    ]


def evaluate_agent(
    agent: agents.Agent,
    checkpoint: str,
    targets: Sequence[float],
    episodes: int,
    console: rich.console.Console,
    seconds: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Evaluates the models of one checkpoint.

    Args:
        agent: Agent of the checkpoint.
        checkpoint: Name of the checkpoint.
        targets: Target returns; the highest return in the data if there are none.
        episodes: Number of episodes for each target return, with greedy and again with sampled
            actions.
        console: Console for the results.
        seconds: Seconds spent before on all seeds, by phase.

    Returns:
        A result row for each seed.
    """
    description, world = agent.description, agent.description.world
    targets = tuple(targets) or (world.best_return,)
    # The first half of the episodes is greedy, the second half sampled, with the same targets.
    repeated = np.tile(np.repeat(targets, episodes), 2)
    greedy = np.arange(len(repeated)) < len(repeated) // 2
    shares = {phase: value / len(description.seeds) for phase, value in seconds.items()}
    rows = []
    for number, seed in enumerate(description.seeds):
        # Episode i is reset with this seed plus i: each model has a range of a thousand seeds, the
        # same for all its checkpoints.
        acted = agent.run_episodes(repeated, greedy=greedy, seed=1_000 * (seed + 1), number=number)
        metrics = mean_returns(acted, targets)
        for target, *means in zip(*metrics.values(), strict=True):
            console.print(
                f"seed {seed}, {checkpoint}: target return {target:g}, "
                f"achieved {means[0]:.1f} greedy, {means[1]:.1f} sampled",
                highlight=False,
            )
        rows.append(
            result_rows.make_row(
                experiment="train",
                env=world.env_id
                if world.env_id != "jax_s4rl/Bsuite-v0"
                else str(world.env_kwargs["bsuite_id"]),
                dataset=description.dataset,
                method=description.model.model.mixer.name,
                tokens=description.model.model.tokens,
                context_length=description.model.model.context_length,
                seed=seed,
                parameters=decision_transformer.num_parameters(agent.params_of(number)),
                updates=agent.step,
                metrics={
                    "checkpoint": checkpoint,
                    **metrics,
                    "milliseconds_per_call": acted.milliseconds_per_call,
                },
                seconds=shares | {"evaluate": acted.compile_seconds + acted.act_seconds},
            )
        )
    return rows


def mean_returns(acted: rollout.Rollout, targets: Sequence[float]) -> dict[str, list[float]]:
    """Computes the mean achieved return for each target return, greedy and sampled.

    Args:
        acted: Episodes for all targets, greedy and sampled.
        targets: Target returns, each once.

    Returns:
        Lists in the order of the targets: "asked" (the targets), "achieved_greedy" and
        "achieved_sampled".
    """
    achieved = acted.record.episode_returns

    def means(is_kind: np.ndarray) -> list[float]:
        # Targets of a rollout are float32, so they are compared as float32.
        return [
            float(achieved[is_kind & (acted.targets == np.float32(target))].mean())
            for target in targets
        ]

    return {
        "asked": list(targets),
        "achieved_greedy": means(acted.greedy),
        "achieved_sampled": means(~acted.greedy),
    }


if __name__ == "__main__":
    main()
