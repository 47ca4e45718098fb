"""Conservative Q-learning for discrete actions.

It is a double DQN with a second term that lowers the values of actions that the data do not take.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from jax_s4rl.data import transitions
from jax_s4rl.training import target_network, update

Values = Callable[[Any, Shaped[Array, "B *obs"], Int[Array, " B"]], Float[Array, "B actions"]]
"""Function `values(params, observations, time_steps)` that returns the value of every action."""


@dataclasses.dataclass(frozen=True)
class ConservativeConfig:
    """Weights of the loss of conservative Q-learning, and the scale of the rewards."""

    discount: float = 0.99
    """Weight of the next step's value, from 0 to 1."""
    conservatism: float = 1.0
    """Weight alpha of the term that lowers the values of actions that the data do not take.

    It is at least 0; 0 gives a double DQN.
    """
    reward_scale: float = dataclasses.field(default=1.0, metadata={"added_in": "0.3"})
    """Factor of all rewards, above 0; values have the unit of the scaled rewards.

    The conservative term has no unit: next to rewards that are small or rare it outweighs the
    squared error, and the values stay flat.
    """

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If a weight is out of its range.
        """
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount is {self.discount}; choose a number from 0 to 1")
        if self.conservatism < 0:
            raise ValueError(
                f"conservatism is {self.conservatism}; choose 0, which turns it off, or more"
            )
        if not (self.reward_scale > 0 and math.isfinite(self.reward_scale)):
            raise ValueError(
                f"reward_scale is {self.reward_scale}; it multiplies rewards, so choose a finite "
                "number above 0"
            )


def loss(values: Values, config: ConservativeConfig) -> update.LossFunction:
    """Makes the loss of a batch of transitions, for `target_network.Tracked` parameters.

    The loss of a transition is `alpha (log sum_a exp Q(s, a) - Q(s, a_t)) + (Q(s, a_t) - y)^2 / 2`
    with the double DQN target `y = c r + discount Q'(s', argmax_a Q(s', a))`, and `y = c r` at
    terminations, where c is `reward_scale`. Q has the online parameters and Q' the target
    parameters.

    Args:
        values: Function that computes the values of all actions from the parameters of one half,
            observations and their time steps.
        config: Discount and conservatism.

    Returns:
        A loss as `update.make` takes it, of batches of `transitions.Transitions` with discrete
        actions.

    Source:
        Kumar et al. (2020), "Conservative Q-Learning for Offline Reinforcement Learning",
        equation 4, CQL(H); van Hasselt et al. (2016), "Deep Reinforcement Learning with Double
        Q-learning", equation 4.

    Example:
        >>> table = jnp.array([[1.0, 3.0], [2.0, 5.0]])
        >>> numbers = (0, 1, 1.0, 1, False, 0)
        >>> step = transitions.Transitions(*(jnp.array([number]) for number in numbers))
        >>> config = ConservativeConfig(discount=0.5, conservatism=0.0)
        >>> doubled = loss(lambda table, rows, _: table[rows], config)
        >>> noise = jax.random.split(jax.random.key(0), 1)
        >>> [float(number) for number in doubled(target_network.start(table), step, noise)]
        [0.125, 1.0]
    """

    def of_batch(
        params: target_network.Tracked, batch: transitions.Transitions, noise: Any
    ) -> tuple[Array, Array]:
        del noise
        action_values = values(params.online, batch.observations, batch.time_steps)
        taken = _pick(action_values, batch.actions)
        # Double DQN: the online parameters choose the next action, the target parameters evaluate
        # it. Neither gets a gradient from the target, which counts as a label.
        after = (batch.next_observations, batch.time_steps + 1)
        best_actions = jnp.argmax(jax.lax.stop_gradient(values(params.online, *after)), axis=-1)
        future = _pick(jax.lax.stop_gradient(values(params.target, *after)), best_actions)
        # Selected, not multiplied by 0: a value that is not finite must not pass a termination.
        targets = config.reward_scale * batch.rewards + config.discount * jnp.where(
            batch.terminations, jnp.zeros_like(future), future
        )
        losses = 0.5 * jnp.square(taken - targets)
        if config.conservatism:
            losses = losses + config.conservatism * (
                jax.nn.logsumexp(action_values, axis=-1) - taken
            )
        return jnp.sum(losses), jnp.asarray(len(losses), losses.dtype)

    return of_batch


def _pick(values: Float[Array, "B actions"], actions: Int[Array, " B"]) -> Float[Array, " B"]:
    return jnp.take_along_axis(values, actions[:, None], axis=-1)[:, 0]
