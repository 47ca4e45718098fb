"""The DPLR kernel against the step-by-step oracle, at the accuracy promised, and its gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jax_s4rl.kernels import cauchy
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels.reference import systems

EXACT = 1e-10
# The bounds set are 7e-6 and 1e-4, relative to the largest entry. The gradient of step, a sum that
# cancels, is the most delicate: four products added up at each node (the plain derivative) miss
# 1e-4, and its own bound notices.
FLOAT32, GRADIENTS, STEP = 5e-6, 1e-4, 3e-5
RNG = np.random.default_rng(0)


@partial(jax.jit, static_argnames=("L", "wrap"))
def kernel(parameters, L, wrap=cauchy.WRAP):
    Lambda, P, B, C, _, step = parameters
    return cauchy.kernel(Lambda, P, B, C, step=step, L=L, wrap=wrap)


def truncated(parameters, as_numpy, L, wrap=cauchy.WRAP):
    """Parameters whose C is cut for L steps, in float64 and rounded once."""
    Lambda, P, B, C, _, step = as_numpy(parameters)
    cut = systems.truncated((Lambda, P, B, C, step), L, wrap)
    return parameters._replace(
        C=cplx.astype(jnp.asarray(cut.astype(np.complex64)), parameters.C.dtype)
    )


def true(parameters, as_numpy, L, wrap=cauchy.WRAP):
    """The kernel of the system that the rounded parameters say, from its definition."""
    Lambda, P, B, C, _, step = as_numpy(parameters)
    restored = systems.restored((Lambda, P, B, C, step), L, wrap)
    return systems.kernel(Lambda, P, B, restored, step, L, "bilinear")


def relative(got, wanted):
    return np.abs(np.asarray(got, np.float64) - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize(("L", "wrap"), [(1, 0.5), (2, 1.0), (7, 0.25), (1024, 0.5)])
def test_the_nodes_are_the_oracle(L, wrap):
    for got, wanted in zip(cauchy.nodes(L, wrap), systems.nodes(L, wrap), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=EXACT)


@pytest.mark.parametrize(
    ("measure", "L", "wrap"),
    [
        ("legs", 7, 0.25),
        *(
            pytest.param(measure, L, wrap, marks=pytest.mark.slow)
            for measure in ("legs", "legt", "fout")
            for L, wrap in ((1, 0.5), (2, 0.5), (64, 0.5))
        ),
    ],
)
def test_float64_is_the_oracle(x64, s4_system, as_numpy, measure, L, wrap):
    parameters = truncated(s4_system(measure=measure, dtype=jnp.float64), as_numpy, L, wrap)
    assert relative(kernel(parameters, L, wrap), true(parameters, as_numpy, L, wrap)) < EXACT


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["legs", "legt", "fout"])
@pytest.mark.parametrize(("L", "step"), [(2, 1e-3), (300, 1e-3), (300, 0.1)])
def test_float32_is_as_accurate_as_promised(s4_system, as_numpy, measure, L, step):
    parameters = s4_system(2, 64, measure)._replace(step=jnp.full((2,), step))
    parameters = truncated(parameters, as_numpy, L)
    assert relative(kernel(parameters, L), true(parameters, as_numpy, L)) < FLOAT32


@pytest.mark.slow
def test_the_papers_own_truncation_is_there_too(x64, s4_system, as_numpy):
    parameters = truncated(s4_system(dtype=jnp.float64), as_numpy, 50, wrap=1.0)
    assert relative(kernel(parameters, 50, 1.0), true(parameters, as_numpy, 50, wrap=1.0)) < EXACT


@pytest.mark.slow
def test_rank_three_is_the_definition(x64, s4_system, as_numpy):
    parameters, rng = s4_system(2, 6, dtype=jnp.float64), np.random.default_rng(2)
    P = cplx.Pair(*jnp.asarray(rng.normal(size=(2, 2, 3, 3))))
    parameters = truncated(parameters._replace(P=P), as_numpy, 9)
    assert relative(kernel(parameters, 9), true(parameters, as_numpy, 9)) < 1e-7
    check_grads(
        lambda P: kernel(parameters._replace(P=P), 9), (P,), order=1, modes=["fwd", "rev"], eps=1e-6
    )


@pytest.mark.slow
def test_groups_of_features_are_the_features_one_by_one(s4_system, as_numpy):
    parameters = s4_system(2 * cauchy.GROUP + 3)
    whole = kernel(parameters, 20)
    parts = [kernel(jax.tree.map(lambda x, i=i: x[i : i + 8], parameters), 20) for i in (0, 8, 16)]
    np.testing.assert_allclose(
        whole, np.concatenate(parts), rtol=0, atol=1e-6 * np.abs(whole).max()
    )


def test_groups_are_for_cpu_alone(s4_system):
    def text(platform):
        run = jax.jit(lambda p: cauchy.kernel(*p[:4], step=p.step, L=4))
        return jax.export.export(run, platforms=[platform])(
            s4_system(cauchy.GROUP + 1)
        ).mlir_module()

    assert "stablehlo.while" in text("cpu")
    assert "stablehlo.while" not in text("cuda")


def loss(parameters, weights):
    return (kernel(parameters, weights.shape[1]) * weights).sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "L"), [("legs", 128), ("legt", 128), ("legs", 1024), ("legs", 16384)]
)
def test_gradients_in_float32_are_those_of_float64(x64, s4_system, measure, L):
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(4, L)), jnp.float32)
    start = s4_system(4, 64, measure, dtype=jnp.float32)
    slopes = jax.jit(jax.grad(loss))
    rough = slopes(start, weights)
    # The float64 system at the very values that float32 holds.
    exact = slopes(*jax.tree.map(lambda x: x.astype(jnp.float64), (start, weights)))
    for name, got, wanted in zip(start._fields, rough, exact, strict=True):
        for part, right in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            size = max(np.abs(right).max(), 1e-12)
            error = np.abs(np.asarray(part, np.float64) - right).max() / size
            assert error < (STEP if name == "step" else GRADIENTS), name


@pytest.mark.slow
@pytest.mark.parametrize(("measure", "order"), [("legs", 2), ("legt", 1)])
def test_derivatives_of_both_modes_and_orders_are_finite_differences(
    x64, s4_system, measure, order
):
    Lambda, P, B, C, _, step = s4_system(1, 4, measure, dtype=jnp.float64)
    inputs = (Lambda, P, B, C, step)

    @jax.jit
    def run(*inputs):
        *system, step = inputs
        return cauchy.kernel(*system, step=step, L=5)

    check_grads(
        lambda *x: run(*jax.tree.map(jnp.asarray, x)),
        inputs,
        order=order,
        modes=["fwd", "rev"],
        eps=1e-6,
    )


@pytest.mark.slow
def test_gradients_are_finite_differences(x64, s4_system):
    parameters, weights = (
        s4_system(cauchy.GROUP + 1, 6, "legt", dtype=jnp.float64),
        jnp.asarray(RNG.normal(size=(9, 11))),
    )
    direction = jax.tree.map(
        lambda x: jnp.asarray(RNG.normal(size=x.shape)) * jnp.abs(x), parameters
    )
    slope = sum(
        jax.tree.leaves(
            jax.tree.map(lambda g, d: (g * d).sum(), jax.grad(loss)(parameters, weights), direction)
        )
    )
    ahead, behind = (
        loss(jax.tree.map(lambda x, d, s=s: x + s * d, parameters, direction), weights)
        for s in (1e-6, -1e-6)
    )
    assert abs((ahead - behind) / 2e-6 - slope) < 1e-6 * max(1, abs(slope))


@pytest.mark.slow
def test_undamped_and_vanishing_modes_meet_no_pole(s4_system):
    parameters = s4_system(2, 4)
    still = parameters._replace(
        Lambda=cplx.Pair(jnp.zeros((2, 2)), jnp.asarray([[0.0, 0.0], [0.0, 2.0]]))
    )
    for step in (1e-5, 1.0):
        value, slopes = jax.value_and_grad(loss)(
            still._replace(step=jnp.full((2,), step)), jnp.ones((2, 64))
        )
        assert np.isfinite(value)
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(slopes))


@pytest.mark.parametrize(
    ("change", "L", "wrap", "message"),
    [
        ({}, 0, 0.5, "L must be an integer of at least 1, got 0"),
        ({}, 4, 0.0, r"wrap must lie in \(0, 1\], got 0.0"),
        ({"P": cplx.zeros((3, 4))}, 4, 0.5, "with a rank of at least 1"),
        ({"step": jnp.ones(2)}, 4, 0.5, r"step has shape \(2,\), expected \(3,\)"),
        ({"B": cplx.zeros((3, 5))}, 4, 0.5, r"B has shape \(3, 5\), expected \(3, 4\)"),
    ],
)
def test_bad_input_is_refused(unchecked, s4_system, change, L, wrap, message):
    with pytest.raises(ValueError, match=message):
        kernel(s4_system()._replace(**change), L, wrap)


def test_a_growing_mode_is_refused(unchecked, s4_system):
    Lambda, P, B, C, _, step = s4_system()
    with pytest.raises(ValueError, match="grows without bound"):
        cauchy.kernel(Lambda._replace(re=-Lambda.re), P, B, C, step=step, L=4)
