"""The diagonal kernel and its transpose: identities, then the oracle at the accuracy promised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import s4d, vandermonde
from jax_s4rl.kernels.discretization import Discrete, discretize
from jax_s4rl.kernels.reference import systems

EXACT = 1e-10
# The bounds set: 3e-5 and 6e-5 (LegS), 5e-6 and 1e-5 (Lin); with angles exact to twice the bits it
# is a few roundings.
FLOAT32 = 1e-6
ROUNDING = 3e-6
RNG = np.random.default_rng(0)


def normal(*shape, dtype=np.float32):
    return cplx.Pair(*(jnp.asarray(RNG.normal(size=shape), dtype) for _ in range(2)))


def system(H=2, Nh=3, dtype=np.float32):
    Lambda = cplx.Pair(
        *(
            jnp.asarray(x, dtype)
            for x in (-RNG.uniform(0.1, 2, (H, Nh)), RNG.normal(size=(H, Nh)) * 9)
        )
    )
    return discretize(Lambda, jnp.full((H, 1), 0.07, dtype))


def relative(got, wanted):
    return np.abs(np.asarray(got, np.float64) - wanted).max() / np.abs(wanted).max()


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("L", [1, 2, 33, pytest.param(257, marks=pytest.mark.slow)])
def test_block_is_direct(L):
    discrete, v = system(), normal(2, 3)
    block, direct = (
        vandermonde.kernel(discrete, v, L, method=method) for method in ("block", "direct")
    )
    assert block.shape == (2, L)
    assert relative(block, np.asarray(direct)) < ROUNDING


@pytest.mark.parametrize("name", ["legs", "lin", "inv", "real", "random"])
@pytest.mark.parametrize("method", ["zoh", "bilinear"])
@pytest.mark.parametrize("L", [2, 77])
def test_float64_is_the_oracle(x64, s4d_system, as_numpy, name, method, L):
    parameters = s4d_system(name=name, dtype=jnp.float64)
    Lambda, B, C, _, step = as_numpy(parameters)
    wanted = systems.diagonal_kernel(Lambda, B, C, step, L, method)
    np.testing.assert_allclose(
        systems.kernel(Lambda, None, B, C, step, L, method), wanted, rtol=0, atol=1e-9
    )
    got = jax.jit(s4d.kernel, static_argnames=("L", "discretization"))(
        parameters, L=L, discretization=method
    )
    assert relative(got, wanted) < EXACT


def accuracy(parameters, as_numpy, L):
    shortest = parameters._replace(step=jnp.full_like(parameters.step, 1e-3))
    Lambda, B, C, _, step = as_numpy(shortest)
    return relative(
        jax.jit(s4d.kernel, static_argnums=1)(shortest, L),
        systems.diagonal_kernel(Lambda, B, C, step, L, "zoh"),
    )


@pytest.mark.parametrize("name", ["legs", "lin"])
def test_float32_is_as_accurate_as_promised(s4d_system, as_numpy, name):
    assert accuracy(s4d_system(4, 64, name), as_numpy, 1024) < FLOAT32


@pytest.mark.slow
@pytest.mark.parametrize("name", ["legs", "lin"])
def test_float32_is_as_accurate_as_promised_in_long_rows(s4d_system, as_numpy, name):
    assert accuracy(s4d_system(4, 64, name), as_numpy, 16384) < FLOAT32


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize("L", [1, 2, 50, 64])
def test_final_state_is_the_transpose_of_the_kernel(L):
    # <K(v), g> = 2 Re <v, sum_k A_bar^k g_k>, and the sum is the final state of g run backwards.
    discrete, v, g = system(), normal(2, 3), jnp.asarray(RNG.normal(size=(2, L)), jnp.float32)
    state = vandermonde.final_state(discrete, jnp.flip(g, 1).T)
    left = float((vandermonde.kernel(discrete, v, L) * g).sum())
    right = 2 * float((v.re * state.re - v.im * state.im).sum())
    assert abs(left - right) < 1e-4 * (1 + abs(left))


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("L", [1, 2, 45])
def test_states_go_on_where_they_were(x64, L):
    discrete, state = system(dtype=np.float64), normal(5, 2, 3, dtype=np.float64)
    C = normal(2, 3, dtype=np.float64)
    A_bar = np.exp(np.asarray(discrete.log_modulus) + 1j * np.asarray(discrete.angle))
    x, outputs = np.asarray(cplx.to_complex(state)), []
    for _ in range(L):
        x = A_bar * x
        outputs.append(2 * (np.asarray(cplx.to_complex(C)) * x).real.sum(-1))
    response = vandermonde.state_response(discrete, C, state, L)
    np.testing.assert_allclose(response, np.stack(outputs, 1), rtol=0, atol=EXACT)
    np.testing.assert_allclose(
        cplx.to_complex(vandermonde.advance(discrete, state, L)), x, rtol=0, atol=EXACT
    )


@pytest.mark.slow
@pytest.mark.parametrize("L", [5, 40])
def test_gradients_are_finite_differences(x64, L):
    discrete, v = system(dtype=np.float64), normal(2, 3, dtype=np.float64)

    @jax.jit
    def weighted(log_modulus, angle, v):
        kernel = vandermonde.kernel(Discrete(log_modulus, angle, v), v, L)
        return (kernel * jnp.cos(jnp.arange(L))[None]).sum()

    check_grads(
        weighted,
        (discrete.log_modulus, discrete.angle, v),
        order=2,
        modes=["fwd", "rev"],
        rtol=1e-5,
        eps=1e-6,
    )


def test_a_shift_in_time_is_a_power_of_the_transition():
    discrete, v = system(), normal(2, 3)
    later = vandermonde.advance(discrete, v, 5)
    whole, shifted = vandermonde.kernel(discrete, v, 60), vandermonde.kernel(discrete, later, 55)
    assert relative(shifted, np.asarray(whole[:, 5:])) < 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: vandermonde.kernel(system(), normal(2, 3), 0),
            "L must be an integer of at least 1, got 0",
        ),
        (
            lambda: vandermonde.kernel(system(), normal(2, 3), 4, method="fast"),
            "unknown method 'fast'",
        ),
        (lambda: vandermonde.kernel(system(), normal(2, 4), 4), r"v has shape \(2, 4\)"),
        (lambda: vandermonde.final_state(system(), jnp.zeros((0, 2))), "at least 1, got 0"),
        (lambda: vandermonde.final_state(system(), jnp.zeros((4, 1))), r"u has shape \(4, 1\)"),
        (
            lambda: vandermonde.final_state(system(), jnp.zeros((4, 2), jnp.int32)),
            "got dtype int32",
        ),
        (
            lambda: vandermonde.advance(system(), normal(2, 3), -1),
            "L must be an integer of at least 0, got -1",
        ),
        (
            lambda: vandermonde.advance(system(), normal(2, 1), 3),
            r"state has shape \(2, 1\), expected \(2, 3\)",
        ),
        (
            lambda: vandermonde.state_response(system(), normal(2, 1), normal(2, 3), 4),
            r"C has shape \(2, 1\)",
        ),
    ],
)
def test_bad_input_is_refused(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_the_gradient_of_a_long_kernel_needs_little_memory():
    # One number a pair and a step would be 16 MiB here, for each of several arrays.
    H, Nh, L = 64, 32, 2048
    discrete, v = system(H, Nh), normal(H, Nh)

    def loss(discrete, v):
        return (vandermonde.kernel(discrete, v, L) ** 2).sum()

    compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(discrete, v).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < H * Nh * L * 4 / 2
