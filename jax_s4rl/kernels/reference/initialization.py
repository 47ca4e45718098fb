"""Initial values of parameters, one number at a time in complex128; random draws are arguments."""

import cmath
import math

import numpy as np

from jax_s4rl.kernels.reference import hippo


def diagonal(name: str, N: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `Lambda` and `B` of `"lin"`, `"inv"`, `"real"` or `"legs"`, each [N/2].

    Example:
        >>> diagonal("real", 4)[0].real
        array([-1., -2.])
    """
    if name == "legs":
        Lambda, B, _, _ = eigenform("legs", N)
        return Lambda, B / 2
    Lambda = np.zeros(N // 2, complex)
    for n in range(N // 2):
        frequency = {"lin": math.pi * n, "inv": N / math.pi * (N / (2 * n + 1) - 1), "real": 0.0}[
            name
        ]
        Lambda[n] = complex(-(n + 1) if name == "real" else -0.5, frequency)
    return Lambda, np.ones(N // 2, complex)


def random_diagonal(normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `Lambda` and `B` of `"random"` for one normal draw per pair.

    Example:
        >>> random_diagonal(np.zeros(1))[0]
        array([-0.5+1.j])
    """
    return np.array([complex(-0.5, math.exp(x)) for x in normal]), np.ones(len(normal), complex)


def eigenform(measure: str, N: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns `Lambda` [Nh], `B` [Nh], `P` [rank, Nh], `V` [N, Nh] of the normal part of a measure.

    They come from a general eigensolver: one of each conjugate pair in order of rising frequency,
    its vector turned so that B is real and positive. Not for `"fout"`, whose zero frequency is
    double.

    Example:
        >>> eigenform("legs", 2)[0].round(3)
        array([-0.5+0.866j])
    """
    A, B = hippo.transition(measure, N)
    factors = _factors(measure, N)
    values, vectors = np.linalg.eig(A + sum(np.outer(p, p) for p in factors))
    kept = [k for k in np.argsort(np.imag(values)) if np.imag(values[k]) > 0]
    Lambda, V = values[kept], vectors[:, kept]
    for n in range(len(kept)):
        # `vdot` conjugates its first argument. With the phase of this number in V, `V* B` is its
        # modulus: real and positive.
        weight = np.vdot(V[:, n], B)
        V[:, n] *= weight / abs(weight) / math.sqrt(np.vdot(V[:, n], V[:, n]).real)
    return Lambda, V.conj().T @ B, np.array([V.conj().T @ p for p in factors]), V


def low_rank(measure: str, N: int, floor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns `Lambda`, `P`, `B` of `"legs"` or `"legt"`, with no real part above `-floor`.

    Example:
        >>> low_rank("legt", 2, 0.125)[0].round(3)
        array([-0.125+0.866j])
    """
    Lambda, B, P, _ = eigenform(measure, N)
    return np.array([complex(min(x.real, -floor), x.imag) for x in Lambda]), P, B


def output(normal: np.ndarray) -> np.ndarray:
    """Returns output weights for two normal draws each, normal [2, ...].

    Example:
        >>> abs(output(np.ones((2, 1))))
        array([1.])
    """
    return (normal[0] + 1j * normal[1]) / math.sqrt(2)


def log_step(uniform: np.ndarray, shortest: float, longest: float) -> np.ndarray:
    """Returns the logarithm of the sample spacing for draws in [0, 1).

    Example:
        >>> np.exp(log_step(np.array([0.0, 0.5]), 0.01, 1.0)).round(6)
        array([0.01, 0.1 ])
    """
    return np.array(
        [math.log(shortest * (longest / shortest) ** x) for x in np.ravel(uniform)]
    ).reshape(uniform.shape)


def negative_real(free: np.ndarray, floor: float) -> np.ndarray:
    """Returns a real part below `-floor` for any free number.

    Example:
        >>> negative_real(np.zeros(1), 0.5)
        array([-1.5])
    """
    return -floor - np.exp(free)


def free_real(real: np.ndarray, floor: float) -> np.ndarray:
    """Returns the free number for a real part.

    A real part that is not below `-floor` counts as one percent of `floor` below it.

    Example:
        >>> free_real(np.array([-1.5]), 0.5)
        array([0.])
    """
    return np.log([max(-x - floor, floor / 100) for x in real])


def s5(normal_B: np.ndarray, normal_C: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns `Lambda` [P], `B` [P, H], `C` [H, P] of S5.

    The draws have shapes [blocks, size, H] and [H, blocks, size].

    Example:
        >>> s5(np.ones((3, 2, 1)), np.ones((1, 3, 2)))[1].shape
        (3, 1)
    """
    blocks, size, H = normal_B.shape
    Lambda, _, _, V = eigenform("legs", size)
    B = [V.conj().T @ (normal_B[j] / math.sqrt(H)) for j in range(blocks)]
    # `blocks * size` is 2 P, the number of real states.
    C = [normal_C[:, j] / math.sqrt(blocks * size) @ V for j in range(blocks)]
    return np.concatenate([Lambda] * blocks), np.concatenate(B), np.concatenate(C, axis=1)


def lru_ring(
    area: np.ndarray, turn: np.ndarray, inner: float, outer: float, largest_angle: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns eigenvalues on the ring and their gains.

    The draws are shares of the area of the ring and of the largest angle, in [0, 1].

    Example:
        >>> value, gain = lru_ring(np.array([1.0]), np.array([0.0]), 0.0, 0.6, 1.0)
        >>> value.real, gain.round(6)
        (array([0.6]), array([0.8]))
    """
    eigenvalues = []
    for share, part in zip(area, turn, strict=True):
        radius = math.sqrt(inner**2 + share * (outer**2 - inner**2))
        eigenvalues.append(cmath.rect(radius, part * largest_angle))
    return np.array(eigenvalues), np.sqrt([1 - abs(value) ** 2 for value in eigenvalues])


def _factors(measure: str, N: int) -> list[np.ndarray]:
    """Returns the real vectors p of the papers for which `A + sum p p^T` is normal."""
    if measure == "legs":
        return [np.array([math.sqrt(n + 0.5) for n in range(N)])]
    # LegT has rank 2: odd and even entries, in the order of the kernels.
    even = np.array([math.sqrt(n + 0.5) if n % 2 == 0 else 0.0 for n in range(N)])
    odd = np.array([math.sqrt(n + 0.5) if n % 2 else 0.0 for n in range(N)])
    return [odd, even]
