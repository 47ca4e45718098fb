"""Weights that any optimizer may change: free numbers, which `constrain` turns into stable systems.

The `Parameters` of a family must have positive steps and negative real parts, and one update of an
optimizer can break that: a step of 1e-3 and a learning rate of 1e-2 are enough. So train the
weights of this module, and convert them to parameters with `constrain` at every call. Weights are
NamedTuples of real arrays and Pairs: any optimizer takes them, and they may be a field of an
Equinox module. In Flax NNX make each array a parameter,
`nnx.data(jax.tree.map(nnx.Param, weights))`, and read them with `nnx.as_pure`: the optimizers of
NNX lose a tuple that is put into one `nnx.Param`.
"""

import math
from functools import singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, lru, s4, s4d, s5

# Bound of logarithms: up to it, exponentials are neither 0 nor infinite in float32.
LARGEST = 80.0


class S4(NamedTuple):
    """Weights of `s4.Parameters`.

    `log_decay` and `frequency` [H, Nh] determine Lambda, `log_step` [H] the steps.
    """

    log_decay: Float[Array, "*H Nh"]
    frequency: Float[Array, "*H Nh"]
    P: cplx.Pair
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    log_step: Float[Array, "H"]


class S4D(NamedTuple):
    """Weights of `s4d.Parameters`.

    `log_decay` and `frequency` [H, Nh] determine Lambda, `log_step` [H] the steps.
    """

    log_decay: Float[Array, "*H Nh"]
    frequency: Float[Array, "*H Nh"]
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    log_step: Float[Array, "H"]


class S5(NamedTuple):
    """Weights of `s5.Parameters`.

    `log_decay` and `frequency` [P] determine Lambda, `log_step` [P] the steps.
    """

    log_decay: Float[Array, "P"]
    frequency: Float[Array, "P"]
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    log_step: Float[Array, "P"]


class LRU(NamedTuple):
    """Weights of `lru.Parameters`.

    `log_decay` and `log_angle` [P] determine Lambda, `log_gain` [P] the gains.
    """

    log_decay: Float[Array, "P"]
    log_angle: Float[Array, "P"]
    B: cplx.Pair
    C: cplx.Pair
    D: Float[Array, "H"]
    log_gain: Float[Array, "P"]


