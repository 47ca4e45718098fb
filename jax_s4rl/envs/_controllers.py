"""Scripted controllers for the two classic control tasks: a line through the state space, and energy with a spring."""

from typing import Any

import numpy as np

# Position, velocity, angle, angular velocity. Pushing where their weighted sum points keeps the pole up for 500 steps
# from every start (2,000 were tried), with velocities given or taken from the last two positions.
CARTPOLE_WEIGHTS = np.array([0.1, 0.2, 1.0, 0.3])
CARTPOLE_SECONDS = 0.02  # of a step
SPRING, DAMPER = 8.0, 2.0
GRAVITY_TERM = 5.0  # m g l / 2 of Gymnasium's Pendulum, whose moment of inertia is 1/3
MAX_TORQUE = 2.0


def cartpole(observation: np.ndarray) -> int:
    """Action of CartPole: to the right where the weighted state is positive.

    Example:
        >>> cartpole(np.array([0.0, 0.0, 0.05, 0.0])), cartpole(np.array([0.0, 0.0, -0.05, 0.0]))
        (1, 0)
    """
    return int(observation @ CARTPOLE_WEIGHTS > 0)


class MaskedCartPole:
    """The same from positions alone. It remembers the last ones, so call `reset` when an episode starts."""

    def __init__(self):
        self.last: np.ndarray | None = None

    def reset(self) -> None:
        """Forgets the last positions."""
        self.last = None

    def __call__(self, observation: np.ndarray) -> int:
        """Action for float32 [2], position and angle."""
        last = observation if self.last is None else self.last
        self.last = observation
        velocity = (observation - last) / CARTPOLE_SECONDS
        return cartpole(np.stack([observation, velocity], axis=1).ravel())


def bsuite_cartpole(observation: np.ndarray) -> int:
    """Action (0, 1, 2: left, none, right) of bsuite's cartpole from x, x', sin, cos, angular velocity, time."""
    x, x_velocity, sine, _, angular_velocity, _ = observation
    return 2 if cartpole(np.array([x, x_velocity, sine, angular_velocity])) else 0


def pendulum(observation: np.ndarray) -> np.ndarray:
    """Torque of Gymnasium's Pendulum: pump energy until it suffices to stand up, then hold by spring and damper.

    With the angle from upright a, the energy is `E = a'^2 / 6 + 5 (cos a - 1)`, zero at rest at the top. Torque along
    the velocity raises it.

    Args:
        observation: float32 [3], cosine, sine, angular velocity.

    Returns:
        float32 [1], in -2 ... 2.

    Source:
        Åström and Furuta 2000, Swinging up a pendulum by energy control.

    Example:
        >>> pendulum(np.array([1.0, 0.0, 0.5])).tolist()
        [-1.0]
    """
    cosine, sine, velocity = map(float, observation)
    angle = np.arctan2(sine, cosine)
    hold = -(SPRING * angle + DAMPER * velocity)
    # Where the torque that holds is not far beyond the motor's, holding beats pumping.
    is_near = abs(hold) < MAX_TORQUE * (2 if cosine > 0.8 else 1) and cosine > 0.5
    energy = velocity**2 / 6 + GRAVITY_TERM * (cosine - 1)
    pump = -MAX_TORQUE * energy * (1 if velocity >= 0 else -1)
    return np.array([np.clip(hold if is_near else pump, -MAX_TORQUE, MAX_TORQUE)], np.float32)


def forget(policy: Any) -> None:
    """Calls `reset` of a policy that has one."""
    if hasattr(policy, "reset"):
        policy.reset()
