"""Plain published forms: in float64 each equals the reference or a recurrence written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import baselines, kernel_cases, kernels
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels.reference import attention, convolution, recurrence, selective

FLOAT64 = 1e-10


@pytest.fixture(autouse=True)
def float64():
    """In float64; the plain forms mix real and complex arrays freely, as they were published."""
    with kernels.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


def close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=0, atol=FLOAT64 * np.abs(wanted).max())


def whole(half):
    value = np.asarray(cplx.to_complex(half))
    return np.concatenate([value, value.conj()], axis=-1)


def wide(arguments):
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), arguments)


def test_the_diagonal_kernel_is_the_response_of_the_recurrence():
    arguments = wide(next(kernel_cases.diagonal(2, 12)).arguments)
    Lambda, B, C = (whole(x) for x in arguments[:3])
    step = np.asarray(arguments[3])[:, None]
    A_bar, B_bar = np.exp(step * Lambda), (np.exp(step * Lambda) - 1) / Lambda * B
    wanted = np.stack([(C * A_bar**k * B_bar).sum(-1).real for k in range(12)], axis=-1)
    close(baselines.diagonal(*arguments, length=12), wanted)


@pytest.mark.slow
def test_the_low_rank_kernel_is_the_response_of_the_dense_system():
    ours, published = kernel_cases.low_rank(1, 12)
    for case, wrap in ((ours, 0.5), (published, 1.0)):
        arguments = wide(case.arguments)
        Lambda, P, B, C = (whole(x)[0] for x in arguments[:4])
        P = P[0]
        A, half = np.diag(Lambda) - np.outer(P, P.conj()), float(arguments[4][0]) / 2
        inverse = np.linalg.inv(np.eye(len(A)) - half * A)
        A_bar, B_bar = inverse @ (np.eye(len(A)) + half * A), 2 * half * inverse @ B
        C = np.linalg.solve((np.eye(len(A)) - wrap * np.linalg.matrix_power(A_bar, 12)).T, C)
        wanted = np.array(
            [[(C @ np.linalg.matrix_power(A_bar, k) @ B_bar).real for k in range(12)]]
        )
        got = case.exact(*arguments)
        # C was truncated in float32, which moves the true one by the condition number of that step.
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.slow
def test_convolution_recurrence_and_attention_equal_the_oracle():
    rng = np.random.default_rng(0)
    u, kernel = jnp.asarray(rng.normal(size=(2, 9, 3))), jnp.asarray(rng.normal(size=(3, 9)))
    close(baselines.convolve(u, kernel), convolution.causal(np.asarray(u), np.asarray(kernel)))
    a, b = 0.9 * np.exp(1j * np.arange(3)), rng.normal(size=(2, 9, 3)) + 0j
    got = baselines.recur(*(cplx.as_pair(jnp.asarray(x)) for x in (a, b)))
    close(got[0] + 1j * got[1], recurrence.scan(a, b)[0])
    q, k, v = jnp.asarray(rng.normal(size=(3, 2, 6, 1, 4)))
    close(baselines.attend(q, k, v), attention.attend(*(np.asarray(x) for x in (q, k, v))))
    # The library's softmax is float32 whatever its input.
    np.testing.assert_allclose(
        baselines.library_attend(q, k, v), baselines.attend(q, k, v), rtol=0, atol=1e-6
    )


def test_the_bare_transforms_are_those_of_the_convolution():
    u, cotangent = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2, 3, 9)))
    kernel, padded = u[0], np.pad(np.asarray(u), ((0, 0), (0, 0), (0, 9)))
    transfer, y = baselines.transforms(u, kernel)
    close(transfer, np.fft.rfft(padded[0]))
    close(y, padded)
    again, to_u, to_kernel = baselines.transforms_and_back((transfer, cotangent), u, kernel)
    close(again, padded)
    close(to_u[..., :9], np.asarray(cotangent))
    close(to_kernel, padded[0])


@pytest.mark.slow
def test_selective_systems_equal_the_oracle():
    rng = np.random.default_rng(0)
    zero, (B, C) = np.zeros(3), rng.normal(size=(2, 2, 9, 4))
    A, u, free_step = (
        -rng.uniform(size=3),
        rng.normal(size=(2, 9, 3, 2)),
        rng.normal(size=(2, 9, 3)),
    )
    wanted, _ = selective.ssd(A, zero, zero, u, free_step, B[:, :, None], C[:, :, None])
    close(baselines.ssd(*(jnp.asarray(x) for x in (A, u, free_step, B, C))), wanted)
    A, u = -rng.uniform(size=(3, 4)), u[..., 0]
    wanted, _ = selective.s6(A, zero, zero, u, free_step, B, C)
    close(baselines.s6(*(jnp.asarray(x) for x in (A, u, free_step, B, C))), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["ssd", "s6"])
def test_selective_kernels_equal_their_plain_forms(subject):
    cases = {case.method: case for case in kernel_cases.SUBJECTS[subject](32, 20)}
    exact = cases[f"{subject}/plain"].exact
    for case in cases.values():
        arguments = wide(case.few(case.arguments))
        np.testing.assert_allclose(case.function(*arguments), exact(*arguments), rtol=0, atol=1e-4)
