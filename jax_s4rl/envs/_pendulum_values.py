"""Optimal values of Gymnasium's Pendulum, by dynamic programming on a fine grid of its states.

With angle a from upright, angular velocity w, torque u and steps of 0.05 s, the reward is
-(a^2 + 0.1 w^2 + 0.001 u^2); then w += (15 sin a + 3 u) 0.05, clipped to -8 ... 8, and a += 0.05 w.
The value with 200 steps to go is the optimal return from a start.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

MAX_VELOCITY, MAX_TORQUE, SECONDS, NUM_STEPS = 8.0, 2.0, 0.05, 200


class Corners(NamedTuple):
    """The four grid points around each state, and the weights for bilinear interpolation.

    Attributes:
        low: Index of the grid angle below.
        high: Index of the grid angle above, wrapped around at pi.
        velocity: Index of the grid velocity below; the one above is the next.
        angle_weight: Weight of `high`.
        velocity_weight: Weight of the grid velocity above.
    """

    low: np.ndarray
    high: np.ndarray
    velocity: np.ndarray
    angle_weight: np.ndarray
    velocity_weight: np.ndarray


def step(
    angle: np.ndarray, velocity: np.ndarray, torque: np.ndarray | float
) -> tuple[np.ndarray, ...]:
    """Returns the next angle (unwrapped), next velocity and reward, for arrays of states."""
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    reward = -(wrapped**2 + 0.1 * velocity**2 + 0.001 * np.square(torque))
    velocity = velocity + (15 * np.sin(angle) + 3 * torque) * SECONDS
    velocity = np.clip(velocity, -MAX_VELOCITY, MAX_VELOCITY)
    return angle + velocity * SECONDS, velocity, reward


def solve(num_angles: int = 181, num_velocities: int = 161, num_torques: int = 17) -> np.ndarray:
    """Computes the value of every grid point with 200 steps to go.

    Args:
        num_angles: Number of grid angles, from -pi up to but without pi.
        num_velocities: Number of grid velocities, from -8 to 8.
        num_torques: Number of torques to choose from, from -2 to 2.

    Returns:
        Values, Float64[num_angles, num_velocities].

    Example:
        >>> values = solve(21, 21, 3)
        >>> bool(values[10, 10] > values[0, 10])  # upright is worth more than hanging
        True
    """
    angles = np.linspace(-np.pi, np.pi, num_angles, endpoint=False)
    velocities = np.linspace(-MAX_VELOCITY, MAX_VELOCITY, num_velocities)
    angle, velocity = np.meshgrid(angles, velocities, indexing="ij")
    moves = []
    for torque in np.linspace(-MAX_TORQUE, MAX_TORQUE, num_torques):
        next_angle, next_velocity, reward = step(angle, velocity, torque)
        moves.append((_corners(next_angle, next_velocity, angle.shape), reward))
    values = np.zeros_like(angle)
    for _ in range(NUM_STEPS):
        values = np.max([reward + _read(values, corners) for corners, reward in moves], axis=0)
    return values


def greedy_returns(
    values: np.ndarray, num_episodes: int, seed: int, num_torques: int = 21
) -> np.ndarray:
    """Plays greedily: each step takes the torque with the highest sum of reward and next value.

    Args:
        values: Values of the grid points, from `solve`.
        num_episodes: Number of episodes, from Pendulum's own distribution of starts.
        seed: Seed of the starts.
        num_torques: Number of torques to choose from.

    Returns:
        Undiscounted returns, Float64[num_episodes].
    """
    # The new axis lets broadcasting try every torque in every episode, [num_torques, num_episodes].
    torques = np.linspace(-MAX_TORQUE, MAX_TORQUE, num_torques)[:, None]

    def choose(angle: np.ndarray, velocity: np.ndarray, _: np.random.Generator) -> np.ndarray:
        next_angle, next_velocity, reward = step(angle, velocity, torques)
        worth = reward + _read(values, _corners(next_angle, next_velocity, values.shape))
        return torques[worth.argmax(axis=0), 0]

    return _returns(choose, num_episodes, seed)


def random_returns(num_episodes: int, seed: int) -> np.ndarray:
    """Plays with uniformly drawn torques.

    Args:
        num_episodes: Number of episodes, from Pendulum's own distribution of starts.
        seed: Seed of starts and torques.

    Returns:
        Undiscounted returns, Float64[num_episodes].
    """
    return _returns(
        lambda angle, _, generator: generator.uniform(-2, 2, len(angle)), num_episodes, seed
    )


def _returns(choose: Callable[..., np.ndarray], num_episodes: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    angle, velocity = (
        generator.uniform(-np.pi, np.pi, num_episodes),
        generator.uniform(-1, 1, num_episodes),
    )
    returns = np.zeros(num_episodes)
    for _ in range(NUM_STEPS):
        angle, velocity, reward = step(angle, velocity, choose(angle, velocity, generator))
        returns += reward
    return returns


def _corners(angle: np.ndarray, velocity: np.ndarray, shape: tuple[int, int]) -> Corners:
    num_angles, num_velocities = shape
    # Both are fractional grid indices. Rounding can make `across` equal to num_angles, hence the
    # remainder after it.
    across = ((angle + np.pi) % (2 * np.pi)) / (2 * np.pi) * num_angles
    up = (velocity + MAX_VELOCITY) / (2 * MAX_VELOCITY) * (num_velocities - 1)
    low = across.astype(int) % num_angles
    # The highest velocity belongs to the last cell, so that `below + 1` is on the grid.
    below = np.minimum(up.astype(int), num_velocities - 2)
    return Corners(low, (low + 1) % num_angles, below, across - np.floor(across), up - below)


def _read(values: np.ndarray, corners: Corners) -> np.ndarray:
    """Interpolates values bilinearly between grid points."""
    low, high, column, across, up = corners
    below = (1 - across) * values[low, column] + across * values[high, column]
    above = (1 - across) * values[low, column + 1] + across * values[high, column + 1]
    return (1 - up) * below + up * above
