"""Checks what a model sees: the data, and whether acting gives it the same inputs as training."""

import functools
from collections.abc import Callable
from typing import Any

import gymnasium
import jax
import numpy as np

from jax_s4rl.agents import (
    agent,
    alignment,
    data_report,
    decision_transformer,
    replay,
    tasks,
)
from jax_s4rl.data import observations, trajectories
from jax_s4rl.models import configs, policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers

SPREADS_ALONE = ", by the spread of each feature alone: the data have no episode seeds"
# Number of steps that are compared; the small model has this context.
STEPS = 16


def check(task: tasks.Task) -> dict[str, Any]:
    """Describes the data of a task, and compares training with acting.

    Args:
        task: Task with its episodes.

    Returns:
        Values that JSON can hold: "data" (see `data_report.make`), "compared" (what was compared)
        and "mismatches" (sentences, none if all is well).

    Raises:
        ValueError: If the parts of the task do not fit each other.
    """
    config = decision_transformer.configure(_small_settings(), task)
    params = groups.strip(network.init(config, jax.random.key(0)))
    compared, mismatches = [], []
    if task.has_env:
        found, played = replay.against_record(task.make_env, task.record)
        alone = "" if (task.record.episode_seeds >= 0).any() else SPREADS_ALONE
        compared.append(f"recorded actions in the environment with the data{alone}")
        mismatches += _sentences(found)
    else:
        played = _recorded(task.record)
    chosen = policy.Policy(config, task.max_steps)
    encoders = task.encoders
    if not task.has_env:
        encoders = (observations.encoder(encoders[0].encoded_space), encoders[1])
    found = _align(chosen, params, encoders, played)
    compared.append("training windows with the inputs of acting, step by step")
    mismatches += _sentences(found)
    return {
        "data": data_report.make(task, config),
        "compared": compared,
        "mismatches": mismatches,
    }


def check_run(
    trained: agent.Agent, make_env: Callable[[], gymnasium.Env] | None = None
) -> dict[str, Any]:
    """Compares a trained model with an environment, and its training with its acting.

    Args:
        trained: Trained agent.
        make_env: Function that makes the environment; that of the agent if None.

    Returns:
        Values that JSON can hold: "run", "compared" and "mismatches".

    Raises:
        ValueError: If there is no environment, or it does not fit the agent.
    """
    description = trained.description
    world, config = description.world, description.model
    make = functools.partial(world.make_env, make_env or trained.factory)
    env = make()
    try:
        played = [replay.play(env, None, seed) for seed in range(replay.EPISODES)]
    finally:
        env.close()
    mismatches = _against_statistics(config, played)
    found = _align(trained.policy, trained.params_of(0), trained.encoders, played[0])
    return {
        "run": {
            "dataset": description.dataset,
            "updates": trained.step,
            "environment": world.env_id,
            "best_return": world.best_return,
            "observation_kind": config.observation_kind,
            "observation_mean": list(config.observation_mean),
            "observation_std": list(config.observation_std),
        },
        "compared": [
            "observations of random actions in the environment with the statistics of the data",
            "training windows with the inputs of acting, step by step",
        ],
        "mismatches": mismatches + _sentences(found),
    }


def lines(report: dict[str, Any]) -> list[str]:
    """Formats a report for people.

    Args:
        report: Report of `check` or `check_run`.

    Returns:
        Lines of text.
    """
    found = _data_lines(report["data"]) if "data" in report else _run_lines(report["run"])
    found += [f"compared: {what}" for what in report["compared"]]
    if not report["mismatches"]:
        return [*found, "no mismatch was found"]
    return [*found, *(f"MISMATCH: {sentence}" for sentence in report["mismatches"])]


def _small_settings() -> decision_transformer.Settings:
    """Returns the settings of a model that costs nothing: its inputs matter, not its size."""
    model = configs.ModelConfig(
        mixer=mixers.MixerConfig("lstm"), context_length=STEPS, width=8, num_layers=1, mlp_ratio=1
    )
    return decision_transformer.Settings(model=model)


