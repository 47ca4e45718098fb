"""Windows from a record that exceeds the memory of the device, or of the host.

Only the steps of a batch are read.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jax_s4rl.data import _narrowing, returns, sampling, trajectories, windows

# Without "packed": its rows hold steps from all over the record, and here reading is the main cost.
REGIMES = ("windows", "episodes")


class HostStore(NamedTuple):
    """A record that stays where it is, and its returns-to-go and indices in host memory.

    The record can be mapped from the disk (see `storage.load_trajectories(in_memory=False)`). The
    returns-to-go and indices take 12 bytes of host memory per step.

    Attributes:
        record: The episodes: N steps, E episodes.
        returns_to_go: [N] float32, undiscounted sum of rewards from each step to its episode's end.
        time_steps: [N] int32, index of each step in its own episode.
        remaining: [N] int32, number of steps from each step to its episode's end, itself included.
        weights: [E] float64, probability with which each episode is drawn.
        observation_dtype: Type of the observations on the device, of at most 32 bits.
    """

    record: trajectories.Trajectories
    returns_to_go: np.ndarray
    time_steps: np.ndarray
    remaining: np.ndarray
    weights: np.ndarray
    observation_dtype: np.dtype


def make_host_store(record: trajectories.Trajectories, weighting: str = "length") -> HostStore:
    """Prepares a record for `sample_windows`; observations and actions are not copied.

    Args:
        record: The episodes.
        weighting: Name of the rule that says how often each episode is drawn, see
            `sampling.episode_weights`.

    Returns:
        The record with its returns-to-go, indices and weights.

    Raises:
        ValueError: If there is no such weighting, or observations of 64 bits would lose their
            differences in 32.
    """
    lengths = record.episode_lengths
    time_steps = np.arange(record.num_steps) - np.repeat(record.episode_starts, lengths)
    remaining = np.repeat(lengths, lengths) - time_steps
    to_go = returns.returns_to_go(np.asarray(record.rewards), lengths)
    weights = sampling.episode_weights(lengths, record.episode_returns, weighting)
    return HostStore(
        record,
        to_go,
        time_steps.astype(np.int32),
        remaining.astype(np.int32),
        weights,
        _narrowing.dtype("observations", record.observations),
    )


def sample_windows(
    rng: np.random.Generator,
    store: HostStore,
    batch_size: int,
    context_length: int,
    *,
    regime: str = "windows",
) -> windows.Windows:
    """Draws windows on the host, in the regimes of `regimes.make`.

    Args:
        rng: Source of randomness.
        store: Prepared record, from `make_host_store`.
        batch_size: Number of windows (B).
        context_length: Number of steps in each window (K).
        regime: Name of the regime, "windows" (from any step on) or "episodes" (from step 0).

    Returns:
        The windows, on the device.

    Raises:
        ValueError: If a size is below 1 or there is no such regime.
    """
    if batch_size < 1:
        raise ValueError(f"got batch_size {batch_size}, wanted at least 1")
    if regime not in REGIMES:
        raise ValueError(f"got regime={regime!r}, wanted one of {', '.join(REGIMES)}")
    episodes = rng.choice(len(store.weights), batch_size, p=store.weights)
    first = store.record.episode_starts[episodes]
    if regime == "windows":
        first = first + rng.integers(0, store.record.episode_lengths[episodes])
    return gather_windows(store, first, context_length)


def gather_windows(
    store: HostStore, first_steps: Int[np.ndarray, " B"], context_length: int
) -> windows.Windows:
    """Cuts the windows that begin at the given steps.

    The steps of each window, and the step before them for its action, are copied into a small store
    on the device. `windows.gather_windows` cuts this store, so that one function defines a window.

    Args:
        store: Prepared record, from `make_host_store`.
        first_steps: Flat index of each window's first step, from 0 to N - 1.
        context_length: Number of steps in each window (K).

    Returns:
        The windows, on the device.

    Raises:
        ValueError: If `context_length` is below 1.
    """
    if context_length < 1:
        raise ValueError(f"got context_length {context_length}, wanted at least 1 step")
    # Each window takes `context_length + 1` rows: the step before it, then its own. Past the end of
    # the episode the last step is repeated; `remaining` makes it padding.
    last = first_steps + store.remaining[first_steps] - 1
    steps = np.minimum(first_steps[:, None] + np.arange(-1, context_length), last[:, None])
    # Step 0 of the record has no step before it; as its time step is 0, the row is not used.
    rows = np.maximum(steps, 0).ravel()
    small = windows.Store(
        observations=jnp.asarray(
            store.record.observations[rows].astype(store.observation_dtype, copy=False)
        ),
        actions=jnp.asarray(store.record.actions[rows]),
        returns_to_go=jnp.asarray(store.returns_to_go[rows]),
        time_steps=jnp.asarray(store.time_steps[rows]),
        remaining=jnp.asarray(store.remaining[rows]),
        # `windows.gather_windows` does not use these two.
        episode_starts=jnp.zeros(1, jnp.int32),
        episode_bounds=jnp.zeros(1, jnp.uint32),
    )
    begins = jnp.arange(len(first_steps), dtype=jnp.int32) * (context_length + 1) + 1
    return windows.gather_windows(small, begins, context_length)
