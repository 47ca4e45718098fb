"""The attention oracle against one softmax written as a matrix."""

import numpy as np

from jax_s4rl.kernels.reference import attention


def test_without_mask_it_is_the_lower_triangular_softmax():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 2, 6, 1, 4))
    scores = q[:, :, 0] @ np.swapaxes(k[:, :, 0], 1, 2) / 2.0
    weights = np.exp(np.where(np.tri(6, dtype=bool), scores, -np.inf))
    wanted = weights / weights.sum(-1, keepdims=True) @ v[:, :, 0]
    np.testing.assert_allclose(attention.attend(q, k, v)[:, :, 0], wanted, rtol=0, atol=1e-14)


def test_padding_resets_and_window_bound_what_is_seen():
    mask, resets = np.array([1, 1, 0, 1, 1, 1], bool), np.array([1, 0, 0, 0, 1, 0], bool)
    seen = [attention.visible(query, mask, resets, 2) for query in range(6)]
    assert seen == [[0], [1, 0], [], [3, 1], [4], [5, 4]]


def test_a_row_of_padding_gives_zero():
    q = np.ones((1, 3, 2, 2))
    np.testing.assert_array_equal(
        attention.attend(q, q, q, mask=np.zeros((1, 3), bool)), np.zeros_like(q)
    )
