"""Model cards: what a policy was trained on, how well it acts, and how to use it."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jax_s4rl.agents import run_directory
from jax_s4rl.data import untrusted
from jax_s4rl.evaluation import bootstrap, documents, rollout


class Scores(NamedTuple):
    """Scores of an agent.

    Attributes:
        rows: Rows of `rows`.
        reason: Why there are none; empty if there are some.
    """

    rows: list[dict[str, Any]]
    reason: str = ""


def rows(acted: rollout.Rollout, seed: int | None = None) -> list[dict[str, Any]]:
    """Computes the mean return of each target return, with its interval.

    Args:
        acted: Episodes.
        seed: Training seed of the model that acted; None if it is not known.

    Returns:
        One row for each target return and kind of actions, in values that JSON holds. The interval
        is None for a single episode.
    """
    returned = acted.record.episode_returns
    kinds = sorted({(float(t), bool(g)) for t, g in zip(acted.targets, acted.greedy, strict=True)})
    found = []
    for target, greedy in kinds:
        is_kind = (acted.targets == np.float32(target)) & (acted.greedy == greedy)
        value, low, high = bootstrap.mean([returned[is_kind]])
        found.append(
            {
                "seed": seed,
                "target_return": target,
                "greedy": greedy,
                "episodes": int(is_kind.sum()),
                "mean": value,
                "low": low if math.isfinite(low) else None,
                "high": high if math.isfinite(high) else None,
            }
        )
    return found


def score(
    description: run_directory.Description,
    run_episodes: Callable[..., rollout.Rollout] | None,
    rollouts: Sequence[rollout.Rollout] = (),
    episodes: int = 20,
) -> Scores:
    """Scores an agent by given episodes, or runs some if that is possible here.

    Args:
        description: Description of the training.
        run_episodes: `Agent.run_episodes`; None if there is no environment.
        rollouts: Episodes of the agent; if there are none, some are run.
        episodes: Number of greedy episodes that each model runs, at the highest return in the data;
            0 to run none.

    Returns:
        The scores.

    Raises:
        ValueError: If `episodes` is negative.
    """
    if episodes < 0:
        raise ValueError(f"got {episodes} episodes; give 0 or more")
    if rollouts:
        given = itertools.chain.from_iterable(map(rows, rollouts))
        return Scores(list(given))
    if not episodes:
        return Scores([], "it was not evaluated")
    if run_episodes is None:
        return Scores([], "there is no environment to act in")
    targets = np.full(episodes, description.world.best_return, np.float32)
    found: list[dict[str, Any]] = []
    for number, seed in enumerate(description.seeds):
        try:
            # The seeds of `jax-s4rl evaluate`.
            acted = run_episodes(targets, greedy=True, seed=1_000 * (seed + 1), number=number)
        except Exception as error:
            # Whatever an environment raises: a trained policy is saved without scores, too.
            return Scores(
                [],
                f"its environment could not be run ({untrusted.brief(error, untrusted.SENTENCE)})",
            )
        found += rows(acted, seed)
    return Scores(found)


def write(about: Mapping[str, Any], name: str) -> str:
    """Writes a model card.

    Args:
        about: Content of `policy.json`, see `policy_folder`.
        name: Name of the folder.

    Returns:
        The card, in Markdown.
    """
    # Names, arguments and reasons are text from files and of whoever trained the policy.
    about, name = documents.escape_all(about), documents.escape(name)
    configuration = about["configuration"]
    world, mixer = configuration["world"], configuration["settings"]["model"]["mixer"]["name"]
    where = world["env_id"] or "an environment without a name"
    parts = [
        _HEAD.format(mixer=mixer, where=where, version=about["versions"]["jax_s4rl"]),
        "## Training",
        _table(_training(about)),
        "## Scores",
        _scores(about),
        "## How to act",
        _USE.format(name=name, best=f"{world['best_return']:g}"),
        "## Limits",
        _LIMITS.format(
            max_steps=f"{world['max_steps']:,}",
            best=f"{world['best_return']:g}",
            lowest=f"{world['lowest_return_to_go']:g}",
        ),
        "## Versions",
        ", ".join(f"{name} {about['versions'][name]}" for name in about["versions"]) + ".",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


_HEAD = """---
library_name: jax_s4rl
tags:
- reinforcement-learning
- offline-reinforcement-learning
- decision-transformer
---

# A decision transformer ({mixer}) for {where}

A policy that was trained on recorded episodes alone, and acts towards a target return. It was saved
by jax_s4rl {version}.
"""

_USE = """```python
import jax_s4rl
agent = jax_s4rl.load("{name}")
state = agent.start(target_return={best})
action, state = agent.act(state, observation)  # first step of an episode
action, state = agent.act(state, observation, reward)  # every later step
```

