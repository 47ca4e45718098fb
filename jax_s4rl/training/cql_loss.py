"""Conservative Q-learning for discrete actions: a double DQN whose values of unseen actions are pressed down."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from jax_s4rl.data import transitions
from jax_s4rl.training import target_network, update

Values = Callable[[Any, Shaped[Array, "B *obs"], Int[Array, " B"]], Float[Array, "B actions"]]
"""`values(params, observations, time_steps)` gives the value of every action."""


@dataclasses.dataclass(frozen=True)
class ConservativeConfig:
    """What conservative Q-learning minimizes."""

    discount: float = 0.99
    """Weight of the value a step later; at most 1."""
    conservatism: float = 1.0
    """Weight alpha of the term that lowers the values of actions that the data do not take; 0: double DQN."""

    def __post_init__(self) -> None:
        """Refuses weights out of their range."""
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount is {self.discount}; it is at least 0 and at most 1")
        if self.conservatism < 0:
            raise ValueError(f"conservatism is {self.conservatism}; it is at least 0, which turns it off")


def loss(values: Values, config: ConservativeConfig) -> update.LossFunction:
    """Makes the loss of a batch of transitions, for parameters that are `targets.Tracked`.

    `alpha (log sum_a exp Q(s, a) - Q(s, a_t)) + (Q(s, a_t) - y)^2 / 2` with the double DQN target
    `y = r + discount Q'(s', argmax_a Q(s', a))`, without the second part where the world ended; Q' has the target
    parameters.

    Args:
      values: of all actions, from parameters of one half, observations and the time steps they were seen at.
      config: discount and conservatism.

    Returns:
      A loss as `update.make` takes it, of batches of `transitions.Transitions` with discrete actions.

    Source: Kumar et al. (2020), "Conservative Q-Learning for Offline Reinforcement Learning", equation 4, CQL(H); van
    Hasselt et al. (2016), "Deep Reinforcement Learning with Double Q-learning", equation 4.

    Example:
      >>> table = jnp.array([[1.0, 3.0], [2.0, 5.0]])
      >>> step = transitions.Transitions(*(jnp.array([number]) for number in (0, 1, 1.0, 1, False, 0)))
      >>> doubled = loss(lambda table, rows, _: table[rows], ConservativeConfig(discount=0.5, conservatism=0.0))
      >>> [float(number) for number in doubled(target_network.start(table), step, jax.random.split(jax.random.key(0), 1))]
      [0.125, 1.0]
    """

    def of_batch(params: target_network.Tracked, batch: transitions.Transitions, noise: Any) -> tuple[Array, Array]:
        del noise
        found = values(params.online, batch.observations, batch.time_steps)
        taken = _pick(found, batch.actions)
        after = (batch.next_observations, batch.time_steps + 1)
        ahead = jnp.argmax(jax.lax.stop_gradient(values(params.online, *after)), axis=-1)
        future = _pick(jax.lax.stop_gradient(values(params.target, *after)), ahead)
        wanted = batch.rewards + config.discount * jnp.where(batch.terminations, jnp.zeros_like(future), future)
        losses = 0.5 * jnp.square(taken - wanted)
        if config.conservatism:
            losses = losses + config.conservatism * (jax.nn.logsumexp(found, axis=-1) - taken)
        return jnp.sum(losses), jnp.asarray(len(losses), losses.dtype)

    return of_batch


def _pick(values: Float[Array, "B actions"], actions: Int[Array, " B"]) -> Float[Array, " B"]:
    return jnp.take_along_axis(values, actions[:, None], axis=-1)[:, 0]
