"""SSD and S6: the oracle in float64, all forms alike, resets, padding, NaN, dtypes, extremes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jax_s4rl.kernels import _casting, s6, ssd
from jax_s4rl.kernels.reference import selective as oracle

ROWS, HEADS, P, N = 2, 4, 3, 5
FLOAT64 = 1e-10  # the bound set for every function against the oracle
FORMS = 1e-5  # the bound set for forms against each other in float32
MODULES = {"ssd": ssd, "s6": s6}
slow = partial(pytest.param, marks=pytest.mark.slow)
EVERY = [("ssd", "chunked"), ("s6", "scan"), slow("ssd", "scan")]
EVERY += [slow("s6", "chunked"), slow("s6", "associative")]
EVERY_FORM = pytest.mark.parametrize(("name", "method"), EVERY)
EACH = pytest.mark.parametrize("name", ["ssd", slow("s6")])


def system(name, dtype=jnp.float32):
    rng = np.random.default_rng(0)
    shape = (HEADS,) if name == "ssd" else (HEADS, N)
    A, D, bias = -rng.uniform(0.1, 4, shape), rng.normal(size=HEADS), rng.normal(size=HEADS)
    return MODULES[name].Parameters(*(jnp.asarray(x, dtype) for x in (A, D, bias)))


def inputs(name, length, dtype=jnp.float32, seed=1):
    """Inputs u, free steps, B and C; SSD has two groups of heads."""
    rng = np.random.default_rng(seed)
    groups, features = ((2, N), (HEADS, P)) if name == "ssd" else ((N,), (HEADS,))
    shapes = (features, (HEADS,), groups, groups)
    return [jnp.asarray(rng.normal(size=(ROWS, length, *shape)), dtype) for shape in shapes]


def start(name, dtype=jnp.float32):
    shape = (HEADS, P, N) if name == "ssd" else (HEADS, N)
    return jnp.asarray(np.random.default_rng(2).normal(size=(ROWS, *shape)), dtype)


def marks(length):
    """Resets in odd places, one after the other too, and padding amid episodes."""
    rng = np.random.default_rng(3)
    resets = rng.random((ROWS, length)) < 0.15
    resets[1, :2] = True
    return resets, rng.random((ROWS, length)) < 0.8


def assert_close(got, wanted, tolerance):
    for part, right in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        scale = max(1, float(np.abs(np.asarray(right, np.float64)).max()))
        np.testing.assert_allclose(
            np.float64(part), np.float64(right), rtol=0, atol=tolerance * scale
        )


def whole(name, method, **options):
    return jax.jit(partial(MODULES[name].apply, method=method, **options))


@EVERY_FORM
def test_equals_the_oracle(x64, name, method):
    values, given = system(name, jnp.float64), inputs(name, 37, jnp.float64)
    (resets, mask), state = marks(37), start(name, jnp.float64)
    run = whole(name, method, chunk=16)
    got = run(values, *given, state, jnp.asarray(resets), mask=jnp.asarray(mask))
    exact = [np.asarray(x) for x in (*values, *given, state)]
    assert_close(got, getattr(oracle, name)(*exact, resets, mask), FLOAT64)


@pytest.mark.slow
@EVERY_FORM
@pytest.mark.parametrize("length", [1, 8, 9, 64, 65, 130])
def test_all_lengths_equal_the_oracle_in_float32(name, method, length):
    values, given = system(name), inputs(name, length)
    resets, _ = marks(length)
    exact = [np.asarray(x, np.float64) for x in (*values, *given)]
    run = whole(name, method)
    assert_close(run(values, *given), getattr(oracle, name)(*exact), FORMS)
    wanted = getattr(oracle, name)(*exact, None, resets)
    assert_close(run(values, *given, None, jnp.asarray(resets)), wanted, FORMS)


@pytest.mark.slow
@EVERY_FORM
def test_chunks_and_steps_and_states_are_the_whole(name, method):
    values, given, (resets, _), state = system(name), inputs(name, 11), marks(11), start(name)
    module, resets = MODULES[name], jnp.asarray(resets)

    @jax.jit
    def views(values, given, state):
        run = partial(module.apply, method=method, chunk=4)
        y, last = run(values, *given, state, resets)
        head, middle = run(values, *(x[:, :3] for x in given), state, resets[:, :3])
        tail, end = run(values, *(x[:, 3:] for x in given), middle, resets[:, 3:])
        constants, now, outs = module.prepare(values), state, []
        for k in range(4):
            out, now = module.step(constants, *(x[:, k] for x in given), now, resets[:, k])
            outs.append(out)
        found = module.states(values, *given[:3], state, resets)
        return (y, last), (jnp.concatenate([head, tail], 1), end), jnp.stack(outs, 1), now, found

    wanted, parts, steps, now, found = views(values, given, state)
    assert_close(parts, wanted, FORMS)
    assert_close(steps, wanted[0][:, :4], FORMS)
    assert_close((found[:, 3], found[:, -1]), (now, wanted[1]), FORMS)


@pytest.mark.slow
@EVERY_FORM
def test_gradients_are_those_of_the_plain_recurrence(name, method):
    if (name, method) in (("ssd", "scan"), ("s6", "scan")):
        method = "auto"
    given, (resets, mask) = (system(name), *inputs(name, 21), start(name)), marks(21)
    flags = {"resets": jnp.asarray(resets), "mask": jnp.asarray(mask)}

    def gradients(method, chunk):
        def loss(*given):
            y, last = MODULES[name].apply(*given, **flags, method=method, chunk=chunk)
            return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.sin(last))

        return jax.jit(jax.grad(loss, range(len(given))))(*given)

    # The plain recurrence in one chunk, without a second computation.
    assert_close(gradients(method, 8), gradients("scan", 21), FORMS)


@pytest.mark.slow
@EVERY_FORM
def test_nan_before_a_reset_reaches_nothing_behind_it(name, method):
    values, given, state = system(name), inputs(name, 9), start(name)
    resets = jnp.zeros((ROWS, 9), bool).at[:, 5].set(True)
    broken = [x.at[0, 2].set(jnp.nan).at[0, 3].set(jnp.inf) for x in given]
    broken_state = state.at[1, 0].set(jnp.nan)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1, 2), has_aux=True)
    def run(values, given, state):
        y, last = MODULES[name].apply(values, *given, state, resets, method=method, chunk=4)
        return jnp.sum(y[:, 5:] ** 2) + jnp.sum(last), (y, last)

    (_, (y, last)), slopes = run(values, given, state)
    (_, (broken_y, broken_last)), broken_slopes = run(values, broken, broken_state)
    assert_close(broken_slopes, slopes, FORMS)
    parts = ((broken_y[:, 5:], broken_last, broken_y[0, :2]), (y[:, 5:], last, y[0, :2]))
    assert_close(*parts, FORMS)
    assert bool(jnp.isnan(broken_y[0, 2:5]).all())
    assert bool(jnp.isnan(broken_y[1, :5]).all())


@pytest.mark.slow
@EVERY_FORM
def test_padding_is_as_if_it_were_not_there(name, method):
    values, given, state = system(name), inputs(name, 12), start(name)
    mask = np.ones((ROWS, 12), bool)
    mask[:, [0, 5, 6, 11]] = False
    filled = [jnp.where(mask.reshape(ROWS, 12, *(1,) * (x.ndim - 2)), x, jnp.nan) for x in given]

    @jax.jit
    def run(filled, given):
        apply = partial(MODULES[name].apply, values, method=method, chunk=4)

        def loss(filled):
            y, last = apply(*filled, state, mask=jnp.asarray(mask))
            return jnp.sum(y**2), (y, last)

        found = jax.value_and_grad(loss, has_aux=True)(filled)
        return found, apply(*(x[:, mask[0]] for x in given), state)

    ((_, (y, last)), gradients), (alone, alone_last) = run(filled, given)
    assert_close((y[:, mask[0]], last), (alone, alone_last), FORMS)
    assert not np.any(np.asarray(y)[~mask])
    assert all(not np.any(np.asarray(x)[~mask]) for x in gradients)
    assert all(bool(jnp.isfinite(x).all()) for x in gradients)


@pytest.mark.slow
@EVERY_FORM
def test_extreme_steps_and_decays_are_finite_with_their_gradients(name, method):
    values, given = system(name), inputs(name, 10)
    values = values._replace(A=values.A.at[0].set(-1e30).at[1].set(-1e-30))
    free_step = given[1].at[0, :5].set(1e4).at[0, 5:].set(-1e4).at[1, ::2].set(300.0)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1), has_aux=True)
    def run(values, given):
        y, last = MODULES[name].apply(values, *given, method=method, chunk=4)
        return jnp.sum(jnp.tanh(y)) + jnp.sum(jnp.tanh(last)), (y, last)

    found = run(values, [given[0], free_step, *given[2:]])
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(found))


@pytest.mark.slow
@EACH
def test_a_step_after_a_broken_state_has_finite_gradients(name):
    module, values, given, state = MODULES[name], system(name), inputs(name, 1), start(name)

    def loss(values, state):
        now = [x[:, 0] for x in given]
        y, _ = module.step(module.prepare(values), *now, state, jnp.ones(ROWS, bool))
        return jnp.sum(y**2)

    gradient = jax.jit(jax.grad(loss, (0, 1)))
    assert_close(gradient(values, state * jnp.nan), gradient(values, state), FORMS)


@pytest.mark.usefixtures("unchecked")
@EACH
def test_inputs_of_every_dtype_keep_a_state_of_float32(name):
    module, values = MODULES[name], system(name)
    for dtype in (jnp.bfloat16, np.float16, np.float64):
        given = [np.asarray(x).astype(dtype) for x in inputs(name, 3)]
        y, last = jax.eval_shape(partial(module.apply, values), *given)
        assert (y.dtype, last.dtype) == (jnp.asarray(given[0]).dtype, jnp.float32)
        step = jax.eval_shape(
            partial(module.step, module.prepare(values)), *(x[:, 0] for x in given), last
        )
        assert (step[0].dtype, step[1].dtype) == (y.dtype, jnp.float32)
    numbers = module.Parameters(np.asarray(values.A), 1, 0.5)
    assert jax.eval_shape(partial(module.apply, numbers), *inputs(name, 3))[1].dtype == jnp.float32


@pytest.mark.slow
@EACH
def test_half_width_inputs_are_those_that_were_rounded(name):
    values, given = system(name), [x.astype(jnp.bfloat16) for x in inputs(name, 20)]
    y, last = whole(name, "auto")(values, *given)
    wide, wide_last = whole(name, "auto")(values, *(x.astype(jnp.float32) for x in given))
    np.testing.assert_array_equal(y, wide.astype(jnp.bfloat16))
    np.testing.assert_array_equal(last, wide_last)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
@EVERY_FORM
def test_programs_for_other_platforms_and_an_unknown_batch(name, method):
    (batch,) = export.symbolic_shape("batch")
    method = "auto" if method == "scan" else method

    def loss(leaves, resets, *given):
        values = MODULES[name].Parameters(*leaves)
        y, _ = MODULES[name].apply(values, *given, None, resets, method=method, chunk=4)
        return jnp.sum(y**2)

    shapes = [jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype) for x in inputs(name, 9)]
    resets = jax.ShapeDtypeStruct((batch, 9), jnp.bool_)
    for platform in ("cpu", "cuda", "tpu"):
        gradient = jax.jit(jax.grad(loss))
        export.export(gradient, platforms=[platform])(tuple(system(name)), resets, *shapes)


@pytest.mark.slow
@EVERY_FORM
def test_memory_grows_with_the_length_and_not_with_all_states(name, method):
    if method == "associative":
        pytest.skip("it holds the states of a whole row")
    module, states, features = MODULES[name], 64, 32

    def temporaries(length):
        if name == "ssd":
            sizes = ((1, features), (1,), (1, states), (1, states))
        else:
            sizes = ((features,), (features,), (states,), (states,))
        given = [jax.ShapeDtypeStruct((1, length, *size), jnp.float32) for size in sizes]
        A = jax.ShapeDtypeStruct((1,) if name == "ssd" else (features, states), jnp.float32)

        def loss(A, *given):
            return jnp.sum(module.apply(module.Parameters(A, 1.0, 0.0), *given, method=method)[0])

        compiled = jax.jit(jax.grad(loss, range(5))).lower(A, *given).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    short, long = temporaries(4096), temporaries(16_384)
    assert long <= 4.5 * short
    # All states of a row would take 128 MiB, and those of the gradient as many again.
    assert long < 0.5 * 16_384 * features * states * 4


@pytest.mark.slow
@EACH
def test_precision_has_three_names(name):
    values, given = system(name), inputs(name, 3)
    counts = {}
    for precision in _casting.PRECISIONS:
        run = whole(name, "auto", precision=precision)
        counts[precision] = run.lower(values, *given).as_text().count("HIGHEST")
    assert counts["highest"] > counts["default"]
    with pytest.raises(ValueError, match="unknown precision 'double'"):
        MODULES[name].apply(values, *given, precision="double")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", MODULES)
def test_bad_input_is_named(name):
    module, values, (u, free_step, B, C) = MODULES[name], system(name), inputs(name, 4)
    flags = jnp.zeros((ROWS, 4), bool)
    for bad, words in (
        (lambda: module.apply(values, u, free_step, B, C, method="fft"), "unknown method 'fft'"),
        (lambda: module.apply(values, u, free_step, B, C, chunk=0), "chunk must be an integer"),
        (lambda: module.apply(values, u[:, :, :2], free_step, B, C), "u has shape"),
        (lambda: module.apply(values, u, free_step[:, :2], B, C), "free_step has shape"),
        (lambda: module.apply(values, u, free_step, B, C[..., :2]), "C has shape"),
        (lambda: module.apply(values, u[:, :0], free_step, B, C), "L of at least 1"),
        (lambda: module.apply(values, u, free_step, B, C, u), "state has shape"),
        (
            lambda: module.apply(values, u, free_step, B, C, None, flags.astype(float)),
            "resets must",
        ),
        (lambda: module.apply(values, u, free_step, B, C, mask=flags[:1]), "mask has shape"),
        (lambda: module.apply(values, u.astype(int), free_step, B, C), "expected floating arrays"),
    ):
        with pytest.raises(ValueError, match=words):
            bad()
