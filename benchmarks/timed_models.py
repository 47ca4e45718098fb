"""Decision transformers whose training and acting are timed, with every mixer and token layout.

All have three blocks of width 128, as in the paper, vectors of 16 numbers as observations, and 6
actions. Attention has the minGPT block with its feed-forward part, and a table of time steps; so
has `mlp`, which has no memory. The others have the block of their own papers, without feed-forward
part, and no time embedding. `s4d/matched` is S4D with a feed-forward part that gives it as many
parameters as attention.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jax_s4rl.data import trajectories
from jax_s4rl.models import configs, presets
from jax_s4rl.modules import mixers, tokens

OBSERVATION_SIZE, NUM_ACTIONS = 16, 6
WITH_FEED_FORWARD = ("attention", "mlp")
MATCHED = "s4d/matched"
# Number of rows of a batch by steps of context; fewer rows of a longer context fit into memory.
BATCHES = {32: 64, 100: 64, 341: 16, 1024: 4}
STEPS_PER_BATCH = 4096


class TimedModel(NamedTuple):
    """A model to be timed.

    Attributes:
        method: Name of the method in result rows.
        config: Configuration of the model.
        batch_size: Number of rows of a batch in training.
    """

    method: str
    config: configs.DecisionTransformerConfig
    batch_size: int

    @property
    def name(self) -> str:
        """Method and token layout."""
        return f"{self.method}, {self.config.model.tokens}"


def make(context_length: int, names: tuple[str, ...] = mixers.NAMES) -> Iterator[TimedModel]:
    """Yields every named mixer with both token layouts, for one context length.

    Args:
        context_length: Number of steps of context.
        names: Names of the mixers.

    Yields:
        The models; the last is `s4d/matched` if both S4D and attention are named.
    """
    rows = batch_size(context_length)
    for name in names:
        for layout in tokens.LAYOUTS:
            yield TimedModel(name, configure(name, layout, context_length), rows)
    if {"s4d", "attention"} <= set(names):
        attention = configure("attention", tokens.CONCATENATED, context_length)
        yield TimedModel(
            MATCHED,
            presets.match_parameters(
                attention, mixers.MixerConfig("s4d", step_range=mixers.OLD_STEP_RANGE)
            ),
            rows,
        )


def batch_size(context_length: int) -> int:
    """Returns the number of rows of a batch: that of `BATCHES`, or as many as have 4,096 steps.

    Args:
        context_length: Number of steps of context.
    """
    return BATCHES.get(context_length, max(1, STEPS_PER_BATCH // context_length))


def family(method: str) -> tuple[str, ...]:
    """Returns the mixers that `make` needs to yield the model of a method.

    Args:
        method: Name of the method in result rows.

    Returns:
        Names of mixers.
    """
    return ("s4d", "attention") if method == MATCHED else (method,)


def configure(name: str, layout: str, context_length: int) -> configs.DecisionTransformerConfig:
    """Configures the model around one mixer.

    Args:
        name: Name of the mixer.
        layout: Token layout.
        context_length: Number of steps of context.

    Returns:
        The configuration.
    """
    base = presets.get("paper" if name in WITH_FEED_FORWARD else "paper-lean")
    model = dataclasses.replace(
        base,
        mixer=mixers.MixerConfig(name, step_range=mixers.OLD_STEP_RANGE),
        tokens=layout,
        context_length=context_length,
        time_embedding=tokens.LEARNED if name in WITH_FEED_FORWARD else tokens.NONE,
        dropout=0.0,
    )
    return configs.DecisionTransformerConfig(
        observation_shape=(OBSERVATION_SIZE,),
        num_actions=NUM_ACTIONS,
        horizon=context_length,
        model=model,
    )


def record(num_steps: int, num_episodes: int = 16) -> trajectories.Trajectories:
    """Makes random episodes of one length.

    Args:
        num_steps: Number of steps of each episode.
        num_episodes: Number of episodes.

    Returns:
        The episodes.
    """
    rng = np.random.default_rng(0)
    return trajectories.from_episodes(
        [
            trajectories.Episode(
                observations=rng.normal(size=(num_steps, OBSERVATION_SIZE)).astype(np.float32),
                actions=rng.integers(0, NUM_ACTIONS, num_steps, dtype=np.int32),
                rewards=rng.normal(size=num_steps).astype(np.float32),
                terminations=np.arange(num_steps) == num_steps - 1,
                truncations=np.zeros(num_steps, bool),
                final_observation=rng.normal(size=OBSERVATION_SIZE).astype(np.float32),
                seed=seed,
            )
            for seed in range(num_episodes)
        ]
    )
