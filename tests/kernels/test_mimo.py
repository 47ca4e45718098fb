"""Code shared by S5 and the LRU: all methods are one function, with resets and transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from jax.test_util import check_grads

from jax_s4rl.kernels import _mimo, s5
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels.reference import mimo as oracle

METHODS = ["scan", "associative", "chunked"]
FLOAT64 = 1e-10  # the bound set for every function against the oracle
FLOAT32 = 2e-6  # relative to the largest output; measured at most 6e-7


def system(dtype=np.float32, width=3, features=2):
    """The constants, and the same as complex arrays."""
    rng = np.random.default_rng(0)
    A_bar = rng.uniform(0.7, 1.0, width) * np.exp(1j * rng.uniform(0, np.pi, width))
    B_bar, C = rng.normal(size=(2, width, features, 2)) @ [1, 1j]
    raw = (A_bar, B_bar, C.T, rng.normal(size=features))
    parts = [cplx.Pair(jnp.asarray(x.real, dtype), jnp.asarray(x.imag, dtype)) for x in raw[:3]]
    return _mimo.Constants(*parts, jnp.asarray(raw[3], dtype)), raw


def draw(length, dtype=np.float32, rows=2):
    rng = np.random.default_rng(1)
    state = cplx.Pair(*(jnp.asarray(x, dtype) for x in rng.normal(size=(2, rows, 3))))
    return (
        jnp.asarray(rng.normal(size=(rows, length, 2)), dtype),
        state,
        jnp.asarray(rng.random((rows, length)) < 0.2),
    )


def whole(constants, u, state, resets, method="chunked", **options):
    return _mimo.run(constants, u, state, resets, method=method, chunk=4, **options)


run = jax.jit(whole, static_argnames="method")


def assert_same(got, wanted, tolerance=FLOAT32):
    def close(x, y):
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * float(np.abs(y).max()))

    jax.tree.map(close, got, wanted)


@pytest.mark.fast_cases(1)
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("method", METHODS)
def test_equals_the_oracle(method):
    constants, raw = system(np.float64)
    u, state, resets = draw(9, np.float64)
    y, last = run(constants, u, state, resets, method)
    wanted, wanted_last = oracle.run(
        *raw, u, np.asarray(cplx.to_complex(state)), np.asarray(resets)
    )
    assert_same(y, wanted, FLOAT64)
    assert_same(cplx.to_complex(last), wanted_last, FLOAT64)


@pytest.mark.slow
def test_whole_equals_chunk_after_chunk_equals_step_after_step():
    constants, _ = system()
    u, state, resets = draw(9)
    for some in (resets, None):
        y, last = run(constants, u, state, some)
        now, outs = state, []
        for part in (slice(0, 4), slice(4, 5), slice(5, 9)):
            out, now = run(constants, u[:, part], now, None if some is None else some[:, part])
            outs.append(out)
        assert_same((jnp.concatenate(outs, 1), now), (y, last))
        take, now, outs = jax.jit(_mimo.step), state, []
        for k in range(9):
            out, now = take(constants, u[:, k], now, None if some is None else some[:, k])
            outs.append(out)
        assert_same((jnp.stack(outs, 1), now), (y, last))


def test_a_nan_before_a_reset_stays_before_it():
    constants, _ = system()
    u, state, _ = draw(8)
    resets = jnp.zeros((2, 8), bool).at[:, 5].set(True)
    clean, last = run(constants, u, state, resets)
    y, broken_last = run(constants, u.at[:, 2].set(jnp.nan), state, resets)
    np.testing.assert_array_equal(
        jnp.isnan(y).any((0, 2)), [False, False, True, True, True, False, False, False]
    )
    assert_same((y[:, 5:], broken_last), (clean[:, 5:], last))
    broken = cplx.Pair(*(x * jnp.nan for x in state))
    stepped, _ = _mimo.step(constants, u[:, 5], broken, jnp.ones(2, bool))
    assert_same(stepped, clean[:, 5])


@pytest.mark.slow
def test_gradients_equal_each_other_and_finite_differences(x64):
    constants, _ = system(np.float64)
    u, state, resets = draw(5, np.float64)
    inputs = (constants, u, state)

    def loss(method, *inputs):
        y, last = whole(*inputs, resets, method)
        return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.sin(last.re)) + jnp.sum(last.im)

    found = [jax.jit(jax.grad(lambda x, m=method: loss(m, *x)))(inputs) for method in METHODS]
    for other in found[1:]:
        assert_same(other, found[0], FLOAT64)
    flat, tree = jax.tree.flatten(inputs)
    compiled = jax.jit(lambda *x: loss("chunked", *jax.tree.unflatten(tree, x)))
    check_grads(
        lambda *x: compiled(*(jnp.asarray(leaf) for leaf in x)), tuple(flat), order=1, modes=["rev"]
    )


@pytest.mark.slow
def test_the_gradient_through_a_boundary_equals_that_of_the_whole():
    constants, _ = system()
    u, state, _ = draw(9)

    def in_two(inputs):
        constants, u, state = inputs
        first, state = whole(constants, u[:, :5], state, None)
        second, _ = whole(constants, u[:, 5:], state, None)
        return jnp.sum(jnp.sin(first)) + jnp.sum(jnp.sin(second))

    def at_once(inputs):
        return jnp.sum(jnp.sin(whole(*inputs, None)[0]))

    got, wanted = (jax.jit(jax.grad(loss))((constants, u, state)) for loss in (in_two, at_once))
    assert_same(got, wanted, 1e-4)


@pytest.mark.slow
def test_transformations_change_nothing():
    constants, _ = system()
    u, state, resets = draw(5)
    wanted = run(constants, u, state, resets)
    rows, all_of_it = PartitionSpec("data"), PartitionSpec()
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    for got in (
        jax.jit(jax.vmap(whole, (None, 0, 0, 0)))(constants, u, state, resets),
        jax.jit(jax.checkpoint(whole))(constants, u, state, resets),
        jax.lax.scan(lambda _, x: (None, whole(constants, *x)), None, (u, state, resets))[1],
        jax.pmap(whole, in_axes=(None, 0, 0, 0))(constants, u, state, resets),
        jax.shard_map(whole, mesh=mesh, in_specs=(all_of_it, rows, rows, rows), out_specs=rows)(
            constants, u, state, resets
        ),
    ):
        assert_same(got, wanted)
    many = jax.tree.map(lambda x: jnp.stack([x, x / 2]), constants)
    assert_same(
        jax.tree.map(lambda x: x[0], jax.vmap(run, (0, None, None, None))(many, u, state, resets)),
        wanted,
    )


def test_low_precision_goes_in_and_out():
    constants, raw = system()
    u, state, _ = draw(6)
    low = u.astype(jnp.bfloat16)
    y, last = run(constants, low, None, None)
    assert y.dtype == jnp.bfloat16
    assert last.dtype == jnp.float32
    wanted, _ = oracle.run(*raw, np.asarray(low, np.float64))
    assert_same(y.astype(jnp.float32), wanted, float(jnp.finfo(jnp.bfloat16).eps))
    assert _mimo.step(constants, low[:, 0], state)[0].dtype == jnp.bfloat16


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    constants, _ = system()
    u, state, resets = draw(4)
    short = cplx.Pair(*(x[:1] for x in state))
    lengths = jnp.ones(3)

    def settle(
        Lambda=constants.A_bar, B=constants.B_bar, C=constants.C, D=constants.D, step=lengths
    ):
        return _mimo.settle(
            s5.Parameters(Lambda._replace(re=-jnp.abs(Lambda.re)), B, C, D, step), "step"
        )

    settle()
    for bad, words in (
        (lambda: whole(constants, u, state, resets, "fft"), "unknown method 'fft'"),
        (lambda: whole(constants, u[..., :1], state, resets), "as B has 2 inputs"),
        (lambda: whole(constants, u[:, :0], state, None), "L >= 1"),
        (lambda: whole(constants, u.astype(jnp.int32), state, None), "int32"),
        (lambda: whole(constants, u, short, None), "state has shape"),
        (lambda: whole(constants, u, state, resets[:, :2]), "resets has shape"),
        (
            lambda: whole(constants, u, state, None, precision="double"),
            "unknown precision 'double'",
        ),
        (lambda: whole(constants, u, state, None, mask=resets[:1]), "mask has shape"),
        (lambda: settle(Lambda=short), "Lambda has shape"),
        (lambda: settle(C=constants.B_bar), "C has shape"),
        (lambda: settle(D=lengths), "D has shape"),
        (lambda: settle(B=constants.A_bar), r"expected \(P, H\)"),
        (lambda: settle(step=lengths[:2]), "step has shape"),
        (lambda: settle(step=jnp.ones(3, jnp.int32)), "int32"),
        (lambda: settle(D=True), "bool"),
        (
            lambda: _mimo.settle(s5.Parameters(lengths, *constants[1:4], lengths), "step"),
            "real part of 1",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            bad()
