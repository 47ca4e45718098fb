"""Initial parameters of every family: formulas, the systems they come from, and distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import hippo, initialization, vandermonde
from jax_s4rl.kernels.discretization import discretize
from jax_s4rl.kernels.reference import initialization as oracle

EXACT = 1e-10  # the bound set for every function against the oracle, relative to the largest entry
ROUNDING = 1e-5
# Averages of some thousand draws.
SAMPLING = 0.05


def assert_exact(got, wanted):
    got = cplx.to_complex(got) if isinstance(got, cplx.Pair) else got
    np.testing.assert_allclose(got, wanted, rtol=0, atol=EXACT * np.abs(wanted).max())


@pytest.mark.usefixtures("x64")
def test_fixed_starts_are_the_oracle():
    for name in ("lin", "inv", "real", "legs"):
        for got, wanted in zip(
            initialization.diagonal(name, 8), oracle.diagonal(name, 8), strict=True
        ):
            assert_exact(got, wanted)
    for measure in ("legs", "legt"):
        wanted = oracle.low_rank(measure, 8, initialization.FLOOR)
        for got, right in zip(initialization.low_rank(measure, 8), wanted, strict=True):
            assert_exact(got, right)
    free = np.array([-30.0, 0.0, 2.0])
    real = initialization.negative_real(jnp.asarray(free))
    assert_exact(real, oracle.negative_real(free, initialization.FLOOR))
    assert_exact(
        initialization.free_real(real), oracle.free_real(np.asarray(real), initialization.FLOOR)
    )


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_random_starts_are_the_oracle_of_their_draws():
    key = jax.random.key(5)
    start = initialization.diagonal("random", 8, key=key)
    for got, wanted in zip(
        start, oracle.random_diagonal(np.asarray(jax.random.normal(key, (4,)))), strict=True
    ):
        assert_exact(got, wanted)
    assert_exact(
        initialization.output(key, (3, 2)),
        oracle.output(np.asarray(jax.random.normal(key, (2, 3, 2)))),
    )
    uniform = np.asarray(jax.random.uniform(key, (6,)))
    assert_exact(initialization.log_step(key, (6,), 1e-4, 0.5), oracle.log_step(uniform, 1e-4, 0.5))
    first, second = jax.random.split(key)
    draws = jax.random.normal(first, (2, 4, 3)), jax.random.normal(second, (3, 2, 4))
    for got, wanted in zip(
        initialization.s5(key, 3, 4, blocks=2), oracle.s5(*map(np.asarray, draws)), strict=True
    ):
        assert_exact(got, wanted)
    ring = initialization.lru_ring(key, 5, 0.3, 0.95, largest_angle=2.0)
    tiny = initialization.OPEN
    area, turn = (np.asarray(jax.random.uniform(part, (5,))) for part in (first, second))
    area, turn = tiny + area * (1 - 2 * tiny), tiny + turn * (1 - tiny)
    value, gain = oracle.lru_ring(area, turn, 0.3, 0.95, 2.0)
    assert_exact(np.exp(-np.exp(ring.log_decay) + 1j * np.exp(ring.log_angle)), value)
    assert_exact(jnp.exp(ring.log_gain), gain)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("lin", [-0.5, -0.5 + 1j * np.pi, -0.5 + 2j * np.pi]),
        ("inv", [-0.5 + 30j / np.pi, -0.5 + 6j / np.pi, -0.5 + 6 / np.pi * 0.2j]),
        ("real", [-1, -2, -3]),
        ("legs", hippo.dplr("legs", 6).Lambda),
    ],
)
def test_diagonals_are_the_formulas(name, wanted):
    start = initialization.diagonal(name, 6)
    np.testing.assert_allclose(cplx.to_complex(start.Lambda), wanted, rtol=ROUNDING, atol=ROUNDING)
    assert start.Lambda.dtype == jnp.float32
    assert start.B.shape == (3,)


def test_random_frequencies_are_log_normal():
    start = initialization.diagonal("random", 4000, key=jax.random.key(0))
    log_frequency = np.log(start.Lambda.im)
    assert abs(log_frequency.mean()) < SAMPLING
    assert abs(log_frequency.std() - 1) < SAMPLING
    assert np.all(np.asarray(start.Lambda.re) == -0.5)


@pytest.mark.parametrize("s", [0.2, 1.0, 3.0])
def test_the_diagonal_of_legs_with_half_its_input_nears_legs(s):
    # Gu et al. 2022 (S4D), theorem 3, on the transfer function to the first state, which is
    # 1/(s + 1) for LegS.
    for N, error in [(16, 5e-3), (256, 2e-4)]:
        form, start = hippo.dplr("legs", N), initialization.diagonal("legs", N)
        modes = np.asarray(cplx.to_complex(start.B)) / (s - form.Lambda)
        assert abs(2 * (form.V[0] @ modes).real * (s + 1) - 1) < error


@pytest.mark.parametrize("measure", ["legs", "legt", "fout"])
def test_low_rank_starts_are_stable(measure):
    start = initialization.low_rank(measure, 8)
    assert np.all(np.asarray(start.Lambda.re) <= -np.float32(initialization.FLOOR))
    np.testing.assert_allclose(
        cplx.to_complex(start.P), hippo.dplr(measure, 8).P, rtol=ROUNDING, atol=ROUNDING
    )


def test_negative_real_has_an_inverse_a_floor_and_a_gradient():
    real = jnp.asarray([-0.5, -3.0, -0.01])
    np.testing.assert_allclose(
        initialization.negative_real(initialization.free_real(real)), real, rtol=ROUNDING
    )
    free = jnp.asarray([-100.0, -30.0, 0.0, 5.0])
    assert np.all(
        np.asarray(initialization.negative_real(free)) <= -np.float32(initialization.FLOOR)
    )
    assert np.all(np.asarray(jax.vmap(jax.grad(initialization.negative_real))(free[2:])) < 0)
    assert np.isfinite(initialization.free_real(jnp.asarray(0.0)))


def test_output_weights_have_unit_size():
    C = initialization.output(jax.random.key(0), (100, 50))
    assert abs(float(cplx.squared_modulus(C).mean()) - 1) < SAMPLING


def test_steps_are_log_uniform():
    log_step = np.asarray(initialization.log_step(jax.random.key(0), (4000,), 1e-3, 1e-1))
    assert np.log(1e-3) <= log_step.min() < log_step.max() <= np.log(1e-1)
    assert abs(log_step.mean() - np.log(1e-2)) < SAMPLING
    assert abs(log_step.std() - np.log(100) / np.sqrt(12)) < SAMPLING


def test_one_block_of_s5_is_the_real_system_in_eigenvectors():
    # In one block, C A_bar^l B over pairs is twice the real part of the half system's, whatever the
    # basis.
    start = initialization.s5(jax.random.key(0), H=2, P=4)
    V, form = hippo.dplr("legs", 8).V, hippo.dplr("legs", 8)
    B, C = (np.asarray(cplx.to_complex(x)) for x in (start.B, start.C))
    real_B, real_C = 2 * (V @ B).real, 2 * (C @ V.conj().T).real
    normal = 2 * (V @ np.diag(form.Lambda) @ V.conj().T).real
    for power in range(3):
        half = 2 * (C @ np.diag(form.Lambda**power) @ B).real
        full = real_C @ np.linalg.matrix_power(normal, power) @ real_B
        np.testing.assert_allclose(half, full, rtol=1e-4, atol=1e-3)


def test_s5_blocks_repeat_the_spectrum():
    start = initialization.s5(jax.random.key(0), H=3, P=8, blocks=4)
    np.testing.assert_allclose(
        start.Lambda.im, np.tile(hippo.dplr("legs", 4).Lambda.imag, 4), rtol=ROUNDING
    )
    assert start.B.shape == (8, 3)
    assert start.C.shape == (3, 8)


def test_the_ring_is_uniform_in_area_and_its_gain_is_normalised():
    ring = initialization.lru_ring(jax.random.key(0), 4000, 0.5, 0.9, largest_angle=1.0)
    size = np.exp(-np.exp(np.asarray(ring.log_decay, np.float64)))
    assert 0.5 <= size.min() < size.max() <= 0.9 + 1e-6
    assert abs((size**2).mean() - (0.25 + 0.81) / 2) < SAMPLING
    assert np.exp(ring.log_angle).max() <= 1.0
    np.testing.assert_allclose(np.exp(ring.log_gain), np.sqrt(1 - size**2), rtol=1e-4)


@pytest.mark.slow
def test_slow_modes_of_a_start_survive_the_shortest_step():
    # At step 1e-3 the modes of LegS lose 1/2000 a sample: the kernel's end is still far from zero.
    start = initialization.diagonal("legs", 16)
    Lambda, B = (cplx.with_ndim(x, 2) for x in start)
    system = discretize(Lambda, jnp.full((1, 1), 1e-3))
    K = vandermonde.kernel(system, cplx.multiply(B, system.gain), 1000)
    assert float(jnp.abs(K[0, -100:]).max()) > 0.01 * float(jnp.abs(K).max())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: initialization.diagonal("lin", 3), "even integer"),
        (lambda: initialization.diagonal("cubic", 4), "unknown diagonal 'cubic'"),
        (lambda: initialization.diagonal("random", 4), "needs a key, got None"),
        (lambda: initialization.low_rank("legs", 7), "use N = 8"),
        (
            lambda: initialization.log_step(jax.random.key(0), (2,), 0.1, 0.01),
            "0 < shortest <= longest, got 0.1 and 0.01",
        ),
        (
            lambda: initialization.s5(jax.random.key(0), 2, 6, 4),
            "cannot be split into 4 equal blocks",
        ),
        (lambda: initialization.lru_ring(jax.random.key(0), 2, 0.9, 0.5), "got 0.9 and 0.5"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def root_mean_square(x):
    return float(
        np.sqrt(np.mean(np.abs(cplx.to_complex(x) if isinstance(x, cplx.Pair) else x) ** 2))
    )


@pytest.mark.slow
def test_how_starts_differ_from_the_official_code():
    N = 64
    A, B, P = hippo.nplr("legs", N)
    _, V = np.linalg.eigh(-1j * (A + P.T @ P + np.eye(N) / 2))
    official = V[:, N // 2 :].conj().T @ B
    clipped = official.real + 1j * np.clip(official.imag, -2, 2)
    assert root_mean_square(initialization.low_rank("legs", N).B) == pytest.approx(8.0, rel=1e-6)
    assert root_mean_square(clipped) == pytest.approx(
        1.5, abs=0.5
    )  # it depends on the phases of the solver
    assert root_mean_square(initialization.diagonal("legs", N).B) == pytest.approx(4.0, rel=1e-6)
    H, half = 128, hippo.dplr("legs", N).V
    ours = initialization.s5(jax.random.key(0), H, N // 2)
    draw = jax.nn.initializers.lecun_normal()
    B = half.conj().T @ np.asarray(draw(jax.random.key(1), (N, H)))
    rows = np.asarray(
        jax.vmap(lambda key: draw(key, (1, N, 2))[0])(jax.random.split(jax.random.key(2), H))
    )
    C = np.asarray(rows[..., 0] + 1j * rows[..., 1]) @ half
    assert root_mean_square(ours.B) == pytest.approx(1 / np.sqrt(H), rel=SAMPLING)
    assert root_mean_square(B) == pytest.approx(1 / np.sqrt(N), rel=SAMPLING)
    assert root_mean_square(C) / root_mean_square(ours.C) == pytest.approx(np.sqrt(2), rel=SAMPLING)


def test_steps_fit_the_length(unchecked):
    assert initialization.step_range(4) == pytest.approx((1 / 12, 1.0))
    assert initialization.step_range(1_000) == pytest.approx((1 / 3_000, 1 / 30))
    with pytest.raises(ValueError, match="length must be an integer of at least 1, got 0"):
        initialization.step_range(0)
