"""Single transitions, drawn on the device, for one-step methods such as Q-learning."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Shaped, UInt32

from jax_s4rl.data import _narrowing, sampling, trajectories


class Store(NamedTuple):
    """A whole data set on the device (N steps, E episodes).

    Attributes:
        observations: Observations before all actions, then the final observations of the episodes
            (M = N + E).
        next_rows: Index in `observations` of the observation after each step.
        actions: Actions of all steps.
        rewards: Rewards of all steps.
        terminations: True at steps that terminated their episode.
        time_steps: Index of each step in its own episode.
        episode_starts: Index of each episode's first step.
        episode_lengths: Number of steps of each episode.
        episode_bounds: Ends of the episodes' shares of all draws, see `sampling.bounds`.
    """

    observations: Shaped[Array, "M *obs"]
    next_rows: Int[Array, " N"]
    actions: Shaped[Array, "N *action"]
    rewards: Float[Array, " N"]
    terminations: Bool[Array, " N"]
    time_steps: Int[Array, " N"]
    episode_starts: Int[Array, " E"]
    episode_lengths: Int[Array, " E"]
    episode_bounds: UInt32[Array, " E"]


class Transitions(NamedTuple):
    """B steps, each with the next observation.

    A truncated step has a real next observation and `terminations` False: its future goes on.

    Attributes:
        observations: Observation before each action.
        actions: Action of each step.
        rewards: Reward of each step.
        next_observations: Observation after each action.
        terminations: True at steps that terminated their episode.
        time_steps: Index of each step in its own episode.
    """

    observations: Shaped[Array, "B *obs"]
    actions: Shaped[Array, "B *action"]
    rewards: Float[Array, " B"]
    next_observations: Shaped[Array, "B *obs"]
    terminations: Bool[Array, " B"]
    time_steps: Int[Array, " B"]


Draw = Callable[[Key[Array, " B"], Store], Transitions]


def make_store(record: trajectories.Trajectories, weighting: str = "length") -> Store:
    """Puts a record on the default device.

    Args:
        record: The episodes; their arrays must fit into device memory.
        weighting: Name of the rule that says how often each episode is drawn, see
            `sampling.episode_weights`; "length" draws every step equally often.

    Returns:
        Device arrays to draw transitions from; observations have at most 32 bits.

    Raises:
        ValueError: If there is no such weighting, or observations of 64 bits would lose their
            differences in 32.
    """
    starts, lengths = record.episode_starts, record.episode_lengths
    # The next step holds the next observation, except at the end of an episode: the final
    # observations stand behind those of all steps.
    next_rows = np.arange(record.num_steps) + 1
    next_rows[starts + lengths - 1] = record.num_steps + np.arange(record.num_episodes)
    weights = sampling.episode_weights(lengths, record.episode_returns, weighting)
    observations = np.concatenate([record.observations, record.final_observations])
    return Store(
        observations=jnp.asarray(_narrowing.to_32_bits("observations", observations)),
        next_rows=jnp.asarray(next_rows, jnp.int32),
        actions=jnp.asarray(record.actions),
        rewards=jnp.asarray(record.rewards),
        terminations=jnp.asarray(record.terminations),
        time_steps=jnp.asarray(np.arange(record.num_steps) - np.repeat(starts, lengths), jnp.int32),
        episode_starts=jnp.asarray(starts, jnp.int32),
        episode_lengths=jnp.asarray(lengths, jnp.int32),
        episode_bounds=jnp.asarray(sampling.bounds(weights)),
    )


def draw(keys: Key[Array, " B"], store: Store) -> Transitions:
    """Draws one transition for each key: an episode by its weight, and a step of it uniformly.

    Args:
        keys: Typed keys, one for each transition.
        store: Data set on the device, from `make_store`.

    Returns:
        The transitions.

    Example:
        >>> import jax
        >>> one = trajectories.Episode(
        ...     np.zeros((2, 3), np.float32), np.array([0, 1]), np.ones(2),
        ...     np.array([False, True]), np.zeros(2, bool), np.ones(3, np.float32), seed=7)
        >>> store = make_store(trajectories.from_episodes([one]))
        >>> draw(jax.random.split(jax.random.key(0), 4), store).observations.shape
        (4, 3)
    """
    bounds, starts, lengths = store.episode_bounds, store.episode_starts, store.episode_lengths
    return gather(store, sampling.draw_steps(keys, bounds, starts, lengths))


def gather(store: Store, steps: Int[Array, " B"]) -> Transitions:
    """Gathers the transitions of the given steps.

    Args:
        store: Data set on the device, from `make_store`.
        steps: Flat indices of steps, from 0 to N - 1.

    Returns:
        The transitions.
    """
    return Transitions(
        observations=store.observations[steps],
        actions=store.actions[steps],
        rewards=store.rewards[steps],
        next_observations=store.observations[store.next_rows[steps]],
        terminations=store.terminations[steps],
        time_steps=store.time_steps[steps],
    )
