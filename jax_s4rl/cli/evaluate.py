"""Evaluates a trained agent in its environment.

    jax-s4rl evaluate runs/cartpole --targets 100 300 500 --episodes 20
    jax-s4rl evaluate runs/mine --env my_module:make_env

Loads the run directory, runs some episodes for each target return, with greedy and with sampled
actions, and prints the mean returns.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich.console
import tyro

from jax_s4rl.agents import ranges
from jax_s4rl.cli import _data, entry_point

# JAX is imported after the options are read, so that the help is there at once.
if TYPE_CHECKING:
    import gymnasium
    import numpy as np

    from jax_s4rl.agents import agent as agents
    from jax_s4rl.evaluation import rollout

RULE = (
    "the one with the lowest mean training loss since the checkpoint before it; "
    "returns do not count"
)


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Options of an evaluation: run directory, environment, target returns and episodes."""

    folder: tyro.conf.Positional[Path]
    """Run directory of `jax-s4rl train`, or policy folder of `Agent.save`."""
    env: str | None = None
    """Environment to act in: an id, or module:function of a function that makes one; by default
    that of the training."""
    env_kwargs: str = "{}"
    """Arguments of the environment, a JSON object."""
    targets: tuple[float, ...] = ()
    """Target returns; by default the highest return in the data."""
    episodes: int = 10
    """Number of episodes for each target return, with greedy and again with sampled actions."""
    out: Path | None = None
    """File to which result rows are appended, one JSON object per line."""
    json: bool = False
    """Whether to print a JSON object as the last line."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: Arguments of the command; those of the process if None.
    """
    with entry_point.errors_as_sentences(), entry_point.if_stopped("no result was written"):
        entry_point.import_from_current_folder()
        options = tyro.cli(Evaluate, args=arguments, description=__doc__, prog="jax-s4rl evaluate")
        ranges.check_evaluation(options.targets, options.episodes)
        kwargs = _data.parse_kwargs(options.env_kwargs, options.env)
        if options.out is not None:
            entry_point.check_writable(options.out)
        from jax_s4rl import cache_folders, self_test
        from jax_s4rl.evaluation import result_rows

        cache_folders.enable_compilation_cache()
        self_test.require()
        rows = evaluate_checkpoints(
            options.folder,
            options.targets,
            options.episodes,
            rich.console.Console(),
            factory=find_factory(options.env, kwargs),
            needs_env=True,
        )
        if options.out is not None:
            for row in rows:
                result_rows.append_row(options.out, row)
        if options.json:
            entry_point.print_json({"folder": str(options.folder), "rows": rows})


def find_factory(
    env: str | None, kwargs: Mapping[str, Any]
) -> "Callable[[], gymnasium.Env] | None":
    """Finds the function that makes an environment.

    Args:
        env: Id of the environment, or "module:function"; None for that of the training.
        kwargs: Arguments of the environment.

    Returns:
        The function; None if `env` is None.

    Raises:
        ValueError: If there is no such environment.
    """
    from jax_s4rl.envs import registry

    if env is None:
        return None
    env_id, factory = registry.find(env)
    if factory is None:
        return functools.partial(registry.make, str(env_id), **kwargs)
    return registry.bind(env, factory, kwargs)


def evaluate_checkpoints(
    folder: Path,
    targets: Sequence[float],
    episodes: int,
    console: rich.console.Console,
    *,
    seconds: Mapping[str, float] | None = None,
    factory: "Callable[[], gymnasium.Env] | None" = None,
    kept: Any = None,
    needs_env: bool = False,
) -> list[dict[str, Any]]:
    """Evaluates the newest and the best checkpoint of a run directory.

    Args:
        folder: Run directory.
        targets: Target returns; the highest return in the data if there are none.
        episodes: Number of episodes for each target return, with greedy and again with sampled
            actions.
        console: Console for the results.
        seconds: Seconds spent before on all seeds, by phase.
        factory: Function that makes the environment; None for that of the run.
        kept: Episodes that were not trained on, a record; None without any.
        needs_env: Whether a run without an environment is an error; without one, nothing is acted.

    Returns:
        A result row for each checkpoint and seed.

    Raises:
        FileNotFoundError: If the folder holds no run, or no checkpoint yet.
        ValueError: If the run is damaged, `episodes` is below 1, or an environment is needed and
            missing.
    """
    from jax_s4rl.agents import agent as agents

    ranges.check_evaluation(targets, episodes)
    last, best = (
        dataclasses.replace(agents.load(folder, best=best), factory=factory)
        for best in (False, True)
    )
    has_env = factory is not None or last.description.world.env_id is not None
    is_played = has_env or needs_env
    if is_played and factory is None:
        check_env(last)
    console.print(
        f"checkpoints: last, after update {last.step:,}; best, after update {best.step:,}: {RULE}",
        highlight=False,
    )
    if not is_played:
        console.print(
            "no environment: the models were trained but not evaluated by acting; name one with "
            f"jax-s4rl evaluate {folder} --env ID",
            highlight=False,
            soft_wrap=True,
        )
    by_name = {"last and best": last} if best.step == last.step else {"last": last, "best": best}
    rows = []
    for name, agent in by_name.items():
        losses = [] if kept is None else agent.loss(kept)
        for seed, loss in zip(agent.description.seeds, losses, strict=False):
            console.print(f"seed {seed}, {name}: held-out loss {loss:.4g}", highlight=False)
        chosen = targets if is_played else None
        rows += evaluate_agent(agent, name, chosen, episodes, console, seconds or {}, losses)
    return rows


