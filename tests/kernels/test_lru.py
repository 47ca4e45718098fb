"""The LRU in every form, equal to the oracle; the forms themselves are tested with `mimo`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, lru
from jax_s4rl.kernels.reference import mimo as oracle

FLOAT64 = 1e-10  # the bound set for every function against the oracle
FORMS = 1e-5  # the bound set for forms against each other in float32; measured at most 1e-6

apply = jax.jit(lru.apply, static_argnames="method")


def parameters(features=3, width=8, inner=0.5, outer=0.999):
    ring = initialization.lru_ring(jax.random.key(0), width, inner, outer)
    Lambda = cplx.Pair(-jnp.exp(ring.log_decay), jnp.exp(ring.log_angle))
    parts = jax.random.normal(jax.random.key(1), (4, width, features)) / np.sqrt(2 * features)
    B, C = cplx.Pair(parts[0], parts[1]), cplx.Pair(parts[2].T, parts[3].T)
    return lru.Parameters(Lambda, B, C, jnp.ones(features), jnp.exp(ring.log_gain))


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


@pytest.mark.usefixtures("x64")
def test_equals_the_oracle():
    values = jax.tree.map(lambda x: x.astype(jnp.float64), parameters())
    u, resets = draw(40)
    y, state = apply(values, u, resets=resets)
    wanted, last = oracle.lru(*raw(values), u, resets=np.asarray(resets))
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
    constants, state, outs = lru.prepare(values), lru.init_state(values, (2,)), []
    take = jax.jit(lru.step)
    for now in range(33):
        out, state = take(constants, u[:, now], state, resets[:, now])
        outs.append(out)
    assert_close(jnp.stack(outs, 1), y, FORMS)


@pytest.mark.usefixtures("x64")
def test_the_normalizer_is_the_oracle():
    Lambda = -np.array([1e-3, 0.1, 0.5, 20.0]) + 1j * np.arange(4)
    np.testing.assert_allclose(
        lru.normalizer(jnp.asarray(Lambda)), oracle.normalizer(Lambda), rtol=FLOAT64
    )


def test_the_normalizer_is_exact_at_the_unit_circle_and_what_the_ring_starts_with():
    decay = np.array([1e-7, 1e-3, 0.5, 20.0])
    got = lru.normalizer(cplx.Pair(jnp.asarray(-decay, jnp.float32), jnp.zeros(4)))
    wanted = np.sqrt(-np.expm1(-2 * decay.astype(np.float32).astype(np.float64)))
    np.testing.assert_allclose(got, wanted, rtol=3e-7)
    values = parameters()
    np.testing.assert_allclose(lru.normalizer(values.Lambda), values.gain, rtol=1e-5)


@pytest.mark.slow
def test_normalized_states_keep_the_variance_of_white_noise():
    values = parameters(features=1, width=4, inner=0.5, outer=0.9)._replace(
        B=cplx.as_pair(jnp.ones((4, 1)))
    )
    u = jax.random.normal(jax.random.key(2), (4000, 100, 1))
    _, state = apply(values, u)
    variance = cplx.squared_modulus(state).mean(0)
    np.testing.assert_allclose(
        variance, np.ones(4), atol=0.1
    )  # 4,000 draws: about 4 standard errors


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    values, (u, _) = parameters(), draw(4)
    unstable = values._replace(Lambda=values.Lambda._replace(re=-values.Lambda.re))
    for bad, words in (
        (lambda: lru.apply(unstable, u), "real part"),
        (lambda: lru.apply(values, u, method="toeplitz"), "unknown method 'toeplitz'"),
        (lambda: lru.apply(values._replace(gain=values.gain[:3]), u), "gain has shape"),
        (lambda: lru.apply(values, u[..., :2]), "as B has 3 inputs"),
    ):
        with pytest.raises(ValueError, match=words):
            bad()
