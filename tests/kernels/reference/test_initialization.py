"""The oracle of the starts against the systems they come from and numbers by hand."""

import numpy as np
import pytest

from jax_s4rl.kernels.reference import hippo, initialization

ROUNDING = 1e-11  # float64 eigenvectors of a matrix of eight rows


@pytest.mark.parametrize(("measure", "rank"), [("legs", 1), ("legt", 2)])
def test_the_eigenform_gives_the_measure_back(measure, rank):
    Lambda, B, P, V = initialization.eigenform(measure, 8)
    assert P.shape == (rank, 4)
    both = np.concatenate([V, V.conj()], axis=1)
    inner = np.diag(np.concatenate([Lambda, Lambda.conj()]))
    for p in P:
        inner = inner - np.outer(np.concatenate([p, p.conj()]), np.concatenate([p.conj(), p]))
    A, real_B = hippo.transition(measure, 8)
    np.testing.assert_allclose(both @ inner @ both.conj().T, A, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(2 * (V @ B).real, real_B, rtol=0, atol=ROUNDING)
    assert np.all(B.real > 0)


def test_the_formulas_by_hand():
    np.testing.assert_allclose(initialization.diagonal("lin", 4)[0], [-0.5, -0.5 + 1j * np.pi])
    np.testing.assert_allclose(
        initialization.diagonal("inv", 4)[0], [-0.5 + 12j / np.pi, -0.5 + 4 / 3 * 1j / np.pi]
    )
    np.testing.assert_allclose(initialization.random_diagonal(np.log([2.0]))[0], [-0.5 + 2j])
    real = initialization.negative_real(np.array([0.0, 3.0]), 0.1)
    np.testing.assert_allclose(initialization.free_real(real, 0.1), [0.0, 3.0], atol=ROUNDING)


def test_half_of_the_rings_area_lies_below_the_root_mean_square_radius():
    value, gain = initialization.lru_ring(
        np.array([0.0, 0.5, 1.0]), np.full(3, 0.25), 0.5, 0.9, np.pi
    )
    np.testing.assert_allclose(np.abs(value), [0.5, np.sqrt((0.25 + 0.81) / 2), 0.9])
    np.testing.assert_allclose(np.angle(value), np.full(3, np.pi / 4))
    np.testing.assert_allclose(gain**2 + np.abs(value) ** 2, np.ones(3))


def test_s5_blocks_are_unitary_images_of_the_draws():
    rng = np.random.default_rng(0)
    normal_B, normal_C = rng.normal(size=(2, 4, 3)), rng.normal(size=(3, 2, 4))
    Lambda, B, C = initialization.s5(normal_B, normal_C)
    V = initialization.eigenform("legs", 4)[3]
    np.testing.assert_array_equal(Lambda[:2], Lambda[2:])
    for block in range(2):
        kept = slice(2 * block, 2 * block + 2)
        np.testing.assert_allclose(
            2 * (V @ B[kept]).real, normal_B[block] / np.sqrt(3), atol=ROUNDING
        )
        np.testing.assert_allclose(
            2 * (C[:, kept] @ V.conj().T).real, normal_C[:, block] / np.sqrt(8), atol=ROUNDING
        )
