"""Ranges of all numeric options, checked before data are made or read.

The commands and the functions of the package check with the same functions. What depends on the
data or the devices is checked later, where they are known.
"""

import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

# The commands check before JAX is imported.
if TYPE_CHECKING:
    from jax_s4rl.agents import decision_transformer
    from jax_s4rl.modules import mixers
    from jax_s4rl.training import optimizer

# Seeds of NumPy, Gymnasium and JAX are unsigned numbers of 32 bits.
LARGEST_SEED = 2**32 - 1
# Largest float32, the type of target returns.
LARGEST_TARGET = 3.4e38


def check_training(
    settings: "decision_transformer.Settings",
    num_seeds: int,
    checkpoint_every: int,
    hold_out: float = 0.0,
) -> None:
    """Checks the numbers of a training.

    Args:
        settings: Settings of model and training.
        num_seeds: Number of models trained at once.
        checkpoint_every: Number of updates between checkpoints.
        hold_out: Share of the episodes that is not trained on.

    Raises:
        ValueError: If a number is out of its range.
    """
    check_count("seeds", num_seeds)
    check_count("checkpoint_every", checkpoint_every)
    if not (_is_real(hold_out) and 0 <= hold_out < 1):
        raise ValueError(f"hold_out is {hold_out}; give a share of at least 0 (none) and below 1")
    check_settings(settings)


def check_seeds(seeds: Sequence[int]) -> None:
    """Checks the seeds of models that are trained at once.

    Args:
        seeds: Seed of each model.

    Raises:
        ValueError: If there are none, or one is out of range or given twice.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"got the seeds {tuple(seeds)}; give at least one, each of them once")
    for seed in seeds:
        check_seed(seed)


def check_settings(settings: "decision_transformer.Settings") -> None:
    """Checks the numbers in settings.

    Args:
        settings: Settings of model and training.

    Raises:
        ValueError: If a number is out of its range, or a choice does not exist.
    """
    from jax_s4rl.data import regimes, sampling

    for name in ("num_updates", "updates_per_dispatch", "batch_size", "num_micro_batches"):
        check_count(name, getattr(settings, name))
    if settings.batch_size % settings.num_micro_batches:
        raise ValueError(
            f"batch_size is {settings.batch_size} and num_micro_batches is "
            f"{settings.num_micro_batches}; give a number of parts that divides the rows"
        )
    for name, choices in (("regime", regimes.REGIMES), ("weighting", sampling.WEIGHTINGS)):
        if getattr(settings, name) not in choices:
            raise ValueError(
                f"{name} is {getattr(settings, name)!r}; choose one of {', '.join(choices)}"
            )
    model = settings.model
    for name in ("context_length", "width", "num_layers"):
        check_count(name, getattr(model, name))
    for name in ("mlp_ratio", "observation_loss", "return_loss"):
        _check_not_negative(name, getattr(model, name))
    if not (_is_real(model.dropout) and 0 <= model.dropout < 1):
        raise ValueError(f"dropout is {model.dropout}; give a share of at least 0 and below 1")
    _check_mixer(model.mixer)
    _check_optimization(settings.optimization)


def check_evaluation(targets: Sequence[float] | None, episodes: int, seed: int = 0) -> None:
    """Checks the numbers of an evaluation.

    Args:
        targets: Target returns; None or none for the highest return in the data.
        episodes: Number of episodes for each target return.
        seed: Seed of the environments and of sampled actions.

    Raises:
        ValueError: If a number is out of its range.
    """
    check_count("episodes", episodes, sentence=f"got {episodes} episodes; give 1 or more")
    check_targets(targets)
    check_seed(seed)


def check_targets(targets: Sequence[float] | None) -> None:
    """Checks target returns.

    Args:
        targets: Target returns; None or none for the highest return in the data.

    Raises:
        ValueError: If one is not a finite number.
    """
    if not all(_is_real(target) and abs(target) <= LARGEST_TARGET for target in targets or ()):
        raise ValueError(f"got the target returns {targets}; give finite numbers")


def check_seed(seed: int) -> None:
    """Checks a seed.

    Args:
        seed: Seed of an environment, of actions or of a model.

    Raises:
        ValueError: If it is not a whole number from 0 to `LARGEST_SEED`.
    """
    if not _is_whole(seed) or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed is {seed!r}; give a whole number from 0 to {LARGEST_SEED}")


def check_count(name: str, value: int, *, least: int = 1, sentence: str | None = None) -> None:
    """Checks a number of things.

    Args:
        name: Name of the number.
        value: Number.
        least: Smallest number.
        sentence: Error; None for one that names number and value.

    Raises:
        ValueError: If it is not a whole number of at least `least`.

    Example:
        >>> check_count("episodes", 0)
        Traceback (most recent call last):
        ...
        ValueError: episodes is 0; give 1 or more
    """
    if not _is_whole(value):
        raise ValueError(f"{name} is {value!r}; give a whole number, {least} or more")
    if value < least:
        raise ValueError(sentence or f"{name} is {value}; give {least} or more")


def _check_mixer(mixer: "mixers.MixerConfig") -> None:
    for name in ("state_size", "num_blocks", "num_heads", "expand", "channel_states"):
        check_count(name, getattr(mixer, name))
    for name in ("window", "chunk", "head_size"):
        if getattr(mixer, name) is not None:
            check_count(name, getattr(mixer, name))
    _check_positive("largest_angle", mixer.largest_angle)
    for value in mixer.step_range or ():
        _check_positive("a step of step_range", value)
    for value in mixer.ring:
        _check_not_negative("a modulus of ring", value)


def _check_optimization(config: "optimizer.OptimizerConfig") -> None:
    for name in ("learning_rate", "state_space_learning_rate", "clip", "epsilon"):
        _check_positive(name, getattr(config, name))
    _check_not_negative("weight_decay", config.weight_decay)
    _check_not_negative("warmup_limit", config.warmup_limit)
    check_count("warmup_updates", config.warmup_updates, least=0)
    if not (_is_real(config.final_fraction) and 0 <= config.final_fraction <= 1):
        raise ValueError(f"final_fraction is {config.final_fraction}; give a share from 0 to 1")
    if len(config.betas) != 2 or not all(_is_real(b) and 0 <= b < 1 for b in config.betas):
        raise ValueError(f"betas are {config.betas}; give two numbers of at least 0 and below 1")


def _check_positive(name: str, value: float) -> None:
    if not (_is_real(value) and 0 < value < math.inf):
        raise ValueError(f"{name} is {value}; give a finite number above zero")


def _check_not_negative(name: str, value: float) -> None:
    if not (_is_real(value) and 0 <= value < math.inf):
        raise ValueError(f"{name} is {value}; give a finite number of at least 0")


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