def check_env(agent: "agents.Agent") -> None:
    """Checks that the environment of a run can be made without a user who names it.

    Args:
        agent: Agent of the run.

    Raises:
        ValueError: If the run has no environment, or one that a function of a module makes.
    """
    env_id = agent.description.world.env_id
    if env_id is None:
        raise ValueError(
            "the run has no environment to act in; name one with --env ID or --env module:function"
        )
    if ":" in env_id:
        # Making it would import a module that a file names, which could run any code.
        raise ValueError(
            f"the run was trained for the environment {env_id}, a function of a module; if you "
            f"trust the run, pass --env {env_id}"
        )


def evaluate_agent(
    agent: "agents.Agent",
    checkpoint: str,
    targets: Sequence[float] | None,
    episodes: int,
    console: rich.console.Console,
    seconds: Mapping[str, float],
    losses: Sequence[float] = (),
) -> list[dict[str, Any]]:
    """Evaluates the models of one checkpoint.

    Args:
        agent: Agent of the checkpoint.
        checkpoint: Name of the checkpoint.
        targets: Target returns; the highest return in the data if there are none; None to act in no
            environment.
        episodes: Number of episodes for each target return, with greedy and again with sampled
            actions.
        console: Console for the results.
        seconds: Seconds spent before on all seeds, by phase.
        losses: Loss of each model on episodes that were held out.

    Returns:
        A result row for each seed.
    """
    from jax_s4rl.evaluation import result_rows
    from jax_s4rl.models import decision_transformer

    description, world = agent.description, agent.description.world
    shares = {phase: value / len(description.seeds) for phase, value in seconds.items()}
    rows = []
    for number, seed in enumerate(description.seeds):
        metrics: dict[str, Any] = {"checkpoint": checkpoint}
        if losses:
            metrics["held_out_loss"] = losses[number]
        spent = dict(shares)
        if targets is not None:
            chosen = tuple(targets) or (world.best_return,)
            title = f"seed {seed}, {checkpoint}"
            acted, means = _act(agent, number, chosen, episodes, console, title)
            metrics |= means | {"milliseconds_per_call": acted.milliseconds_per_call}
            spent["evaluate"] = acted.compile_seconds + acted.act_seconds
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
                metrics=metrics,
                seconds=spent,
            )
        )
    return rows


def _act(
    agent: "agents.Agent",
    number: int,
    targets: Sequence[float],
    episodes: int,
    console: rich.console.Console,
    title: str,
) -> "tuple[rollout.Rollout, dict[str, list[float]]]":
    """Runs the episodes of one model, and prints their mean returns."""
    import numpy as np

    # The first half of the episodes is greedy, the second half sampled, with the same targets.
    repeated = np.tile(np.repeat(targets, episodes), 2)
    greedy = np.arange(len(repeated)) < len(repeated) // 2
    # Episode i is reset with this seed plus i: each model has a range of a thousand seeds, the
    # same for all its checkpoints.
    seed = 1_000 * (agent.description.seeds[number] + 1)
    acted = agent.run_episodes(repeated, greedy=greedy, seed=seed, number=number)
    means = mean_returns(acted, targets)
    for target, *achieved in zip(*means.values(), strict=True):
        console.print(
            f"{title}: target return {target:g}, "
            f"achieved {achieved[0]:.1f} greedy, {achieved[1]:.1f} sampled",
            highlight=False,
        )
    return acted, means


def events_of(row: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of a result row that TensorBoard shows, by name.

    Args:
        row: Result row of `evaluate_agent`.

    Returns:
        The achieved returns by seed, target and kind of actions, and the held-out loss.

    Example:
        >>> row = {"seed": 0, "metrics": {"asked": [5.0], "achieved_greedy": [4.0]}}
        >>> events_of(row)
        {'return/seed_0/target_5/greedy': 4.0}
    """
    metrics, name = row["metrics"], f"seed_{row['seed']}"
    events = {}
    for kind in ("greedy", "sampled"):
        for target, value in zip(
            metrics.get("asked", ()), metrics.get(f"achieved_{kind}", ()), strict=False
        ):
            events[f"return/{name}/target_{target:g}/{kind}"] = value
    if "held_out_loss" in metrics:
        events[f"held_out_loss/{name}"] = metrics["held_out_loss"]
    return events


def mean_returns(acted: "rollout.Rollout", targets: Sequence[float]) -> dict[str, list[float]]:
    """Computes the mean achieved return for each target return, greedy and sampled.

    Args:
        acted: Episodes for all targets, greedy and sampled.
        targets: Target returns, each once.

    Returns:
        Lists in the order of the targets: "asked" (the targets), "achieved_greedy" and
        "achieved_sampled".
    """
    import numpy as np

    achieved = acted.record.episode_returns

    def means(is_kind: "np.ndarray") -> list[float]:
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
