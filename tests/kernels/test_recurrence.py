"""Linear recurrences: three methods equal the oracle, under every transformation of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, PartitionSpec
from jax.test_util import check_grads

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import recurrence
from jax_s4rl.kernels.reference import recurrence as oracle

METHODS = ["sequential", "associative", "chunked"]
FLOAT64 = 1e-10  # the bound set for every function against the oracle
FLOAT32 = 2e-6  # relative to the largest state; measured at most 4e-7

scan = jax.jit(recurrence.scan, static_argnames=("method", "reverse", "chunk"))


def draw(length, rows=2, width=3, varying=False, seed=0):
    """Factors just inside the unit circle, inputs, start, resets; complex128."""
    rng = np.random.default_rng(seed)
    shape = (rows, length, width) if varying else (width,)
    a = rng.uniform(0.8, 1.0, shape) * np.exp(1j * rng.uniform(0, np.pi, shape))
    b = rng.normal(size=(rows, length, width, 2)) @ [1, 1j]
    state = rng.normal(size=(rows, width, 2)) @ [1, 1j]
    return a, b, state, rng.random((rows, length)) < 0.2


def as_pairs(*arrays, dtype=np.float32):
    return tuple(cplx.Pair(jnp.asarray(x.real, dtype), jnp.asarray(x.imag, dtype)) for x in arrays)


def assert_close(got, wanted, tolerance):
    value = np.asarray(got.re, np.float64) + 1j * np.asarray(got.im, np.float64)
    np.testing.assert_allclose(value, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def assert_same(got, wanted, tolerance=FLOAT32):
    def close(x, y):
        np.testing.assert_allclose(
            x, y, rtol=0, atol=tolerance * max(1e-30, float(np.abs(y).max()))
        )

    jax.tree.map(close, got, wanted)


@pytest.mark.fast_cases(3)
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("length", "kinds"),
    [(1, ((False, True),)), (2, ((True, False),)), (9, ((False, False), (True, True)))],
)
@pytest.mark.parametrize("method", METHODS)
def test_equals_the_oracle(method, length, kinds):
    for varying, reverse in kinds:
        a, b, state, resets = draw(length, varying=varying)
        wanted = oracle.scan(a, b, state, resets, reverse=reverse)
        inputs = as_pairs(a, b, state, dtype=np.float64)
        got = scan(*inputs, jnp.asarray(resets), method=method, reverse=reverse, chunk=4)
        for x, y in zip(got, wanted, strict=True):
            assert_close(x, y, FLOAT64)


@pytest.mark.parametrize("method", ["sequential", "chunked"])
def test_without_state_and_resets_in_float32(method):
    a, b, _, _ = draw(50)
    for x, y in zip(scan(*as_pairs(a, b), method=method, chunk=8), oracle.scan(a, b), strict=True):
        assert_close(x, y, FLOAT32)


def weighed(method, chunk=4, reverse=False):
    """A loss in which every state and the last one count."""

    def loss(a, b, state, resets):
        states, last = recurrence.scan(
            a, b, state, resets, method=method, chunk=chunk, reverse=reverse
        )
        return sum(jnp.sum(jnp.sin(x)) for x in (*states, *last))

    return loss


@pytest.mark.slow
@pytest.mark.parametrize(("varying", "reverse"), [(False, True), (True, False)])
def test_methods_have_the_same_gradients(varying, reverse):
    a, b, state, resets = draw(9, varying=varying)
    inputs, resets = as_pairs(a, b, state), jnp.asarray(resets)
    found = [
        jax.jit(jax.grad(weighed(method, reverse=reverse), (0, 1, 2)))(*inputs, resets)
        for method in METHODS
    ]
    for other in found[1:]:
        assert_same(other, found[0])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.slow
def test_gradients_and_second_derivatives_equal_finite_differences(varying):
    a, b, state, resets = draw(5, 1, 2, varying=varying)
    inputs, resets = as_pairs(a, b, state, dtype=np.float64), jnp.asarray(resets)
    loss = jax.jit(weighed("chunked", chunk=2))

    def run(*leaves):
        return loss(
            *jax.tree.unflatten(jax.tree.structure(inputs), [jnp.asarray(x) for x in leaves]),
            resets,
        )

    check_grads(run, tuple(jax.tree.leaves(inputs)), order=1 if varying else 2, modes=["rev"])


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("method", METHODS)
def test_nan_before_a_reset_stays_before_it(method):
    a, b, state, _ = draw(9, varying=True)
    resets = np.zeros((2, 9), bool)
    resets[:, 5] = True
    broken_a, broken_b, broken_state = a.copy(), b.copy(), np.full_like(state, np.nan)
    broken_a[:, 4], broken_b[:, 3] = np.nan, np.nan
    clean, _ = scan(*as_pairs(a, b, state), jnp.asarray(resets), method=method, chunk=4)
    states, last = scan(
        *as_pairs(broken_a, broken_b, broken_state), jnp.asarray(resets), method=method, chunk=4
    )
    assert bool(jnp.isnan(states.re[:, :5]).all())
    assert_same(cplx.Pair(*(x[:, 5:] for x in states)), cplx.Pair(*(x[:, 5:] for x in clean)))
    assert bool(jnp.isfinite(last.re).all())


def test_packed_episodes_equal_separate_rows():
    a, b, _, _ = draw(10, rows=1)
    resets = jnp.zeros((1, 10), bool).at[0, 6].set(True)
    packed, _ = scan(*as_pairs(a, b), resets=resets, chunk=4)
    apart = np.concatenate([oracle.scan(a, b[:, :6])[0], oracle.scan(a, b[:, 6:])[0]], axis=1)
    assert_close(packed, apart, FLOAT32)


@pytest.mark.slow
def test_the_gradient_through_a_boundary_equals_that_of_the_whole():
    a, b, state, _ = draw(10)
    a, b, state = as_pairs(a, b, state)

    def in_two(a, b, state):
        parts = []
        for part in (slice(0, 6), slice(6, 10)):
            states, state = recurrence.scan(
                a, cplx.Pair(b.re[:, part], b.im[:, part]), state, chunk=3
            )
            parts.append(states)
        return sum(jnp.sum(jnp.sin(x)) for states in parts for x in states)

    def at_once(a, b, state):
        return sum(jnp.sum(jnp.sin(x)) for x in recurrence.scan(a, b, state)[0])

    got, wanted = (jax.jit(jax.grad(run, (0, 1, 2)))(a, b, state) for run in (in_two, at_once))
    assert_same(got, wanted, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["sequential", "associative"]
)  # the chunked one is transformed with `mimo`
def test_transformations_change_nothing(method):
    a, b, state, resets = draw(5)
    a, b, state = as_pairs(a, b, state)
    resets = jnp.asarray(resets)

    def run(a, b, state, resets):
        return recurrence.scan(a, b, state, resets, method=method, chunk=2)[0]

    wanted = scan(a, b, state, resets, method=method, chunk=2)[0]
    rows, whole = PartitionSpec("data"), PartitionSpec()
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    sharded = jax.shard_map(run, mesh=mesh, in_specs=(whole, rows, rows, rows), out_specs=rows)
    for got in (
        jax.jit(jax.vmap(run, (None, 0, 0, 0)))(a, b, state, resets),
        jax.jit(jax.checkpoint(run))(a, b, state, resets),
        jax.lax.scan(lambda _, x: (None, run(a, *x)), None, (b, state, resets))[1],
        jax.pmap(run, in_axes=(None, 0, 0, 0))(a, b, state, resets),
        sharded(a, b, state, resets),
    ):
        assert_same(got, wanted)
    both = jax.jit(jax.vmap(run, (0, None, None, None)))(
        jax.tree.map(lambda x: jnp.stack([x, x / 2]), a), b, state, resets
    )
    assert_same(jax.tree.map(lambda x: x[0], both), wanted)


@pytest.mark.slow
def test_complex_and_low_precision_inputs():
    a, b, _, _ = draw(6)
    states, _ = recurrence.scan(jnp.asarray(a, jnp.complex64), jnp.asarray(b, jnp.complex64))
    assert_close(states, oracle.scan(a, b)[0], FLOAT32)
    low = as_pairs(b, dtype=jnp.bfloat16)[0]
    states, _ = recurrence.scan(*as_pairs(a), low)
    assert states.dtype == jnp.float32
    exact = np.asarray(low.re, np.float64) + 1j * np.asarray(low.im, np.float64)
    assert_close(states, oracle.scan(a, exact)[0], FLOAT32)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    a, b, state, _ = draw(4)
    a, b, state = as_pairs(a, b, state)
    for bad, words in (
        (lambda: recurrence.scan(a, b, method="parallel"), "unknown recurrence method 'parallel'"),
        (lambda: recurrence.scan(a, b, chunk=0), "chunk must be an integer of at least 1"),
        (lambda: recurrence.scan(cplx.Pair(a.re[:2], a.im[:2]), b), "a has shape"),
        (lambda: recurrence.scan(state, b), "a has shape"),
        (lambda: recurrence.scan(a, b, a), "the state has shape"),
        (lambda: recurrence.scan(a, b, resets=jnp.zeros((2, 3), bool)), "resets has shape"),
        (
            lambda: recurrence.scan(a, b, resets=jnp.zeros((2, 4))),
            "resets must be a bool array, got float32",
        ),
        (lambda: recurrence.scan(a, cplx.Pair(b.re[:, :0], b.im[:, :0])), "L of at least 1"),
        (lambda: recurrence.scan(jnp.ones(3, jnp.int32), b), "int32"),
    ):
        with pytest.raises(ValueError, match=words):
            bad()


def written_out(a, b, state, resets):
    """Step after step in complex numbers, for JAX to differentiate."""
    a, b, x = (jax.lax.complex(*part) for part in (a, b, state))
    a, found = jnp.broadcast_to(a, b.shape), []
    for k in range(b.shape[1]):
        x = jnp.where(resets[:, k, None], 0, a[:, k] * x) + b[:, k]
        found.append(x)
    return jnp.stack(found, 1)


def derivatives(run, inputs):
    """Forward and reverse mode of a nonlinear loss; the Hessian times a direction in three ways."""
    flat, unflatten = ravel_pytree(inputs)
    direction = jnp.cos(jnp.arange(flat.size, dtype=flat.dtype))

    def loss(flat):
        re, im = run(*unflatten(flat))
        return jnp.sum(jnp.sin(re) * jnp.cos(2 * im))

    def along(x):
        return jax.jvp(loss, (x,), (direction,))[1]

    @jax.jit
    def every(x):
        twice = (jax.grad(along), jax.grad(lambda x: jnp.vdot(jax.grad(loss)(x), direction)))
        return (
            along(x),
            jax.grad(loss)(x),
            jax.jvp(jax.grad(loss), (x,), (direction,))[1],
            *(f(x) for f in twice),
        )

    return every(flat)


SHAPES = [(2,), (2, 3, 2), (2, 1, 2), (1, 3, 1)]
SLOW = pytest.mark.slow
# The methods share the derivative; shapes are a matter of what is in front of it.
OTHERS = [("sequential", SHAPES[0]), ("associative", SHAPES[1]), ("auto", SHAPES[1])]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "shape"), [*(("chunked", shape) for shape in SHAPES[:4]), *OTHERS]
)
def test_every_mode_and_order_of_differentiation_and_every_shape_of_the_factors(method, shape):
    rng = np.random.default_rng(4)
    inputs = as_pairs(
        *(rng.normal(size=(*size, 2)) @ [0.6, 0.6j] for size in (shape, (2, 3, 2), (2, 2)))
    )
    resets = jnp.array([[False, True, False], [False, False, False]])
    if len(shape) < 3:  # implicit new axes are refused in tests
        inputs = (
            jax.tree.map(lambda x: x.reshape((1,) * (3 - x.ndim) + x.shape), inputs[0]),
            *inputs[1:],
        )

    def run(a, b, state):
        a = jax.tree.map(lambda x: x.reshape(shape), a)
        return recurrence.scan(a, b, state, resets, method=method, chunk=2)[0]

    def slowly(a, b, state):
        states = written_out(a, b, state, resets)
        return states.real, states.imag

    got, wanted = derivatives(run, inputs), derivatives(slowly, inputs)
    for x, y in zip(got, wanted, strict=True):
        assert_same(x, y, 1e-5)


def test_auto_is_chosen_by_the_platform_that_the_program_is_for():
    a, b, state, resets = draw(9)
    inputs = (*as_pairs(a, b, state), jnp.asarray(resets))
    run = jax.jit(jax.grad(weighed("auto"), (0, 1, 2)))
    for platform, loops in (("cpu", True), ("cuda", False), ("tpu", False)):
        text = export.export(run, platforms=[platform])(*inputs).mlir_module()
        assert ("stablehlo.while" in text) == loops
        assert "complex<" not in text


@pytest.mark.fast_cases(1)
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_a_batch_that_is_not_known_is_exported(method):
    (batch,) = export.symbolic_shape("batch")
    b = cplx.Pair(*[jax.ShapeDtypeStruct((batch, 9, 3), jnp.float32)] * 2)
    state = cplx.Pair(*[jax.ShapeDtypeStruct((batch, 3), jnp.float32)] * 2)
    resets = jax.ShapeDtypeStruct((batch, 9), jnp.bool_)
    a = as_pairs(draw(9)[0])[0]
    gradient = jax.grad(lambda *x: weighed(method)(a, *x), (0, 1))
    text = export.export(jax.jit(gradient))(b, state, resets).mlir_module()
    assert "?x9x3" in text


@pytest.mark.parametrize(
    "method", ["chunked", *(pytest.param(x, marks=SLOW) for x in ("sequential", "associative"))]
)
@pytest.mark.parametrize("varying", [False, pytest.param(True, marks=SLOW)])
def test_a_nan_before_a_reset_leaves_the_gradient_of_later_steps_finite(method, varying):
    for reverse in (False, True):
        a, b, state, _ = draw(9, varying=varying)
        resets, later = np.zeros((2, 9), bool), slice(0, 5) if reverse else slice(5, 9)
        resets[:, 4 if reverse else 5] = True
        broken_a, broken_b = a.copy(), b.copy()
        broken_b[0, 7 if reverse else 1], broken_b[1, 8 if reverse else 0] = np.nan, np.inf
        if varying:
            broken_a[:, 6 if reverse else 2] = np.nan

        def loss(a, b, state, reverse=reverse, later=later, resets=jnp.asarray(resets)):
            states, _ = recurrence.scan(
                a, b, state, resets, method=method, chunk=4, reverse=reverse
            )
            return sum(jnp.sum(x[:, later] ** 2) for x in states)

        gradient = jax.jit(jax.grad(loss, (0, 1, 2)))
        got = gradient(*as_pairs(broken_a, broken_b, np.full_like(state, np.nan)))
        assert_same(got, gradient(*as_pairs(a, b, state)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["chunked", *(pytest.param(x, marks=SLOW) for x in ("sequential", "associative"))]
)
def test_gradients_of_replicated_factors_under_shard_map(method):
    a, b, state, resets = draw(9)
    (a, b, state), resets = as_pairs(a, b, state), jnp.asarray(resets)
    loss, whole, rows = weighed(method), PartitionSpec(), PartitionSpec("data")
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))

    def sharded(run, out):
        return jax.shard_map(run, mesh=mesh, in_specs=(whole, rows, rows, rows), out_specs=out)

    outside = sharded(lambda *x: loss(*x)[None], rows)
    wanted = jax.jit(jax.grad(loss))(a, b, state, resets)
    assert_same(jax.jit(jax.grad(lambda a: outside(a, b, state, resets).sum()))(a), wanted)
    assert_same(jax.jit(sharded(jax.grad(loss), whole))(a, b, state, resets), wanted)
