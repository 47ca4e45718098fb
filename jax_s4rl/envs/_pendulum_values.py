"""The best that can be done on Gymnasium's Pendulum, by dynamic programming on a fine grid of its state.

Angle a from upright, angular velocity w, torque u, steps of 0.05 s: the reward is -(a^2 + 0.1 w^2 + 0.001 u^2), then
w += (15 sin a + 3 u) 0.05, kept within 8, and a += 0.05 w. The value after 200 steps says what a start is worth.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

MAX_VELOCITY, MAX_TORQUE, SECONDS, NUM_STEPS = 8.0, 2.0, 0.05, 200


class Corners(NamedTuple):
    """Where states lie between the points of the grid: the four neighbours and their weights."""

    low: np.ndarray
    high: np.ndarray
    velocity: np.ndarray
    angle_weight: np.ndarray
    velocity_weight: np.ndarray


def step(angle: np.ndarray, velocity: np.ndarray, torque: np.ndarray | float) -> tuple[np.ndarray, ...]:
    """Next angle (unwrapped), next velocity, and the reward, for arrays of states."""
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    reward = -(wrapped**2 + 0.1 * velocity**2 + 0.001 * np.square(torque))
    velocity = velocity + (15 * np.sin(angle) + 3 * torque) * SECONDS
    velocity = np.clip(velocity, -MAX_VELOCITY, MAX_VELOCITY)
    return angle + velocity * SECONDS, velocity, reward


def solve(num_angles: int = 181, num_velocities: int = 161, num_torques: int = 17) -> np.ndarray:
    """Value of every point of the grid with 200 steps to go: float64 [num_angles, num_velocities].

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


def greedy_returns(values: np.ndarray, num_episodes: int, seed: int, num_torques: int = 21) -> np.ndarray:
    """Returns of episodes that take, at each step, the torque with the best reward and next value.

    Args:
        values: of `solve`.
        num_episodes: how many, from Pendulum's own starts.
        seed: of the starts.
        num_torques: torques to choose from.

    Returns:
        Float64[num_episodes].
    """
    torques = np.linspace(-MAX_TORQUE, MAX_TORQUE, num_torques)[:, None]

    def choose(angle: np.ndarray, velocity: np.ndarray, _: np.random.Generator) -> np.ndarray:
        next_angle, next_velocity, reward = step(angle, velocity, torques)
        worth = reward + _read(values, _corners(next_angle, next_velocity, values.shape))
        return torques[worth.argmax(axis=0), 0]

    return _returns(choose, num_episodes, seed)


def random_returns(num_episodes: int, seed: int) -> np.ndarray:
    """Returns of episodes with torques drawn uniformly: Float64[num_episodes]."""
    return _returns(lambda angle, _, generator: generator.uniform(-2, 2, len(angle)), num_episodes, seed)


def _returns(choose: Callable[..., np.ndarray], num_episodes: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    angle, velocity = generator.uniform(-np.pi, np.pi, num_episodes), generator.uniform(-1, 1, num_episodes)
    returns = np.zeros(num_episodes)
    for _ in range(NUM_STEPS):
        angle, velocity, reward = step(angle, velocity, choose(angle, velocity, generator))
        returns += reward
    return returns


def _corners(angle: np.ndarray, velocity: np.ndarray, shape: tuple[int, int]) -> Corners:
    num_angles, num_velocities = shape
    place = ((angle + np.pi) % (2 * np.pi)) / (2 * np.pi) * num_angles
    low = place.astype(int) % num_angles
    row = (velocity + MAX_VELOCITY) / (2 * MAX_VELOCITY) * (num_velocities - 1)
    column = np.minimum(row.astype(int), num_velocities - 2)
    return Corners(low, (low + 1) % num_angles, column, place - np.floor(place), row - column)


def _read(values: np.ndarray, corners: Corners) -> np.ndarray:
    low, high, column, across, up = corners
    below = (1 - across) * values[low, column] + across * values[high, column]
    above = (1 - across) * values[low, column + 1] + across * values[high, column + 1]
    return (1 - up) * below + up * above
