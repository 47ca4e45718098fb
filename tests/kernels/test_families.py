"""Tests for all families: smallest system, a row of padding, causality, S4 without low rank."""

import functools
from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import attention, convolution, s4, s4d
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels.reference import mimo as mimo_oracle
from jax_s4rl.kernels.reference import selective as selective_oracle
from jax_s4rl.kernels.reference import systems
from tests.kernels.families import FAMILIES, H

FORMS = {
    "s4d": 1e-5,
    "s4": 2e-5,
    "s5": 1e-5,
    "lru": 1e-5,
    "ssd": 1e-5,
    "s6": 1e-5,
}  # the bounds set for forms against each other
L = 4
METHODS = {
    "s4d": ("fft", "toeplitz", "chunked", "scan"),
    "s4": ("fft", "toeplitz", "chunked", "scan"),
    "s5": ("scan", "associative", "chunked"),
    "lru": ("scan", "associative", "chunked"),
    "ssd": ("scan", "chunked"),
    "s6": ("scan", "associative", "chunked"),
}
ONE_PAIR = [pytest.param(name, marks=() if name == "lru" else pytest.mark.slow) for name in METHODS]


def numbers(parameters):
    exact = (cplx.to_complex(x) if isinstance(x, cplx.Pair) else x for x in parameters)
    return [np.asarray(x, np.result_type(x.dtype, np.float64)) for x in exact]


def wanted(name, parameters, u):
    if name in ("ssd", "s6"):
        module = FAMILIES[name].module
        exact = numbers((*parameters.parameters, *module.given(parameters, u)))
        y, last = getattr(selective_oracle, name)(*exact)
        return module.joined(y), last
    u = np.asarray(u, np.float64)
    if name == "s5":
        return mimo_oracle.s5(*numbers(parameters), u)
    if name == "lru":
        return mimo_oracle.lru(*numbers(parameters), u)
    Lambda, *middle, D, step = numbers(parameters)
    P, B, C = middle if name == "s4" else (None, *middle)
    return systems.run((Lambda, P, B, C, D, step), u, method="bilinear" if name == "s4" else "zoh")


def views(name, parameters, u, resets):
    """Output and final state in every form, with resets if the form takes them."""
    module, batch = FAMILIES[name].module, u.shape[:1]
    found = [module.apply(parameters, u, method=method) for method in METHODS[name]]
    found += [
        module.apply(parameters, u, None, resets, method=method) for method in ("chunked", "scan")
    ]
    if name == "s4":
        found.append(s4.apply(s4.truncate(parameters, L), u, length=L))
    head, state = module.apply(parameters, u[:, :2])
    tail, state = module.apply(parameters, u[:, 2:], state)
    found.append((jnp.concatenate([head, tail], 1), state))
    constants, state, outs = module.prepare(parameters), module.init_state(parameters, batch), []
    for now in range(L):
        y, state = module.step(constants, u[:, now], state, resets[:, now])
        outs.append(y)
    return [*found, (jnp.stack(outs, 1), state)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_PAIR)
def test_one_pair_and_a_row_of_padding_in_every_view(name):
    parameters = FAMILIES[name].make(jax.random.key(0), P=1)
    u = jax.random.normal(jax.random.key(1), (2, L, H)).at[1].set(0.0)
    # Padding is zero, and may be marked as one reset after the other.
    resets = jnp.zeros((2, L), bool).at[:, 0].set(True).at[1].set(True)

    @partial(jax.jit, static_argnums=0)
    @partial(jax.value_and_grad, argnums=(1, 2), has_aux=True)
    def run(name, parameters, u):
        found = views(name, parameters, u, resets)
        leaves = jax.tree.leaves(found)
        return sum((x**2).sum() for x in leaves), found

    (_, found), slopes = run(name, parameters, u)
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(slopes))
    y, last = wanted(name, parameters, u)
    for out, state in found:
        np.testing.assert_allclose(out, y, rtol=0, atol=FORMS[name] * np.abs(y).max())
        np.testing.assert_allclose(
            cplx.to_complex(state) if isinstance(state, cplx.Pair) else state,
            last,
            rtol=0,
            atol=FORMS[name] * np.abs(last).max(),
        )
        assert all(not np.any(x[1]) for x in (out, *jax.tree.leaves(state)))


