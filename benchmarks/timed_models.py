"""The models whose training and acting are timed: one decision model, with every mixer and both tokenizations.

All have three blocks of width 128, as in the paper, and see vectors of 16 numbers and 6 actions. Attention has the
minGPT block with its feed-forward part, and a table of time steps; so has `mlp`, which has no memory. The others have
the block of their own papers, without feed-forward part, and no time embedding. `matched` is S4D with a feed-forward
part that brings it to the parameters of attention.
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
# Rows of a batch, by steps of context: the longer, the fewer fit.
BATCHES = {32: 64, 100: 64, 341: 16, 1024: 4}


class Contender(NamedTuple):
    """A model to be timed: its method in result lines, and its configuration."""

    method: str
    config: configs.DecisionTransformerConfig

    @property
    def name(self) -> str:
        """Method and tokens."""
        return f"{self.method}, {self.config.model.tokens}"


def make(context_length: int, names: tuple[str, ...] = mixers.NAMES) -> Iterator[Contender]:
    """Every mixer named, with both tokenizations, for one context length in steps."""
    for name in names:
        for layout in tokens.LAYOUTS:
            yield Contender(name, configure(name, layout, context_length))
    if {"s4d", "attention"} <= set(names):
        attention = configure("attention", tokens.CONCATENATED, context_length)
        yield Contender(MATCHED, presets.twin(attention, mixers.MixerConfig("s4d", step_range=mixers.OLD_STEP_RANGE)))


def family(method: str) -> tuple[str, ...]:
    """Mixers to `make` so that the model of that method is among them."""
    return ("s4d", "attention") if method == MATCHED else (method,)


def configure(name: str, layout: str, context_length: int) -> configs.DecisionTransformerConfig:
    """The model around one mixer."""
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
        observation_shape=(OBSERVATION_SIZE,), num_actions=NUM_ACTIONS, horizon=context_length, model=model
    )


def record(num_steps: int, num_episodes: int = 16) -> trajectories.Trajectories:
    """Random episodes of one length."""
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