`jax_s4rl.evaluate(agent)` runs whole episodes, and `agent.export("policy.jax_s4rl")` writes a file
that acts without jax_s4rl.
"""

_LIMITS = """- It acts for at most {max_steps} steps, the longest episode of its data or
  environment.
- The best recorded return is {best}: a higher target return is an extrapolation. While acting, the
  return that remains is never taken as lower than {lowest}, the lowest in the data.
- It imitates what was recorded. In states that the data do not contain, it can do anything.
- An interval covers the randomness of episodes, not that of the training: another training seed or
  dataset can give other scores.
"""


def _training(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    configuration = about["configuration"]
    world, settings = configuration["world"], configuration["settings"]
    model, seeds = settings["model"], configuration["seeds"]
    losses = ", ".join(f"{loss:.4g}" for loss in about["held_out_losses"])
    return [
        ("what", "value"),
        ("environment", _environment(world)),
        ("observations", _space(world["observation_space"])),
        ("actions", _space(world["action_space"])),
        ("dataset", f"{configuration['dataset']} (SHA-256 {about['hashes']['data'][:12]}…)"),
        ("episodes, steps", _sizes(world)),
        ("returns of the episodes", _returns(world)),
        ("model", _model(model)),
        ("parameters", f"{about['num_parameters']:,}"),
        ("training", _updates(about["step"], settings)),
        ("models", f"{len(seeds)}, of the training seeds {', '.join(map(str, seeds))}"),
        ("loss on held-out episodes", losses or "none were held out"),
    ]


def _environment(world: Mapping[str, Any]) -> str:
    if world["env_id"] is None:
        return "no name; it was made by a function, or there was none"
    options = ", ".join(f"{name}={value!r}" for name, value in world["env_kwargs"].items())
    return f"{world['env_id']}({options})" if options else world["env_id"]


def _space(space: Mapping[str, Any] | None) -> str:
    """Describes a space without its limits, which can be long."""
    if space is None:
        return "those of the environment"
    if "spaces" in space:
        # Of a Dict pairs of name and part, of a Tuple parts alone.
        parts = space["spaces"]
        named = parts if space["kind"] == "Dict" else enumerate(parts)
        return f"{space['kind']} of {', '.join(f'{name}: {_space(one)}' for name, one in named)}"
    shown = [f"{name}={space[name]}" for name in ("n", "nvec", "shape", "dtype") if name in space]
    return f"{space['kind']}({', '.join(shown)})"


def _sizes(world: Mapping[str, Any]) -> str:
    # Runs of earlier versions do not say it.
    if world.get("num_episodes") is None:
        return "not recorded"
    return f"{world['num_episodes']:,} episodes, {world['num_steps']:,} steps"


def _returns(world: Mapping[str, Any]) -> str:
    if world.get("lowest_return") is None:
        return f"at most {world['best_return']:g}"
    return f"{world['lowest_return']:g} to {world['best_return']:g}"


def _model(model: Mapping[str, Any]) -> str:
    return (
        f"{model['mixer']['name']}, layers: {model['num_layers']}, width: {model['width']}, "
        f"context of {model['context_length']} steps, {model['tokens']} tokens"
    )


def _updates(step: int, settings: Mapping[str, Any]) -> str:
    return (
        f"{step:,} of {settings['num_updates']:,} updates with {settings['batch_size']} rows, "
        f"regime {settings['regime']!r}"
    )


def _scores(about: Mapping[str, Any]) -> str:
    scores: Sequence[Mapping[str, Any]] = about["scores"]
    if not scores:
        return f"None: {about['no_scores_because']}."
    lines = [("training seed", "target return", "actions", "episodes", "mean return")]
    for row in scores:
        interval = f" [{row['low']:.4g}, {row['high']:.4g}]" if row["low"] is not None else ""
        lines.append(
            (
                "not known" if row["seed"] is None else str(row["seed"]),
                f"{row['target_return']:g}",
                "greedy" if row["greedy"] else "sampled",
                str(row["episodes"]),
                f"{row['mean']:.4g}{interval}",
            )
        )
    return _table(lines) + "\n\nIn brackets: bootstrap interval of 95 % over the episodes."


def _table(lines: Sequence[Sequence[str]]) -> str:
    """Makes a Markdown table; the first line is its head."""
    head, *body = map(" | ".join, lines)
    rule = " | ".join("---" for _ in lines[0])
    return "\n".join(f"| {line} |" for line in (head, rule, *body))
