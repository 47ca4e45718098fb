"""Both discretisations of a DPLR system, traced and on the host, against the oracle."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import _dplr
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels.reference import systems

EXACT = 1e-10
MEASURES = ["legs", "legt", "fout"]
CASES = itertools.product(MEASURES, ["bilinear", "zoh"], [1e-5, 0.01, 1.0])


def real_form(A_bar, B_bar):
    """The oracle's matrix over both halves, as a real one on [re, im] of the first."""
    Nh = len(B_bar) // 2
    to_both = np.block([[np.eye(Nh), 1j * np.eye(Nh)], [np.eye(Nh), -1j * np.eye(Nh)]])
    return (np.linalg.solve(to_both, A_bar @ to_both)).real, np.linalg.solve(to_both, B_bar).real


@pytest.mark.parametrize(
    ("measure", "method", "step"),
    [
        pytest.param(*case, marks=[] if case[0] == "legs" and case[2] == 0.01 else pytest.mark.slow)
        for case in CASES
    ],
)
def test_every_form_is_the_oracle(x64, s4_system, as_numpy, measure, method, step):
    parameters = s4_system(measure=measure, dtype=jnp.float64)
    steps = jnp.full((3,), step)
    Lambda, P, B = parameters[:3]
    numbers = as_numpy((Lambda, P, B))
    wanted = [
        real_form(*systems.discrete(*(x[h] for x in numbers), step, method)) for h in range(3)
    ]
    if method == "bilinear":
        forms = [_dplr.dense(_dplr.bilinear(Lambda, P, B, steps))]
        forms += [_dplr.dense(_dplr.bilinear_on_host(*numbers, np.asarray(steps)), np)]
    else:
        forms = [
            _dplr.zoh(Lambda, P, B, steps),
            _dplr.zoh(*jax.tree.map(np.asarray, (Lambda, P, B, steps)), xp=np),
        ]
    for form in forms:
        np.testing.assert_allclose(form.A_bar, np.stack([A for A, _ in wanted]), rtol=0, atol=EXACT)
        np.testing.assert_allclose(form.B_bar, np.stack([B for _, B in wanted]), rtol=0, atol=EXACT)
        # The left half plane goes into the unit disk, whatever the step.
        assert max(np.abs(np.linalg.eigvals(np.asarray(form.A_bar))).max(1)) < 1


def one(count):
    """One in the form [re, im] of so many states."""
    return np.repeat([1.0, 0.0], count)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("measure", MEASURES)
def test_the_linear_step_is_the_dense_one(x64, s4_system, measure):
    parameters = s4_system(measure=measure, dtype=jnp.float64)
    steps = _dplr.bilinear(*parameters[:3], parameters.step)
    x = cplx.Pair(*jax.random.normal(jax.random.key(0), (2, 5, 3, 4), jnp.float64))
    wanted = jnp.einsum("hij,bhj->bhi", _dplr.dense(steps).A_bar, cplx.stack_parts(x))
    got = cplx.stack_parts(cplx.add(x, _dplr.moved(steps, x)))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=EXACT)
    wanted = np.asarray(cplx.stack_parts(steps.A_d)) - one(4)
    np.testing.assert_allclose(cplx.stack_parts(steps.change), wanted, atol=EXACT)


@pytest.mark.parametrize("exponent", [0, 1, 2, 5, 12])
def test_powers(x64, exponent):
    A = np.random.default_rng(0).normal(size=(2, 3, 3))
    wanted = np.linalg.matrix_power(np.eye(3) + A, exponent) - np.eye(3)
    np.testing.assert_allclose(_dplr.power_change(jnp.asarray(A), exponent), wanted, rtol=1e-11)
    np.testing.assert_allclose(_dplr.power_change(A, exponent, np), wanted, rtol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [3, 4])
def test_any_rank_has_the_small_inverse(x64, as_numpy, rank):
    rng = np.random.default_rng(rank)
    Lambda = cplx.Pair(
        *(jnp.asarray(x) for x in (-rng.uniform(0.1, 2, (2, 5)), rng.normal(size=(2, 5)) * 9))
    )
    P, B = (
        cplx.Pair(*jnp.asarray(rng.normal(size=(2, *shape)))) for shape in ((2, rank, 5), (2, 5))
    )
    steps = jnp.asarray([0.3, 2.0])
    wanted = _dplr.bilinear_on_host(*as_numpy((Lambda, P, B)), np.asarray(steps))
    for got, right in zip(
        jax.tree.leaves(_dplr.bilinear(Lambda, P, B, steps)), jax.tree.leaves(wanted), strict=True
    ):
        np.testing.assert_allclose(got, right, rtol=0, atol=EXACT * max(1, np.abs(right).max()))
