"""Target parameters that follow the trained ones: an optimizer that moves both.

The parameters of a method with a target network are a pair, and its loss stops the gradient of one half. `track` wraps
an optimizer so that one update changes both, and everything else (the pmapped update, seeds at once, checkpoints) is as
for any other parameters.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int


class Tracked(NamedTuple):
    """Parameters and those that follow them.

    Attributes:
      online: what is trained, and acts.
      target: what follows, of the same structure.
    """

    online: Any
    target: Any


class TrackedState(NamedTuple):
    """State of the optimizer that `track` makes.

    Attributes:
      inner: state of the optimizer of the online parameters.
      num_updates: made so far.
    """

    inner: Any
    num_updates: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class TargetConfig:
    """How target parameters follow."""

    rate: float = 0.005
    """Share of the way to the online parameters that a move takes: small for Polyak averaging, 1 for a copy."""
    period: int = 1
    """Updates from one move to the next."""

    def __post_init__(self) -> None:
        """Refuses what would never move, or overshoot."""
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate is {self.rate}; it is a share above 0 and up to 1, where 1 copies")
        if self.period < 1:
            raise ValueError(f"period is {self.period}; targets move every so many updates, at least every 1")


def start(params: Any) -> Tracked:
    """Parameters whose target is themselves."""
    return Tracked(params, params)


def track(optimizer: optax.GradientTransformation, config: TargetConfig) -> optax.GradientTransformation:
    """An optimizer of `Tracked` parameters: the given one for the online half, and the target half follows it.

    `target += rate * (online - target)` after every `period` updates, with the online parameters as they are then.

    Args:
      optimizer: of the online parameters.
      config: how the target follows.

    Returns:
      A gradient transformation that asks for the parameters; the gradient of the target half is not looked at.

    Source: Lillicrap et al. (2016), "Continuous control with deep reinforcement learning", Algorithm 1 (soft updates);
    Mnih et al. (2015), "Human-level control through deep reinforcement learning", Algorithm 1 (copies).

    Example:
      >>> follower = track(optax.sgd(1.0), TargetConfig(rate=0.5))
      >>> params = start(jnp.array(4.0))
      >>> changes, _ = follower.update(Tracked(jnp.array(2.0), jnp.array(0.0)), follower.init(params), params)
      >>> [float(value) for value in optax.apply_updates(params, changes)]
      [2.0, 3.0]
    """

    def init(params: Any) -> TrackedState:
        return TrackedState(optimizer.init(params.online), jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, TrackedState]:
        if params is None:
            raise ValueError("target parameters follow the online ones, so the update asks for both; give params")
        changes, inner = optimizer.update(updates.online, state.inner, params.online)
        online, count = optax.apply_updates(params.online, changes), state.num_updates + 1
        rate = jnp.where(count % config.period == 0, config.rate, 0.0)
        moves = jax.tree.map(lambda new, old: rate.astype(old.dtype) * (new - old), online, params.target)
        return Tracked(changes, moves), TrackedState(inner, count)

    return optax.GradientTransformation(init, update)
