"""Windows from a record that exceeds the device's memory, or the host's: only the steps of a batch are read."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jax_s4rl.data import returns, sampling, trajectories, windows

# A packed row would be of steps from all over the record, and reading is what costs here.
REGIMES = ("windows", "episodes")


class HostStore(NamedTuple):
    """A record that stays where it is (see `storage.load_trajectories(in_memory=False)`), and its clocks.

    The clocks and returns-to-go take 12 bytes a step of host memory. `weights` [E] says how often each episode is
    drawn.
    """

    record: trajectories.Trajectories
    returns_to_go: np.ndarray
    time_steps: np.ndarray
    remaining: np.ndarray
    weights: np.ndarray


def make_host_store(record: trajectories.Trajectories, weighting: str = "length") -> HostStore:
    """Prepares a record for `sample_windows`; observations and actions are not copied."""
    lengths = record.episode_lengths
    time_steps = np.arange(record.num_steps) - np.repeat(record.episode_starts, lengths)
    remaining = np.repeat(lengths, lengths) - time_steps
    to_go = returns.returns_to_go(np.asarray(record.rewards), lengths)
    weights = sampling.episode_weights(lengths, record.episode_returns, weighting)
    return HostStore(record, to_go, time_steps.astype(np.int32), remaining.astype(np.int32), weights)


def sample_windows(
    rng: np.random.Generator, store: HostStore, batch_size: int, context_length: int, *, regime: str = "windows"
) -> windows.Windows:
    """Draws windows as `regimes.make` does, on the host.

    Args:
        rng: Source of randomness.
        store: What `make_host_store` gave.
        batch_size: Number of windows (B).
        context_length: Steps in each (K).
        regime: "windows" (from any step on) or "episodes" (from step 0).

    Returns:
        The windows, on the device.

    Raises:
        ValueError: If a size is below 1 or `regime` has no meaning.
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


def gather_windows(store: HostStore, first_steps: Int[np.ndarray, " B"], context_length: int) -> windows.Windows:
    """Cuts the windows that begin at the given steps.

    Each window's steps, and the one before them for its action, are copied into a small device store, and
    `windows.gather_windows` cuts them: what a window is, is written there alone.

    Args:
        store: What `make_host_store` gave.
        first_steps: Flat index of each window's first step.
        context_length: Steps in each window (K).

    Returns:
        The windows, on the device.

    Raises:
        ValueError: If `context_length` is below 1.
    """
    if context_length < 1:
        raise ValueError(f"got context_length {context_length}, wanted at least 1 step")
    last = first_steps + store.remaining[first_steps] - 1
    steps = np.minimum(first_steps[:, None] + np.arange(-1, context_length), last[:, None])
    rows = np.maximum(steps, 0).ravel()
    small = windows.Store(
        observations=jnp.asarray(store.record.observations[rows]),
        actions=jnp.asarray(store.record.actions[rows]),
        returns_to_go=jnp.asarray(store.returns_to_go[rows]),
        time_steps=jnp.asarray(store.time_steps[rows]),
        remaining=jnp.asarray(store.remaining[rows]),
        episode_starts=jnp.zeros(1, jnp.int32),
        episode_bounds=jnp.zeros(1, jnp.uint32),
    )
    begins = jnp.arange(len(first_steps), dtype=jnp.int32) * (context_length + 1) + 1
    return windows.gather_windows(small, begins, context_length)
