"""The main tasks of the experiments, with the model of the paper: data, settings, metrics.

`experiments.paper_size` trains them. Regime, weighting and time embedding of each task, and the
function that scores a model, are those of the task's own experiment; the size is the paper's.
"""

import dataclasses
from typing import Any, NamedTuple

from experiments import (
    cartpole,
    key_door,
    key_to_door,
    key_to_door_metrics,
    memory,
    pendulum,
    protocol,
    random_walk,
    runner,
)
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.models import presets

CONTEXT = 32
UPDATES = 1_000
# Episodes for the score at the default options, for each way of choosing actions, and for each
# target of the sweep where there is one. Where good episodes are long, 1,000 would take minutes for
# every run: 500 steps of CartPole, also with a carried state without velocities; 200 of Pendulum,
# for two targets; 200 of three rooms, where attention's cache of 600 tokens would fill the memory.
JUDGED = {
    "key_to_door_1k": (1_000, 0),
    "key_to_door_10k": (1_000, 0),
    "random_walk": (1_000, 0),
    "cartpole": (250, 10),
    "masked_cartpole": (250, 0),
    "pendulum": (500, 20),
    "key_door": (100, 5),
}


class Headline(NamedTuple):
    """A task of the paper's size.

    Attributes:
        dataset: Name of the dataset.
        settings: Settings around attention, before tuning.
        metrics: Function that scores a trained model, that of the task's experiment.
        tuned_by: Name of the metric that tuning compares.
        shapes: Dataset with the same shapes that loads faster; `dataset` if empty.
        keep: Episodes of percentile behavior cloning.
    """

    dataset: str
    settings: decision_transformer.Settings
    metrics: runner.Metrics
    tuned_by: str
    shapes: str = ""
    keep: str = runner.BEST_TENTH


def at_size(
    base: decision_transformer.Settings, context_length: int
) -> decision_transformer.Settings:
    """Returns the settings of an experiment with the size of the paper's model.

    Args:
        base: Settings around attention; regime, weighting and time embedding stay.
        context_length: Steps of a window.
    """
    paper = presets.get("paper")
    mixer = dataclasses.replace(
        base.model.mixer, num_heads=paper.mixer.num_heads, step_range=paper.mixer.step_range
    )
    return protocol.override(
        base,
        mixer=mixer,
        width=paper.width,
        num_layers=paper.num_layers,
        mlp_ratio=paper.mlp_ratio,
        tokens=paper.tokens,
        context_length=context_length,
        num_updates=UPDATES,
    )


_KEY_TO_DOOR = Headline(
    key_to_door.SMALL,
    at_size(key_to_door.SETTINGS, key_to_door.STEPS),
    key_to_door_metrics.metrics,
    key_to_door.TUNED_BY,
    shapes=key_to_door.SMALL,
    keep=runner.SUCCESSES,
)
TASKS = {
    "key_to_door_1k": _KEY_TO_DOOR,
    "key_to_door_10k": _KEY_TO_DOOR._replace(dataset=key_to_door.LARGE),
    "random_walk": Headline(
        f"{random_walk.DEFAULT}/{random_walk.THOUSAND}",
        at_size(random_walk.SETTINGS, random_walk.STEPS),
        random_walk.metrics,
        random_walk.TUNED_BY,
    ),
    "cartpole": Headline(
        "cartpole/mixed", at_size(cartpole.SETTINGS, CONTEXT), cartpole.metrics, cartpole.TUNED_BY
    ),
    "masked_cartpole": Headline(
        memory.CARTPOLE, at_size(cartpole.SETTINGS, CONTEXT), memory.metrics, memory.TUNED_BY
    ),
    "pendulum": Headline(
        "pendulum/medium", at_size(pendulum.SETTINGS, CONTEXT), pendulum.metrics, pendulum.TUNED_BY
    ),
    "key_door": Headline(
        "key_door/ppo-replay",
        at_size(key_door.SETTINGS, key_door.STEPS),
        key_door.metrics,
        key_door.TUNED_BY,
        shapes=f"key_door/{key_door.TUNED_ON}",
    ),
}


def scale(task: Headline) -> float:
    """Returns the distance from random play to the optimum, in the unit of the tuning metric."""
    if not task.tuned_by.startswith("return"):
        return 1.0  # a share of episodes
    loaded = tasks.load(task.dataset)
    return loaded.optimal_return - loaded.random_return


def evaluation(name: str, options: runner.Options) -> tuple[tuple[str, Any], ...]:
    """Returns the episodes for the score and for every target of the sweep, if it has one."""
    share = options.episodes / runner.Options().episodes
    episodes, each = (max(1, round(number * share)) for number in JUDGED[name])
    found: tuple[tuple[str, Any], ...] = (("episodes", episodes),)
    return (*found, ("episodes_each", each)) if JUDGED[name][1] else found
