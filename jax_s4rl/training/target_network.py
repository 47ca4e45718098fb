"""Target networks: parameters that follow the trained ones.

The parameters of a method with a target network are a pair, and its loss stops the gradient of the
target half. `track` wraps an optimizer so that one update changes both halves; everything else (the
pmapped update, several seeds at once, checkpoints) treats the pair like any other parameters.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int


class Tracked(NamedTuple):
    """Trained parameters and target parameters.

    Attributes:
        online: Parameters that are trained and act.
        target: Parameters that follow them, of the same structure.
    """

    online: Any
    target: Any


class TrackedState(NamedTuple):
    """State of the optimizer that `track` makes.

    Attributes:
        inner: State of the optimizer of the online parameters.
        num_updates: Number of updates so far.
    """

    inner: Any
    num_updates: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class TargetConfig:
    """Rate and period at which target parameters follow."""

    rate: float = 0.005
    """Share of the distance to the online parameters that one move takes, above 0 and up to 1.

    It is small for Polyak averaging and 1 for a copy.
    """
    period: int = 1
    """Number of updates from one move to the next, at least 1."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If targets would never move, or would overshoot.
        """
        if not 0 < self.rate <= 1:
            raise ValueError(
                f"rate is {self.rate}; choose a share above 0 and up to 1, where 1 copies"
            )
        if self.period < 1:
            raise ValueError(f"period is {self.period}; choose a number of updates of at least 1")


def start(params: Any) -> Tracked:
    """Makes a pair whose target parameters equal the online ones.

    Args:
        params: Parameters before the first update.

    Returns:
        The pair.
    """
    return Tracked(params, params)


def track(
    optimizer: optax.GradientTransformation, config: TargetConfig
) -> optax.GradientTransformation:
    """Makes an optimizer of `Tracked` parameters.

    The given optimizer trains the online half. After every `period` updates the target half moves
    by `target += rate * (online - target)`, with the online parameters after the update.

    Args:
        optimizer: Optimizer of the online parameters.
        config: Rate and period at which the target follows.

    Returns:
        A gradient transformation that needs the parameters; it ignores the gradient of the target
        half. Its update raises `ValueError` if no parameters are given.

    Source:
        Lillicrap et al. (2016), "Continuous control with deep reinforcement learning", Algorithm 1
        (soft updates); Mnih et al. (2015), "Human-level control through deep reinforcement
        learning", Algorithm 1 (copies).

    Example:
        >>> follower = track(optax.sgd(1.0), TargetConfig(rate=0.5))
        >>> params = start(jnp.array(4.0))
        >>> gradient = Tracked(jnp.array(2.0), jnp.array(0.0))
        >>> changes, _ = follower.update(gradient, follower.init(params), params)
        >>> [float(value) for value in optax.apply_updates(params, changes)]
        [2.0, 3.0]
    """

    def init(params: Any) -> TrackedState:
        return TrackedState(optimizer.init(params.online), jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, TrackedState]:
        if params is None:
            raise ValueError(
                "got no params, but target parameters follow the online ones; give params to update"
            )
        changes, inner = optimizer.update(updates.online, state.inner, params.online)
        online, count = optax.apply_updates(params.online, changes), state.num_updates + 1
        # A rate of 0 between moves instead of a branch: every update is the same program.
        rate = jnp.where(count % config.period == 0, config.rate, 0.0)
        # As differences, because the caller adds the result to the parameters.
        moves = jax.tree.map(
            lambda new, old: rate.astype(old.dtype) * (new - old), online, params.target
        )
        return Tracked(changes, moves), TrackedState(inner, count)

    return optax.GradientTransformation(init, update)