def init_s4(
    key: Key[Array, ""],
    H: int,
    N: int = 64,
    *,
    measure: str = "legs",
    length: int | None = None,
) -> S4:
    """Draws weights of S4: a HiPPO system for each feature.

    Args:
        key: Random key.
        H: Number of features.
        N: Real state size, even.
        measure: Measure of `initialization.low_rank`.
        length: Length of the sequences, to which steps are fitted (`initialization.step_range`); if
            None, steps lie between 1e-3 and 1e-1.

    Returns:
        The weights.

    Raises:
        ValueError: An unknown measure, or sizes that do not fit.

    Example:
        >>> init_s4(jax.random.key(0), 3, 8).P.shape
        (3, 1, 4)
    """
    start = initialization.low_rank(measure, N)
    Lambda, P, B = (
        jax.tree.map(lambda x: jnp.broadcast_to(x[None], (H, *x.shape)), part) for part in start
    )
    C, D, log_step = _random(key, H, N // 2, (H,), length)
    return S4(initialization.free_real(Lambda.re), Lambda.im, P, B, C, D, log_step)


def init_s4d(
    key: Key[Array, ""],
    H: int,
    N: int = 64,
    *,
    diagonal: str = "lin",
    length: int | None = None,
) -> S4D:
    """Draws weights of S4D: features share one diagonal, and have their own outputs and steps.

    Args:
        key: Random key.
        H: Number of features.
        N: Real state size, even.
        diagonal: Name of a diagonal of `initialization.diagonal`.
        length: Length of the sequences as in `init_s4`.

    Returns:
        The weights.

    Raises:
        ValueError: An unknown diagonal, or sizes that do not fit.

    Example:
        >>> weights = init_s4d(jax.random.key(0), 3, 8, length=100)
        >>> weights.C.shape, bool((constrain(weights).step >= 1 / 300).all())
        ((3, 4), True)
    """
    # `_random` splits `key` once more, for C, D and the steps.
    key, diagonal_key = jax.random.split(key)
    start = initialization.diagonal(diagonal, N, key=diagonal_key)
    Lambda, B = (
        jax.tree.map(lambda x: jnp.broadcast_to(x[None], (H, *x.shape)), part) for part in start
    )
    C, D, log_step = _random(key, H, N // 2, (H,), length)
    return S4D(initialization.free_real(Lambda.re), Lambda.im, B, C, D, log_step)


def init_s5(
    key: Key[Array, ""], H: int, P: int = 32, *, blocks: int = 1, length: int | None = None
) -> S5:
    """Draws weights of S5.

    Args:
        key: Random key.
        H: Number of features.
        P: Number of conjugate pairs that all features share.
        blocks: Number of blocks as in `initialization.s5`.
        length: Length of the sequences as in `init_s4`.

    Returns:
        The weights.

    Raises:
        ValueError: Sizes that do not fit.

    Example:
        >>> init_s5(jax.random.key(0), 3, 8).B.shape
        (8, 3)
    """
    # `_random` splits `key` once more; its C is replaced by that of the system.
    key, system_key = jax.random.split(key)
    Lambda, B, C = initialization.s5(system_key, H, P, blocks)
    _, D, log_step = _random(key, H, P, (P,), length)
    return S5(initialization.free_real(Lambda.re), Lambda.im, B, C, D, log_step)


def init_lru(
    key: Key[Array, ""],
    H: int,
    P: int = 32,
    *,
    ring: tuple[float, float] = (0.9, 0.999),
    largest_angle: float = 2 * math.pi,
) -> LRU:
    """Draws weights of the LRU.

    Args:
        key: Random key.
        H: Number of features.
        P: Number of states that all features share.
        ring: Smallest and largest modulus of the eigenvalues.
        largest_angle: Largest angle of the eigenvalues, in radians.

    Returns:
        The weights.

    Raises:
        ValueError: As in `initialization.lru_ring`.

    Example:
        >>> init_lru(jax.random.key(0), 3, 8).C.shape
        (3, 8)
    """
    ring_key, B_key, C_key, D_key = jax.random.split(key, 4)
    decay, angle, gain = initialization.lru_ring(ring_key, P, *ring, largest_angle)
    # The scales keep variances through the sums over H inputs and P states. Factor 2: the real
    # part has half of the variance of a complex sum.
    B = cplx.scale(initialization.output(B_key, (P, H)), 1 / math.sqrt(H))
    C = cplx.scale(initialization.output(C_key, (H, P)), math.sqrt(2 / P))
    return LRU(decay, angle, B, C, jax.random.normal(D_key, (H,)), gain)


@singledispatch
def constrain(weights: Any) -> Any:
    """Converts weights to parameters with positive steps and gains and negative real parts.

    Args:
        weights: Weights of any values: `S4`, `S4D`, `S5` or `LRU`.

    Returns:
        `s4.Parameters`, `s4d.Parameters`, `s5.Parameters` or `lru.Parameters`.

    Raises:
        ValueError: Weights of another type.

    Source:
        Gu et al. 2022 (S4D), section 3; Orvieto et al. 2023 (LRU), section 3.3.

    Example:
        >>> weights = init_s4d(jax.random.key(0), 3, 8)
        >>> y, state = s4d.apply(constrain(weights), jnp.ones((5, 3)))
    """
    raise ValueError(
        f"got weights of type {type(weights).__name__}, wanted S4, S4D, S5 or LRU of "
        "kernels.trainable; make them with init_s4, init_s4d, init_s5, init_lru or unconstrain"
    )


@singledispatch
def unconstrain(parameters: Any) -> Any:
    """Converts parameters to the weights from which `constrain` makes them.

    A real part above `-initialization.FLOOR` is moved just below it. Angles of the LRU are taken
    between 0 and 2 pi.

    Args:
        parameters: Parameters of `s4`, `s4d`, `s5` or `lru`.

    Returns:
        `S4`, `S4D`, `S5` or `LRU`.

    Raises:
        ValueError: Parameters of another type.

    Example:
        >>> weights = init_lru(jax.random.key(0), 3, 8)
        >>> bool(jnp.allclose(unconstrain(constrain(weights)).log_gain, weights.log_gain))
        True
    """
    raise ValueError(
        f"got {type(parameters).__name__}, wanted the Parameters of s4, s4d, s5 or lru; "
        "fill one of these tuples first"
    )


@constrain.register
def _(weights: S4) -> s4.Parameters:
    # Parts of an `nnx.Param` come back as mappings, which `in_fields` makes Pairs again.
    log_decay, frequency, P, B, C, D, log_step = cplx.in_fields(weights, "P", "B", "C")
    return s4.Parameters(_poles(log_decay, frequency), P, B, C, D, positive(log_step))


@constrain.register
def _(weights: S4D) -> s4d.Parameters:
    log_decay, frequency, B, C, D, log_step = cplx.in_fields(weights, "B", "C")
    return s4d.Parameters(_poles(log_decay, frequency), B, C, D, positive(log_step))


@constrain.register
def _(weights: S5) -> s5.Parameters:
    log_decay, frequency, B, C, D, log_step = cplx.in_fields(weights, "B", "C")
    return s5.Parameters(_poles(log_decay, frequency), B, C, D, positive(log_step))


@constrain.register
def _(weights: LRU) -> lru.Parameters:
    log_decay, log_angle, B, C, D, log_gain = cplx.in_fields(weights, "B", "C")
    return lru.Parameters(
        cplx.Pair(-positive(log_decay), positive(log_angle)), B, C, D, positive(log_gain)
    )


@unconstrain.register
def _(parameters: s4.Parameters) -> S4:
    Lambda, P, B, C, D, step = cplx.in_fields(parameters, "Lambda", "P", "B", "C")
    D, step = (_spread(x, C.shape[0]) for x in (D, step))
    return S4(initialization.free_real(Lambda.re), Lambda.im, P, B, C, D, jnp.log(step))


@unconstrain.register
def _(parameters: s4d.Parameters) -> S4D:
    Lambda, B, C, D, step = cplx.in_fields(parameters, "Lambda", "B", "C")
    D, step = (_spread(x, C.shape[0]) for x in (D, step))
    return S4D(initialization.free_real(Lambda.re), Lambda.im, B, C, D, jnp.log(step))


@unconstrain.register
def _(parameters: s5.Parameters) -> S5:
    Lambda, B, C, D, step = cplx.in_fields(parameters, "Lambda", "B", "C")
    D, step = _spread(D, C.shape[0]), _spread(step, Lambda.shape[0])
    return S5(initialization.free_real(Lambda.re), Lambda.im, B, C, D, jnp.log(step))


@unconstrain.register
def _(parameters: lru.Parameters) -> LRU:
    Lambda, B, C, D, gain = cplx.in_fields(parameters, "Lambda", "B", "C")
    # An angle of 0 has the logarithm minus infinity, which no optimizer could change.
    log_angle = jnp.maximum(jnp.log(jnp.mod(Lambda.im, 2 * math.pi)), -LARGEST)
    D, gain = _spread(D, C.shape[0]), _spread(gain, Lambda.shape[0])
    return LRU(jnp.log(-Lambda.re), log_angle, B, C, D, jnp.log(gain))


def _spread(x: Array | float, count: int) -> Float[Array, " count"]:
    """Repeats a single number `count` times; leaves a vector of `count` numbers as it is."""
    x = jnp.asarray(x)
    # JAX marks the dtype of a Python number as weak; this cast to the same dtype removes the mark,
    # which a weight must not have.
    return jnp.broadcast_to(x.astype(x.dtype), (count,))


def positive(free: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the exponential of a free number, never 0 and never infinite.

    Example:
        >>> bool(jnp.isfinite(1 / positive(jnp.array([-1e4, 1e4]))).all())
        True
    """
    # The argument is clipped, not the result: beyond the bound the derivative is then 0, and not
    # 0 times infinity.
    return jnp.exp(jnp.clip(free, -LARGEST, LARGEST))


def _poles(log_decay: Float[Array, "*shape"], frequency: Float[Array, "*shape"]) -> cplx.Pair:
    # The clip keeps the exponential finite, as in `positive`.
    return cplx.Pair(
        initialization.negative_real(jnp.clip(log_decay, -LARGEST, LARGEST)), frequency
    )


def _random(
    key: Key[Array, ""], H: int, states: int, steps: tuple[int], length: int | None
) -> tuple[cplx.Pair, Float[Array, "H"], Float[Array, "steps"]]:
    """Draws output weights, skip, and logarithms of steps."""
    C_key, D_key, step_key = jax.random.split(key, 3)
    bounds = () if length is None else initialization.step_range(length)
    C, D = initialization.output(C_key, (H, states)), jax.random.normal(D_key, (H,))
    return C, D, initialization.log_step(step_key, steps, *bounds)
