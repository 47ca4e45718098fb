"""AdamW with separate learning rates for state space parameters."""

import dataclasses
import math
from collections.abc import Hashable
from typing import Any

import jax
import numpy as np
import optax

from jax_s4rl import parameter_groups


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Learning rates, their schedule, weight decay and clipping."""

    learning_rate: float = 1e-3
    """Peak learning rate, above 0."""
    state_space_learning_rate: float = 1e-3
    """Upper bound of the peak rate of state space parameters (dynamics and steps), above 0.

    Their peak is the lower one of the two rates, and they have no weight decay.
    """
    weight_decay: float = 1e-2
    """Decoupled weight decay of all other parameters; 0 turns it off."""
    warmup_updates: int = 100
    """Number of updates in which rates rise linearly from zero, limited by `warmup_limit`."""
    final_fraction: float = 0.1
    """Learning rate at the end of the cosine, as a share of the peak."""
    clip: float = 1.0
    """Largest global norm of a gradient, above 0."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay rates of Adam's first and second moments."""
    warmup_limit: float = dataclasses.field(default=0.1, metadata={"added_in": "0.3"})
    """Longest warm-up as a share of the run, 0 or more; above 1, a run can end while rates rise."""
    epsilon: float = dataclasses.field(default=1e-8, metadata={"added_in": "0.3"})
    """Term in Adam's denominator, above 0; a larger one makes small gradients count less."""

    def __post_init__(self) -> None:
        # A list becomes a tuple: programs are found by their settings.
        object.__setattr__(self, "betas", tuple(self.betas))


def make(config: OptimizerConfig, labels: Any, num_updates: int) -> optax.GradientTransformation:
    """Makes the optimizer of one training run.

    Args:
        config: Learning rates, weight decay and clipping.
        labels: Tree of the parameters' structure, each leaf "default" or "state_space" (see
            `modules.groups.labels`).
        num_updates: Number of updates of the run, which is the length of the schedule.

    Returns:
        Clipping by global norm over all parameters, then AdamW for each group.

    Raises:
        ValueError: If a number is out of its range.
    """
    _check(config, num_updates)
    default, state_space = _peaks(config)
    groups: dict[Hashable, optax.GradientTransformation] = {
        parameter_groups.DEFAULT: _adamw(config, default, config.weight_decay, num_updates),
        parameter_groups.STATE_SPACE: _adamw(config, state_space, 0.0, num_updates),
    }
    # Clipped before the groups are separated, so that the norm is that of the whole gradient.
    return _permissive(
        optax.chain(optax.clip_by_global_norm(config.clip), optax.partition(groups, labels))
    )


def schedule(peak: float, config: OptimizerConfig, num_updates: int) -> optax.Schedule:
    """Makes the learning rate schedule: a linear warm-up, then a cosine.

    The warm-up takes at most `warmup_limit` of the run, by default a tenth, so that a short trial
    still trains. The cosine falls to `final_fraction` of the peak at `num_updates`.

    Args:
        peak: Learning rate at the end of the warm-up.
        config: Length of the warm-up, its limit, and final fraction.
        num_updates: Number of updates of the run.

    Returns:
        A function of the number of updates made.
    """
    # Rounded before it is rounded down: a limit such as 0.29 of 100 updates is 28.999999999999996.
    longest = math.floor(round(config.warmup_limit * num_updates, 9))
    warmup = min(config.warmup_updates, longest)
    return optax.warmup_cosine_decay_schedule(
        0.0 if warmup else peak,
        peak,
        warmup,
        max(num_updates, warmup + 1),
        peak * config.final_fraction,
    )


def rates(config: OptimizerConfig, num_updates: int, step: int) -> dict[str, float]:
    """Computes the learning rates after a number of updates.

    Args:
        config: Learning rates and their schedule.
        num_updates: Number of updates of the run.
        step: Number of updates made.

    Returns:
        The rate of each group of parameters, "learning_rate" and "state_space_learning_rate".

    Example:
        >>> round(rates(OptimizerConfig(), 1000, 100)["learning_rate"], 6)
        0.001
    """
    with jax.numpy_dtype_promotion("standard"):
        default, state_space = (
            np.asarray(schedule(peak, config, num_updates)(step)).item() for peak in _peaks(config)
        )
    return {"learning_rate": default, "state_space_learning_rate": state_space}


def _peaks(config: OptimizerConfig) -> tuple[float, float]:
    """Returns the peak rates of all other parameters and of state space parameters."""
    return config.learning_rate, min(config.state_space_learning_rate, config.learning_rate)


def _adamw(
    config: OptimizerConfig, peak: float, weight_decay: float, num_updates: int
) -> optax.GradientTransformation:
    beta1, beta2 = config.betas
    return optax.adamw(
        schedule(peak, config, num_updates),
        b1=beta1,
        b2=beta2,
        eps=config.epsilon,
        weight_decay=weight_decay,
    )


def _permissive(transformation: optax.GradientTransformation) -> optax.GradientTransformation:
    """Allows standard dtype promotion inside an optimizer."""

    # Optax mixes its integer counts of updates with floats, which JAX's strict promotion forbids.
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        with jax.numpy_dtype_promotion("standard"):
            return transformation.update(updates, state, params)

    return optax.GradientTransformation(transformation.init, update)


def _check(config: OptimizerConfig, num_updates: int) -> None:
    if num_updates < 1:
        raise ValueError(f"num_updates is {num_updates}; train for at least 1 update")
    for name in ("learning_rate", "state_space_learning_rate", "clip", "epsilon"):
        value = getattr(config, name)
        if not value > 0:
            raise ValueError(f"{name} is {value}; it has to be above zero")
    if not config.warmup_limit >= 0:
        raise ValueError(
            f"warmup_limit is {config.warmup_limit}; it is a share of the run, 0 or more"
        )
    if config.weight_decay < 0:
        raise ValueError(
            f"weight_decay is {config.weight_decay}; it cannot be negative, 0 turns it off"
        )