def _align(
    chosen: policy.Policy, params: Any, encoders: Any, played: replay.Played
) -> alignment.Mismatch | None:
    """Compares the two ways of one episode into a model."""
    length = min(len(played.episode.rewards), chosen.config.model.context_length, STEPS)
    record = trajectories.from_episodes([played.episode])
    return alignment.first_mismatch(
        alignment.of_training(record, length, chosen.config, params),
        alignment.of_acting(
            chosen, params, encoders, played.episode, played.raw_observations, length
        ),
    )


def _recorded(record: trajectories.Trajectories) -> replay.Played:
    """Returns the first recorded episode as if it had been played."""
    episode = record.episode(0)
    return replay.Played(episode, list(episode.observations))


def _against_statistics(
    config: configs.DecisionTransformerConfig, played: list[replay.Played]
) -> list[str]:
    """Compares the observations of an environment with the statistics in a configuration."""
    values = np.concatenate([one.episode.observations for one in played]).astype(np.float64)
    if not config.observation_mean:
        # One-hot vectors, indices and images are not scaled: their spaces were compared already.
        return []
    sentences = []
    for feature, (mean, std) in enumerate(
        zip(config.observation_mean, config.observation_std, strict=True)
    ):
        size = float(np.hypot(mean, std))
        found = replay.compare_feature(feature, values[:, feature], mean, std, size)
        sentences += [] if found is None else [found]
    return sentences


def _sentences(found: alignment.Mismatch | str | None) -> list[str]:
    if found is None:
        return []
    return [found if isinstance(found, str) else found.sentence]


def _data_lines(data: dict[str, Any]) -> list[str]:
    returns, lengths, ends = data["returns"], data["lengths"], data["ends"]
    found = [
        f"{data['name']}: {data['episodes']:,} episodes, {data['steps']:,} steps",
        f"returns  {_range(returns)}; divided by {data['return_scale']:.4g}",
        f"lengths  {_range(lengths)}",
        f"ends     {ends['terminated']:,} terminated, {ends['truncated']:,} truncated, "
        f"{ends['neither']:,} without a flag",
        f"observations ({data['observation_kind']})",
        f"  {'feature':>7} {'lowest':>11} {'highest':>11} {'mean':>11} {'std':>11} {'scale':>11}",
    ]
    found += [
        f"  {one['feature']:>7} {one['lowest']:>11.4g} {one['highest']:>11.4g} "
        f"{one['mean']:>11.4g} {one['std']:>11.4g} {one['scale']:>11.4g}"
        for one in data["features"]
    ]
    found.append("actions")
    found += [_action_line(one) for one in data["actions"]]
    return found + [f"suspicious: {sentence}" for sentence in data["suspicious"]]


def _action_line(one: dict[str, Any]) -> str:
    if "share" in one:
        return f"  {one['action']:>7} {one['share']:>11.2%}"
    low, high = one["limits"]
    return (
        f"  {one['component']:>7} {one['lowest']:>11.4g} {one['highest']:>11.4g} "
        f"{one['mean']:>11.4g} {one['std']:>11.4g}   limits {low:.4g} to {high:.4g}"
    )


def _run_lines(run: dict[str, Any]) -> list[str]:
    found = [
        f"{run['dataset']}: after update {run['updates']:,}, environment {run['environment']}",
        f"best return in the data {run['best_return']:.4g}",
        f"observations ({run['observation_kind']})",
    ]
    pairs = zip(run["observation_mean"], run["observation_std"], strict=True)
    return found + [
        f"  {feature:>7} mean {mean:>11.4g}  scale {std:>11.4g}"
        for feature, (mean, std) in enumerate(pairs)
    ]


def _range(values: dict[str, float]) -> str:
    return (
        f"{values['lowest']:.4g} to {values['highest']:.4g}, median {values['median']:.4g}, "
        f"mean {values['mean']:.4g}"
    )