def attended(q, window):
    k, v = jnp.sin(2 * q), jnp.cos(q)
    return attention.attend(*(x[:, None, :] for x in (q, k, v)), window=window)[:, 0]


@functools.cache
def form(family, option):
    """A function of an input [L, H] alone."""
    key = jax.random.key(2)
    if family == "convolution":
        kernel = jax.random.normal(key, (H, L))
        return jax.jit(lambda u: convolution.causal(u, kernel, method=option))
    if family == "attention":
        return jax.jit(partial(attended, window=option))
    parameters = FAMILIES[family].make(key)
    return jax.jit(lambda u: FAMILIES[family].module.apply(parameters, u, method=option)[0])


IN_TIME = [
    *((family, method) for family, methods in METHODS.items() for method in methods),
    ("convolution", "fft"),
    ("convolution", "toeplitz"),
    ("attention", None),
    ("attention", 2),
]


@pytest.mark.fast_cases(4)
@pytest.mark.parametrize(("family", "option"), IN_TIME)
@hypothesis.settings(max_examples=20, deadline=None, derandomize=True)
@hypothesis.given(seed=st.integers(0, 1000), begin=st.integers(1, L - 1), size=st.floats(0.1, 1e4))
def test_changing_the_future_changes_nothing_before_it(family, option, seed, begin, size):
    u, other = np.random.default_rng(seed).normal(size=(2, L, H)).astype(np.float32)
    changed = np.concatenate([u[:begin], np.float32(size) * other[begin:]])
    before, after = (np.asarray(form(family, option)(jnp.asarray(x))) for x in (u, changed))
    # A transform spreads its rounding over the row: about a millionth of the input, times the size
    # of the kernel.
    limit = 1e-5 * (1 + size) if option == "fft" else 0.0
    np.testing.assert_allclose(after[:begin], before[:begin], rtol=0, atol=limit)
    assert not np.array_equal(after[begin:], before[begin:])


@partial(jax.jit, static_argnames="truncated")
def low_rank_outputs(parameters, u, truncated):
    if not truncated:
        return s4.apply(parameters, u, method="chunked")
    return s4.apply(s4.truncate(parameters, L), u, length=L)


diagonal_outputs = jax.jit(partial(s4d.apply, discretization="bilinear"))


@pytest.mark.slow
@pytest.mark.parametrize("truncated", [False, True])
@hypothesis.settings(max_examples=20, deadline=None, derandomize=True)
@hypothesis.given(seed=st.integers(0, 1000), step=st.floats(1e-3, 1.0), rank=st.integers(1, 2))
def test_s4_without_a_low_rank_part_is_s4d(truncated, seed, step, rank):
    rng = np.random.default_rng(seed)
    B, C = (
        cplx.Pair(*(jnp.asarray(x, jnp.float32) for x in rng.normal(size=(2, H, 2))))
        for _ in range(2)
    )
    real, imaginary = -rng.uniform(0.05, 3, (H, 2)), rng.normal(size=(H, 2)) * 20
    Lambda = cplx.Pair(jnp.asarray(real, jnp.float32), jnp.asarray(imaginary, jnp.float32))
    D, spacing = jnp.ones(H), jnp.full((H,), step, jnp.float32)
    u = jnp.asarray(rng.normal(size=(L, H)), jnp.float32)
    got = low_rank_outputs(
        s4.Parameters(Lambda, cplx.zeros((H, rank, 2)), B, C, D, spacing), u, truncated
    )
    right = diagonal_outputs(s4d.Parameters(Lambda, B, C, D, spacing), u)
    for part, other in zip(jax.tree.leaves(got), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(
            part, other, rtol=0, atol=FORMS["s4"] * float(jnp.abs(other).max())
        )
