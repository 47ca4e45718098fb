"""S5 in every form, equal to the oracle; the forms themselves are tested with `mimo`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, s5
from jax_s4rl.kernels.reference import mimo as oracle

FLOAT64 = 1e-10  # the bound set for every function against the oracle
FORMS = 1e-5  # the bound set for forms against each other in float32; measured at most 1e-6

apply = jax.jit(s5.apply, static_argnames=("method", "discretization"))


def parameters(features=3, width=8, shortest=1e-3):
    blocks = initialization.s5(jax.random.key(0), features, width, blocks=2)
    spacing = jnp.exp(initialization.log_step(jax.random.key(1), (width,), shortest))
    return s5.Parameters(blocks.Lambda, blocks.B, blocks.C, jnp.ones(features), spacing)


def raw(values):
    return [
        np.asarray(cplx.to_complex(x)) if isinstance(x, cplx.Pair) else np.asarray(x)
        for x in values
    ]


def draw(length, rows=2, features=3):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=(rows, length, features))), jnp.asarray(
        rng.random((rows, length)) < 0.2
    )


def assert_close(got, wanted, tolerance):
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@pytest.mark.fast_cases(1)
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
def test_equals_the_oracle(discretization):
    values = jax.tree.map(lambda x: x.astype(jnp.float64), parameters())
    u, resets = draw(40)
    y, state = apply(values, u, resets=resets, discretization=discretization, rate=2.0)
    coarse = raw(values._replace(step=2 * values.step))
    wanted, last = oracle.s5(*coarse, u, resets=np.asarray(resets), discretization=discretization)
    assert_close(y, wanted, FLOAT64)
    assert_close(cplx.to_complex(state), last, FLOAT64)


@pytest.mark.slow
def test_all_forms_are_one_function_in_float32():
    values = parameters()
    u, resets = draw(33)
    y, last = apply(values, u, resets=resets, method="scan")
    for method in ("associative", "chunked", "auto"):
        other, other_last = apply(values, u, resets=resets, method=method)
        assert_close(other, y, FORMS)
        assert_close(cplx.to_complex(other_last), cplx.to_complex(last), FORMS)
    constants, state, outs = s5.prepare(values), s5.init_state(values, (2,)), []
    take = jax.jit(s5.step)
    for now in range(33):
        out, state = take(constants, u[:, now], state, resets[:, now])
        outs.append(out)
    assert_close(jnp.stack(outs, 1), y, FORMS)


@pytest.mark.slow
def test_packed_episodes_equal_separate_rows():
    values, (u, _) = parameters(), draw(20, rows=1)
    packed, _ = apply(values, u, resets=jnp.zeros((1, 20), bool).at[0, 13].set(True))
    first, _ = apply(values, u[:, :13])
    second, _ = apply(values, u[:, 13:])
    assert_close(packed, jnp.concatenate([first, second], 1), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [1e-5, 1.0])
def test_steps_at_both_ends_and_a_zero_lambda_are_finite_with_their_gradients(spacing):
    values = parameters()._replace(step=jnp.full(8, spacing))
    values = values._replace(Lambda=jax.tree.map(lambda x: x.at[0].set(0.0), values.Lambda))
    u, _ = draw(6)
    gradients = jax.jit(jax.grad(lambda values: jnp.sum(s5.apply(values, u)[0] ** 2)))(values)
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(gradients))


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    values, (u, _) = parameters(), draw(4)
    unstable = values._replace(Lambda=values.Lambda._replace(re=-values.Lambda.re))
    for bad, words in (
        (lambda: s5.apply(unstable, u), "real part"),
        (lambda: s5.apply(values, u, method="fft"), "unknown method 'fft'"),
        (lambda: s5.apply(values, u, discretization="euler"), "unknown discretization 'euler'"),
        (lambda: s5.apply(values._replace(step=values.step[:3]), u), "step has shape"),
        (lambda: s5.apply(values, u[..., :2]), "as B has 3 inputs"),
    ):
        with pytest.raises(ValueError, match=words):
            bad()
