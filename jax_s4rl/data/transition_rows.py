"""Rows of tokenized transitions, drawn on the device.

A transition is its observation, its action, its reward and the value after it: D numbers, each of
which is a token (`data.discretizer`). Behind the termination of an episode every token is the stop
token. Behind a time limit, or where recording stopped, nothing is known: such steps are masked.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt32

from jax_s4rl.data import sampling, trajectories


class Store(NamedTuple):
    """A whole data set on the device: N transitions of D tokens in E episodes.

    Attributes:
        tokens: Tokens of all transitions.
        remaining: Number of steps from each step to the end of its episode, itself included.
        is_terminated: Whether the episode of each step ends with a termination.
        episode_starts: Index of each episode's first step.
        episode_lengths: Number of steps of each episode.
        episode_bounds: Ends of the episodes' shares of all draws, see `sampling.bounds`.
    """

    tokens: Int[Array, "N D"]
    remaining: Int[Array, " N"]
    is_terminated: Bool[Array, " N"]
    episode_starts: Int[Array, " E"]
    episode_lengths: Int[Array, " E"]
    episode_bounds: UInt32[Array, " E"]


class Rows(NamedTuple):
    """B rows of K transitions.

    Attributes:
        tokens: Tokens; the stop token behind the end of the episode.
        mask: True at steps of the episode and behind its termination.
    """

    tokens: Int[Array, "B K D"]
    mask: Bool[Array, "B K"]


Draw = Callable[[Key[Array, " B"], Store], Rows]


def columns(
    record: trajectories.Trajectories,
    rewards: Float[np.ndarray, " N"],
    values: Float[np.ndarray, " N"],
) -> Float[np.ndarray, "N D"]:
    """Lays the numbers of each transition side by side: observation, action, reward, value.

    Args:
        record: Episodes; an observation or action that is an index is one number.
        rewards: Rewards of all steps.
        values: Value after each step.

    Returns:
        Numbers of all transitions, float32.

    Example:
        >>> one = trajectories.Episode(
        ...     np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> record = trajectories.from_episodes([one])
        >>> columns(record, record.rewards, np.array([1.0, 0.0], np.float32)).tolist()
        [[0.0, 0.0, 0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]]
    """
    parts = (record.observations, record.actions, rewards, values)
    return np.concatenate([part.reshape(len(part), -1).astype(np.float32) for part in parts], 1)


def make_store(
    tokens: Int[Array | np.ndarray, "N D"],
    record: trajectories.Trajectories,
    weighting: str = "length",
) -> Store:
    """Puts tokenized transitions on the default device.

    Args:
        tokens: Tokens of all transitions of the record.
        record: Episodes that they belong to.
        weighting: Name of the rule that says how often each episode is drawn, see
            `sampling.episode_weights`; "length" draws every step equally often.

    Returns:
        Device arrays to draw rows from.

    Raises:
        ValueError: If there is no such weighting.
    """
    starts, lengths = record.episode_starts, record.episode_lengths
    weights = sampling.episode_weights(lengths, record.episode_returns, weighting)
    return Store(
        tokens=jnp.asarray(tokens, jnp.int32),
        remaining=jnp.asarray(
            np.repeat(starts + lengths, lengths) - np.arange(record.num_steps)
        ).astype(jnp.int32),
        is_terminated=jnp.asarray(np.repeat(record.terminations[starts + lengths - 1], lengths)),
        episode_starts=jnp.asarray(starts, jnp.int32),
        episode_lengths=jnp.asarray(lengths, jnp.int32),
        episode_bounds=jnp.asarray(sampling.bounds(weights)),
    )


def gather(store: Store, first_steps: Int[Array, " B"], context_length: int, stop: int) -> Rows:
    """Cuts the rows that begin at the given steps.

    Args:
        store: Data set on the device, from `make_store`.
        first_steps: Flat index of each row's first step, from 0 to N - 1.
        context_length: Number of transitions in each row (K).
        stop: Stop token.

    Returns:
        The rows; none reaches into the next episode.

    Example:
        >>> one = trajectories.Episode(
        ...     np.zeros((2, 1), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(1, np.float32), seed=7)
        >>> store = make_store(jnp.array([[0], [3]]), trajectories.from_episodes([one]))
        >>> gather(store, jnp.array([1]), 3, stop=9).tokens.tolist()
        [[[3], [9], [9]]]
    """
    offsets = jnp.arange(context_length, dtype=jnp.int32)[None, :]
    is_recorded = offsets < store.remaining[first_steps][:, None]
    # Steps behind the end point at the row's first step, so that no index leaves the data set.
    steps = first_steps[:, None] + jnp.where(is_recorded, offsets, 0)
    tokens = jnp.where(is_recorded[..., None], store.tokens[steps], jnp.int32(stop))
    return Rows(tokens, is_recorded | store.is_terminated[first_steps][:, None])


# Equal choices give the same function, so that trainings can share a program.
@functools.cache
def make_draw(context_length: int, stop: int) -> Draw:
    """Makes the function that draws the rows of a batch, each from any step on.

    Args:
        context_length: Number of transitions in each row (K).
        stop: Stop token.

    Returns:
        A pure function of [B] typed keys and a store to B rows.
    """

    def draw(keys: Key[Array, " B"], store: Store) -> Rows:
        bounds, starts, lengths = store.episode_bounds, store.episode_starts, store.episode_lengths
        first_steps = sampling.draw_steps(keys, bounds, starts, lengths)
        return gather(store, first_steps, context_length, stop)

    return draw
