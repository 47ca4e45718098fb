"""The oracles of SSD and S6 against each other, against S5's, and against sums by hand."""

import numpy as np

from jax_s4rl.kernels.reference import mimo, selective

ROUNDING = 1e-12


def draw(L=7, heads=4, P=3, groups=2, N=5, batch=(2,)):
    rng = np.random.default_rng(0)
    shapes = ((heads, P), (heads,), (groups, N), (groups, N))
    return [rng.normal(size=(*batch, L, *shape)) for shape in shapes]


def test_ssd_is_s6_with_one_decay_and_one_step_for_all_of_a_head():
    u, free_step, B, C = draw(groups=1)
    A, D, bias = -np.array([0.5, 1.0, 2.0, 4.0]), np.arange(4.0), np.linspace(-1, 1, 4)
    y, last = selective.ssd(A, D, bias, u, free_step, B, C)
    wide = [np.repeat(x, 3) for x in (D, bias)]
    flat = (u.reshape(2, 7, 12), np.repeat(free_step, 3, axis=-1), B[..., 0, :], C[..., 0, :])
    other, other_last = selective.s6(np.repeat(A, 3)[:, None] * np.ones(5), *wide, *flat)
    np.testing.assert_allclose(other.reshape(y.shape), y, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(other_last.reshape(last.shape), last, rtol=0, atol=ROUNDING)


def test_s6_with_a_constant_selection_is_the_lru():
    u, steps = draw(heads=1)[0][..., 0, :1], np.full((2, 7, 1), 0.3)
    A, B, C = -np.array([[0.5, 2.0]]), np.array([1.0, -2.0]), np.array([0.5, 3.0])
    every = [np.broadcast_to(x, (2, 7, 2)) for x in (B, C)]
    y, _ = selective.s6(A, np.ones(1), np.zeros(1), u, np.log(np.expm1(steps)), *every)
    wanted, _ = mimo.lru(0.3 * A[0], 0.3 * B[:, None], C[None], np.ones(1), np.ones(2), u)
    np.testing.assert_allclose(y, wanted, rtol=0, atol=ROUNDING)


def test_heads_side_by_side_share_a_group():
    u, free_step, B, C = draw()
    A, zero = -np.ones(4), np.zeros(4)
    y, _ = selective.ssd(A, zero, zero, u, free_step, B, C)
    for group, heads in enumerate((slice(0, 2), slice(2, 4))):
        alone, _ = selective.ssd(
            A[heads],
            zero[heads],
            zero[heads],
            u[..., heads, :],
            free_step[..., heads],
            B[..., group : group + 1, :],
            C[..., group : group + 1, :],
        )
        np.testing.assert_allclose(y[..., heads, :], alone, rtol=0, atol=ROUNDING)


def test_a_reset_forgets_a_state_is_carried_and_padding_is_not_there():
    given, (A, zero) = draw(), (-np.ones(4), np.zeros(4))
    parts = [[x[:, :4] for x in given], [x[:, 4:] for x in given]]
    whole, last = selective.ssd(A, zero, zero, *given)
    first, state = selective.ssd(A, zero, zero, *parts[0])
    second, carried = selective.ssd(A, zero, zero, *parts[1], state)
    np.testing.assert_array_equal(np.concatenate([first, second], 1), whole)
    np.testing.assert_array_equal(carried, last)
    resets = np.zeros((2, 7), bool)
    resets[:, 4] = True
    packed, _ = selective.ssd(A, zero, zero, *given, resets=resets)
    np.testing.assert_array_equal(packed[:, 4:], selective.ssd(A, zero, zero, *parts[1])[0])
    mask = np.ones((2, 7), bool)
    mask[:, 2] = False
    padded, _ = selective.ssd(A, zero, zero, *given, mask=mask)
    alone, _ = selective.ssd(A, zero, zero, *(np.delete(x, 2, 1) for x in given))
    np.testing.assert_array_equal(np.delete(padded, 2, 1), alone)
    assert not padded[:, 2].any()
