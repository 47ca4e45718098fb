"""Initial parameters: diagonals, steps, S5 blocks, LRU ring; and a map to stable systems.

Diagonals and low-rank factors come from `hippo` in float64 and are cast before they are returned.
Random functions take a typed key.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jax_s4rl.kernels import _checks, hippo
from jax_s4rl.kernels import complex_pair as cplx

DIAGONALS = ("lin", "inv", "real", "legs", "random")

# Slowest decay that training can reach, in one over the time unit of Lambda: a mode without decay
# never forgets, and a DPLR kernel has a pole there.
FLOOR = 1e-4

# Distance of uniform draws from 0 and 1, where a logarithm would be infinite.
OPEN = 1e-6


class Diagonal(NamedTuple):
    """Diagonal and input weights of one feature: Pairs [Nh]."""

    Lambda: cplx.Pair
    B: cplx.Pair


class LowRank(NamedTuple):
    """DPLR system of one feature, `A = diag(Lambda) - P P*`.

    Pairs `Lambda` [Nh], `P` [rank, Nh], `B` [Nh].
    """

    Lambda: cplx.Pair
    P: cplx.Pair
    B: cplx.Pair


class Blocks(NamedTuple):
    """S5 system with P pairs and H features: Pairs `Lambda` [P], `B` [P, H], `C` [H, P]."""

    Lambda: cplx.Pair
    B: cplx.Pair
    C: cplx.Pair


class Ring(NamedTuple):
    """Parameters of an LRU: `lambda = exp(-exp(log_decay) + i exp(log_angle))`.

    The input is scaled by `exp(log_gain)`. Each is [P].
    """

    log_decay: Float[Array, "P"]
    log_angle: Float[Array, "P"]
    log_gain: Float[Array, "P"]


def negative_real(free: Float[Array, "..."], floor: float = FLOOR) -> Float[Array, "..."]:
    """Computes the real part of a stable Lambda from a free parameter: `-(floor + exp(free))`.

    It is never above `-floor`, and has a gradient everywhere (a hard clip has none beyond its
    bound).

    Args:
        free: Unconstrained real numbers.
        floor: Slowest decay, positive, in one over the time unit of Lambda.

    Returns:
        The real parts, in the shape of `free`.

    Source:
        Gu et al. 2022 (S4D), section 3 (negative by an exponential); the floor is this package's.

    Example:
        >>> negative_real(free_real(jnp.asarray([-0.5])))
        Array([-0.5], dtype=float32)
    """
    return -(floor + jnp.exp(free))


def free_real(real: Float[Array, "..."], floor: float = FLOOR) -> Float[Array, "..."]:
    """Computes the free parameter of a real part: the inverse of `negative_real`.

    A real part that is not below `-floor` starts one percent of `floor` below it.

    Args:
        real: Real parts of Lambda.
        floor: Slowest decay, as for `negative_real`.

    Returns:
        The free parameter, in the shape of `real`.

    Example:
        >>> free_real(jnp.asarray([-1.5]), floor=0.5)
        Array([0.], dtype=float32)
    """
    # The maximum keeps the argument of the logarithm positive.
    return jnp.log(jnp.maximum(-real - floor, 0.01 * floor))


def diagonal(name: str, N: int, *, key: Key[Array, ""] | None = None) -> Diagonal:
    """Returns a diagonal system of N states with B, one of each conjugate pair.

    With n = 0 .. N/2 - 1: `lin`: `-1/2 + i pi n`; `inv`: `-1/2 + i (N/pi)(N/(2n+1) - 1)`; `real`:
    `-(n+1)`; `legs`: the normal part of HiPPO-LegS with half its B (for a large N the diagonal
    system then tends to LegS itself); `random`: `-1/2 + i exp(normal)`. B is 1 except for `legs`,
    where its root mean square is 4 for N = 64. The official code (state-spaces/s4) does not halve
    it, but clips its imaginary part as `low_rank` describes.

    Args:
        name: Name, one of the five.
        N: State size, even.
        key: Random key, needed for `"random"` only.

    Returns:
        Lambda and B, Pairs [N/2].

    Raises:
        ValueError: If the name is unknown, N is odd, or a key is needed and missing.

    Source:
        Gu et al. 2022 (S4D), definitions 1 to 3, equations (8), (9) and theorem 3.

    Example:
        >>> diagonal("lin", 4).Lambda.im
        Array([0.       , 3.1415927], dtype=float32)
    """
    _checks.choice("diagonal", name, DIAGONALS)
    Nh = _checks.even(N)
    if name == "legs":
        form = hippo.dplr("legs", N)
        return Diagonal(_pair(form.Lambda), _pair(form.B / 2))
    ones = cplx.as_pair(jnp.ones(Nh))
    if name == "random":
        if key is None:
            raise ValueError(
                "diagonal 'random' needs a key, got None; pass key=jax.random.key(seed)"
            )
        return Diagonal(cplx.Pair(jnp.full(Nh, -0.5), jnp.exp(jax.random.normal(key, (Nh,)))), ones)
    n = np.arange(Nh)
    values = {
        "lin": -0.5 + 1j * np.pi * n,
        "inv": -0.5 + 1j * (N / np.pi) * (N / (2 * n + 1) - 1),
        "real": -(n + 1) + 0j,
    }
    return Diagonal(_pair(values[name]), ones)


def low_rank(measure: str, N: int, floor: float = FLOOR) -> LowRank:
    """Returns the DPLR system of a HiPPO measure, with no real part above `-floor`.

    Higher ones are moved to `-floor` (LegT and FouT have 0). B is that of the measure, with phases
    that make it real. The official code (state-spaces/s4) takes eigenvectors as they come from the
    solver and clips the imaginary part of B to at most 2: for LegS with N = 64 that changes 11 of
    32 entries, and the root mean square of B from 8.0 (here) to 1.5. The solver decides which
    entries it changes.

    Args:
        measure: Measure: `"legs"`, `"legt"` or `"fout"`.
        N: State size, even.
        floor: Slowest decay.

    Returns:
        Lambda [N/2], P [rank, N/2], B [N/2].

    Raises:
        ValueError: If the measure is unknown, or N is odd or below 2.

    Source:
        Gu et al. 2022 (S4), theorem 2 and appendix C.1.

    Example:
        >>> low_rank("legt", 8).P.shape
        (2, 4)
    """
    form = hippo.dplr(measure, N)
    Lambda = np.minimum(np.real(form.Lambda), -floor) + 1j * np.imag(form.Lambda)
    return LowRank(_pair(Lambda), _pair(form.P), _pair(form.B))


def output(key: Key[Array, ""], shape: tuple[int, ...]) -> cplx.Pair:
    """Draws complex normal weights with `E|C|^2 = 1`, the initial C of S4 and S4D.

    Args:
        key: Random key.
        shape: Shape of the weights, such as (H, Nh).

    Returns:
        Pair of that shape.

    Source:
        Gu et al. 2022 (S4D), section 3.

    Example:
        >>> output(jax.random.key(0), (3, 4)).shape
        (3, 4)
    """
    # Each part has variance 1/2.
    parts = jax.random.normal(key, (2, *shape)) * math.sqrt(0.5)
    return cplx.Pair(parts[0], parts[1])


def step_range(length: int) -> tuple[float, float]:
    """Returns the shortest and longest initial step for memories that fit sequences of `length`.

    The slowest features decay by 1/e over about six lengths (their decay is 1/2 in the time unit of
    Lambda), the fastest a hundred times sooner; no step is above 1.

    Args:
        length: Number of steps in the sequences that a model is trained on.

    Returns:
        `1 / (3 length)`, and a hundred times that, at most 1: arguments of `log_step`.

    Raises:
        ValueError: If the length is below 1.

    Example:
        >>> tuple(round(step, 4) for step in step_range(1000)), step_range(1)[1]
        ((0.0003, 0.0333), 1.0)
    """
    shortest = 1 / (3 * _checks.length(length, "length"))
    return shortest, min(1.0, 100 * shortest)


def log_step(
    key: Key[Array, ""], shape: tuple[int, ...], shortest: float = 1e-3, longest: float = 1e-1
) -> Float[Array, "..."]:
    """Draws logarithms of the sample spacing, uniform between those of `shortest` and `longest`.

    A feature with step s and decay 1/2 remembers about 2/s samples.

    Args:
        key: Random key.
        shape: Shape of the result, such as (H,).
        shortest: Shortest sample spacing, positive, in the time unit of Lambda.
        longest: Longest sample spacing.

    Returns:
        Logarithms of that shape.

    Raises:
        ValueError: Unless `0 < shortest <= longest`.

    Example:
        >>> bool(log_step(jax.random.key(0), (8,)).max() <= jnp.log(0.1))
        True
    """
    if not 0 < shortest <= longest:
        raise ValueError(
            f"steps need 0 < shortest <= longest, got {shortest} and {longest}; swap or raise them"
        )
    return jax.random.uniform(key, shape, minval=math.log(shortest), maxval=math.log(longest))


def s5(key: Key[Array, ""], H: int, P: int, blocks: int = 1) -> Blocks:
    """Draws an S5 system: the normal part of HiPPO-LegS in `blocks` equal blocks, with B and C.

    B and C are drawn real and transformed to the eigenvectors of the blocks. Their root mean
    squares are `1 / sqrt(H)` for B and `1 / sqrt(2 P)` for C. The official code (lindermanlab/S5)
    has `1 / sqrt(2 P)` for B, and for C, which it draws complex, `1 / sqrt(P)`: 1.41 times as much.

    Args:
        key: Random key.
        H: Number of features.
        P: Number of conjugate pairs in all, a multiple of `blocks`.
        blocks: Number of blocks.

    Returns:
        Lambda [P], B [P, H], C [H, P].

    Raises:
        ValueError: If `blocks` does not divide P.

    Source:
        Smith et al. 2023 (S5), section 4.2 and appendix B.1.

    Example:
        >>> s5(jax.random.key(0), 3, 8, blocks=2).B.shape
        (8, 3)
    """
    _checks.length(blocks, "blocks")
    if _checks.length(P, "P") % blocks:
        raise ValueError(
            f"P = {P} pairs cannot be split into {blocks} equal blocks; choose a divisor of {P}"
        )
    size = 2 * P // blocks
    form = hippo.dplr("legs", size)
    # A key serves one draw only, so it is split.
    input_key, output_key = jax.random.split(key)
    B = jax.random.normal(input_key, (blocks, size, H)) / math.sqrt(H)
    C = jax.random.normal(output_key, (H, blocks, size)) / math.sqrt(2 * P)
    V = _pair(form.V)
    # A state is `x = 2 Re(V x_half)`, so the halves are `V* B` and `C V`. The factor 2 is in
    # `s5.prepare`. All blocks have the same V.
    B_half = cplx.einsum("np,jnh->jph", cplx.conjugate(V), B)
    C_half = cplx.einsum("hjn,np->hjp", C, V)
    return Blocks(
        jax.tree.map(lambda x: jnp.tile(x, blocks), _pair(form.Lambda)),
        jax.tree.map(lambda x: x.reshape(P, H), B_half),
        jax.tree.map(lambda x: x.reshape(H, P), C_half),
    )


def lru_ring(
    key: Key[Array, ""],
    P: int,
    inner: float = 0.0,
    outer: float = 1.0,
    largest_angle: float = 2 * math.pi,
) -> Ring:
    """Draws the eigenvalues of an LRU, uniform in area on the ring `inner <= |lambda| <= outer`.

    Angles are uniform up to `largest_angle`. `gain = sqrt(1 - |lambda|^2)` is computed as
    `sqrt(-expm1(-2 decay))`, without cancellation near the unit circle.

    Args:
        key: Random key.
        P: Number of eigenvalues.
        inner: Smallest modulus, at least 0.
        outer: Largest modulus, at most 1.
        largest_angle: Largest angle in radians, positive.

    Returns:
        Logarithms of decay, angle and gain, each [P].

    Raises:
        ValueError: Unless `0 <= inner < outer <= 1`.

    Source:
        Orvieto et al. 2023 (LRU), lemma 3.2 and equation (7).

    Example:
        >>> ring = lru_ring(jax.random.key(0), 16, 0.9, 0.99)
        >>> bool(jnp.all(jnp.exp(-jnp.exp(ring.log_decay)) >= 0.9))
        True
    """
    if not 0 <= inner < outer <= 1:
        raise ValueError(
            f"the ring needs 0 <= inner < outer <= 1, got {inner} and {outer}; swap or move them"
        )
    radius_key, angle_key = jax.random.split(key)
    area = jax.random.uniform(radius_key, (P,), minval=OPEN, maxval=1 - OPEN)
    # Uniform in area means that `|lambda|^2` is uniform between the squared radii. The decay is
    # half of its negative logarithm.
    log_decay = jnp.log(-0.5 * jnp.log(area * (outer**2 - inner**2) + inner**2))
    log_angle = jnp.log(largest_angle * jax.random.uniform(angle_key, (P,), minval=OPEN, maxval=1))
    # `0.5 log(1 - |lambda|^2)`, where `expm1` avoids the cancellation near the unit circle.
    return Ring(log_decay, log_angle, 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(log_decay))))


def _pair(x: np.ndarray) -> cplx.Pair:
    """Casts a float64 constant to the default float dtype of JAX."""
    dtype = jax.dtypes.canonicalize_dtype(np.float64)
    return cplx.Pair(jnp.asarray(np.real(x), dtype), jnp.asarray(np.imag(x), dtype))
