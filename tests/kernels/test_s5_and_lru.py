"""Tests for S5 and LRU: NaN, padding, dtypes, time, platforms, export, derivatives, sharding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import Mesh, PartitionSpec

from jax_s4rl.kernels import _casting, lru, s5
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels.reference import mimo as oracle
from tests.kernels.families import H, P, of_lru, of_s5

B, L = 2, 9
METHODS = ("scan", "associative", "chunked")
ROUNDING = 5e-6
slow = partial(pytest.param, marks=pytest.mark.slow)
EVERY_METHOD = ["chunked", slow("scan"), slow("associative")]


def jitted(run, **options):
    """Compiled at once: without `jax.jit` each operation is compiled by itself, which is slower."""
    return jax.jit(partial(run, **options))


@pytest.fixture(params=[slow("s5"), "lru"])
def family(request):
    """The module, and parameters of it."""
    return (
        (s5, of_s5(jax.random.key(0)))
        if request.param == "s5"
        else (lru, of_lru(jax.random.key(0)))
    )


def inputs(rows=B):
    u = jax.random.normal(jax.random.key(1), (rows, L, H))
    state = cplx.Pair(*jax.random.normal(jax.random.key(2), (2, rows, P)))
    return u, state, jnp.zeros((rows, L), bool).at[:, 5].set(True)


def assert_close(got, wanted, tolerance=ROUNDING):
    for part, right in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        scale = max(1, float(np.abs(np.asarray(right, np.float64)).max()))
        np.testing.assert_allclose(
            np.float64(part), np.float64(right), rtol=0, atol=tolerance * scale
        )


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_nan_before_a_reset_reaches_nothing_behind_it(family, method):
    module, parameters = family
    u, state, resets = inputs()
    broken_u = u.at[0, 2, 1].set(jnp.nan).at[0, 3, 0].set(jnp.inf)
    broken_state = cplx.Pair(state.re.at[1, 0].set(jnp.nan), state.im)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1, 2), has_aux=True)
    def run(parameters, u, state):
        y, last = module.apply(parameters, u, state, resets, method=method, chunk=4)
        return jnp.sum(y[:, 5:] ** 2) + jnp.sum(last.re), (y, last)

    (_, (y, last)), slopes = run(parameters, u, state)
    (_, (broken_y, broken_last)), broken_slopes = run(parameters, broken_u, broken_state)
    assert_close(broken_slopes, slopes)
    assert_close((broken_y[:, 5:], broken_last, broken_y[0, :2]), (y[:, 5:], last, y[0, :2]))
    assert bool(jnp.isnan(broken_y[0, 2:5]).all())
    assert bool(jnp.isnan(broken_y[1, :5]).all())


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_padding_enters_as_zero(family, method):
    module, parameters = family
    u, _, _ = inputs()
    mask = jnp.ones((B, L), bool).at[0, :3].set(False)
    empty = u.at[0, :3].set(0)

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def run(parameters, u, mask):
        y, last = module.apply(parameters, u, mask=mask, method=method, chunk=4)
        return jnp.sum(jnp.where(mask[..., None], y, 0) ** 2), (y, last)

    assert_close(run(parameters, u.at[0, :3].set(jnp.nan), mask), run(parameters, empty, mask))
    plainly = jitted(module.apply, method=method)
    assert_close(run(parameters, u, mask)[0][1], plainly(parameters, empty))
    alone, _ = plainly(parameters, u[:1, 3:])
    assert_close(run(parameters, u, mask)[0][1][0][:1, 3:], alone)


def test_a_step_after_a_broken_state_has_finite_gradients(family):
    module, parameters = family
    u, state, _ = inputs()
    broken, reset = jax.tree.map(lambda x: x * jnp.nan, state), jnp.ones(B, bool)

    def loss(parameters, state):
        y, _ = module.step(module.prepare(parameters), u[:, 0], state, reset)
        return jnp.sum(y**2)

    gradient = jax.jit(jax.grad(loss, (0, 1)))
    assert_close(gradient(parameters, broken), gradient(parameters, state))


def plain(parameters, dtype):
    """Parameters of a NumPy user: arrays of one dtype, complex ones, numbers for D and the last."""
    complexes = [np.asarray(cplx.to_complex(x)) for x in parameters[:3]]
    joined = [
        np.asarray(x, np.complex128 if dtype == np.float64 else np.complex64) for x in complexes
    ]
    return type(parameters)(*joined, 0.5, 0.25)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("method", "dtype"),
    [
        ("chunked", np.float64),
        ("scan", np.float32),
        ("associative", np.float16),
        ("chunked", jnp.bfloat16),
    ],
)
def test_numpy_arrays_numbers_and_every_dtype_without_a_warning(family, method, dtype):
    module, parameters = family
    u, state, resets = inputs()
    whole = parameters._replace(D=jnp.full(H, 0.5), **{parameters._fields[-1]: jnp.full(P, 0.25)})
    given = np.asarray(u).astype(dtype)
    start = np.asarray(cplx.to_complex(state), np.complex128)
    y, last = module.apply(
        plain(parameters, dtype), given, start, np.asarray(resets), method=method
    )
    assert y.dtype == jnp.asarray(given).dtype
    assert last.dtype == jnp.float32
    wanted = jitted(module.apply, method="scan")(
        whole, jnp.asarray(given).astype(jnp.float32), state, resets
    )
    assert_close((y, last), wanted, max(ROUNDING, float(jnp.finfo(y.dtype).eps)))
    constants = module.prepare(plain(parameters, dtype))
    stepped, _ = module.step(constants, given[:, 0], start, np.ones(B, bool))
    assert stepped.dtype == y.dtype
    zero_dimensional = plain(parameters, dtype)._replace(D=np.float32(0.5))
    run = jitted(module.apply, method=method)
    assert_close(run(zero_dimensional, u), run(whole, u))


@pytest.mark.slow
@pytest.mark.usefixtures("x64", "unchecked")
def test_a_python_number_does_not_ask_for_float64(family):
    module, parameters = family
    u = np.ones((B, L, H), np.float32)
    numbers = jax.tree.map(lambda x: np.asarray(x, np.float32), parameters)
    numbers = numbers._replace(D=1, **{numbers._fields[-1]: 0.5})
    for run in (module.apply, jax.jit(module.apply)):
        y, last = run(numbers, u)
        assert y.dtype == jnp.float32
        assert last.dtype == jnp.float32
    assert module.init_state(numbers).dtype == jnp.float32
    assert module.apply(numbers._replace(D=np.ones(H)), u)[1].dtype == jnp.float64


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_intervals_are_steps_prepared_one_by_one(family, method):
    module, parameters = family
    u, state, resets = inputs()
    intervals = jnp.exp(jax.random.normal(jax.random.key(3), (B, L)))

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1, 2, 3), has_aux=True)
    def whole(parameters, u, state, intervals):
        y, last = module.apply(
            parameters, u, state, resets, method=method, chunk=4, intervals=intervals, rate=0.5
        )
        states = module.states(
            parameters, u, state, resets, method=method, intervals=intervals, rate=0.5
        )
        return jnp.sum(jnp.sin(y)), (y, last, states)

    def one(parameters, u, state, reset, interval):
        return module.step(module.prepare(parameters, rate=0.5 * interval), u, state, reset)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1, 2, 3), has_aux=True)
    def stepped(parameters, u, state, intervals):
        def advance(state, now):
            y, state = jax.vmap(partial(one, parameters))(now[0], state, now[1], now[2])
            return state, (y, state)

        now = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (u, resets, intervals))
        last, found = jax.lax.scan(advance, state, now)
        y, states = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)
        return jnp.sum(jnp.sin(y)), (y, last, states)

    given = (parameters, u, state, intervals)
    assert_close(whole(*given), stepped(*given), 2e-5)


def test_intervals_of_one_are_no_intervals_and_broken_ones_stay_before_a_reset(family):
    module, parameters = family
    u, _, resets = inputs()
    ones = jnp.ones((B, L))
    run = jax.jit(
        lambda parameters, intervals, **given: module.apply(
            parameters, u, intervals=intervals, **given
        )[0]
    )
    assert_close(run(parameters, ones), jitted(module.apply)(parameters, u)[0])
    broken = ones.at[:, 2].set(jnp.nan)
    y = run(parameters, broken, resets=resets)
    np.testing.assert_array_equal(jnp.isnan(y).any((0, 2)), [k in (2, 3, 4) for k in range(L)])
    gradient = jax.grad(lambda *x: jnp.sum(run(*x, resets=resets)[:, 5:]), (0, 1))(
        parameters, broken
    )
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(gradient))
    assert_close(
        run(parameters, broken, mask=ones.at[:, 2].set(0) > 0),
        run(parameters, ones, mask=ones.at[:, 2].set(0) > 0),
    )
    with pytest.raises(ValueError, match="time does not run backwards"):
        module.apply(parameters, u, intervals=-ones)


def test_states_are_those_of_steps(family):
    module, parameters = family
    u, state, resets = inputs()
    run, step = jitted(module.states), jitted(module.step)
    states = run(parameters, u, state, resets)
    assert states.shape == (B, L, P)
    constants, now, found = jitted(module.prepare)(parameters), state, []
    for k in range(L):
        _, now = step(constants, u[:, k], now, resets[:, k])
        found.append(now)
    assert_close(states, jax.tree.map(lambda *x: jnp.stack(x, 1), *found))
    broken = run(parameters, u.at[0, 2].set(jnp.nan), state, resets)
    np.testing.assert_array_equal(
        jnp.isnan(broken.im).any((0, 2)), [k in (2, 3, 4) for k in range(L)]
    )


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("method", ["auto", "scan", "associative", "chunked"])
def test_programs_for_other_platforms_and_an_unknown_batch(unchecked, family, method):
    module, parameters = family
    (batch,) = export.symbolic_shape("batch")
    given = [
        jax.ShapeDtypeStruct((batch, *shape), dtype)
        for shape, dtype in (((L, H), jnp.float32), ((L,), jnp.bool_))
    ]

    def loss(parameters, u, resets):
        y, _ = module.apply(parameters, u, None, resets, method=method, chunk=4)
        return jnp.sum(y**2)

    leaves, tree = jax.tree.flatten(parameters)
    gradient = jax.jit(
        lambda leaves, *x: jax.tree.leaves(jax.grad(loss)(jax.tree.unflatten(tree, leaves), *x))
    )
    for platform in ("cpu", "cuda", "tpu"):
        text = export.export(gradient, platforms=[platform])(leaves, *given).mlir_module()
        assert "complex<" not in text
        assert "fft" not in text
        if method == "auto":
            assert ("stablehlo.while" in text) == (platform == "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_forward_mode_is_reverse_mode(family, method):
    module, parameters = family
    u, state, resets = inputs()
    moved = jax.tree.map(
        lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape),
        (parameters, u, state),
    )

    def loss(parameters, u, state):
        return jnp.sum(
            jnp.sin(module.apply(parameters, u, state, resets, method=method, chunk=4)[0])
        )

    @jax.jit
    def both(*given):
        forward = jax.jvp(loss, given, moved)[1]
        products = jax.tree.map(jnp.vdot, jax.grad(loss, (0, 1, 2))(*given), moved)
        return forward, jax.linearize(loss, *given)[1](*moved), sum(jax.tree.leaves(products))

    forward, linearized, reverse = both(parameters, u, state)
    assert_close((forward, linearized), (reverse, reverse), 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["scan", "associative", "auto"])
@pytest.mark.parametrize("inside", [False, True])
def test_gradients_of_replicated_parameters_under_shard_map(family, method, inside):
    module, parameters = family
    u, state, resets = inputs(4)
    whole, rows = PartitionSpec(), PartitionSpec("data")
    mesh = Mesh(np.asarray(jax.devices()[:2]), ("data",))

    def loss(parameters, *given):
        return jnp.sum(jnp.sin(module.apply(parameters, *given, method=method, chunk=4)[0]))

    def sharded(run, out):
        return jax.shard_map(run, mesh=mesh, in_specs=(whole, rows, rows, rows), out_specs=out)

    outside = sharded(lambda *x: loss(*x)[None], rows)
    gradient = (
        sharded(jax.grad(loss), whole) if inside else jax.grad(lambda *x: jnp.sum(outside(*x)))
    )
    got, wanted = (jax.jit(f)(parameters, u, state, resets) for f in (gradient, jax.grad(loss)))
    assert_close(got, wanted)


def test_precision_has_three_names(family):
    module, parameters = family
    u, _, _ = inputs()
    for precision in _casting.PRECISIONS:
        text = jax.jit(partial(module.apply, precision=precision)).lower(parameters, u).as_text()
        assert ("HIGHEST" in text) == (precision == "highest")
    with pytest.raises(ValueError, match="unknown precision 'double'"):
        module.apply(parameters, u, precision="double")


def sums_both_ways(forward, backward, u, episodes):
    """The past by one system and the future by the other, episode by episode, in float64."""
    y = np.zeros(u.shape)
    for row, starts in enumerate(episodes):
        for begin, end in zip(starts, [*starts[1:], u.shape[1]], strict=True):
            part = u[row : row + 1, begin:end]
            y[row, begin:end] = oracle.s5(*forward, part)[0][0]
            behind = oracle.s5(*backward[:3], np.zeros(H), backward[4], part[:, ::-1])[0][0, ::-1]
            y[row, begin : end - 1] += behind[1:]
    return y


@pytest.mark.slow
@pytest.mark.parametrize("method", EVERY_METHOD)
def test_both_ways_is_the_past_by_one_system_and_the_future_by_another(method):
    forward, backward = of_s5(jax.random.key(0)), of_s5(jax.random.key(5))
    exact = [
        [np.asarray(cplx.to_complex(x)) if isinstance(x, cplx.Pair) else np.asarray(x) for x in y]
        for y in (forward, backward)
    ]
    u, _, _ = inputs()
    resets = jnp.zeros((B, L), bool).at[0, 4].set(True).at[1, 0].set(True).at[1, 8].set(True)
    run = jax.jit(partial(s5.apply_both_ways, method=method, chunk=4))
    assert_close(run(forward, backward, u), sums_both_ways(*exact, np.float64(u), [[0], [0]]))
    wanted = sums_both_ways(*exact, np.float64(u), [[0, 4], [0, 8]])
    assert_close(run(forward, backward, u, resets=resets), wanted)
    broken = run(forward, backward, u.at[0, 2].set(jnp.nan), resets=resets)
    np.testing.assert_array_equal(jnp.isnan(broken[0]).any(-1), [k < 4 for k in range(L)])
    assert_close(broken[:, 4:], wanted[:, 4:])
    mask = jnp.ones((B, L), bool).at[0, 2].set(False)
    padded = run(forward, backward, u.at[0, 2].set(jnp.nan), resets=resets, mask=mask)
    assert_close(padded, run(forward, backward, u.at[0, 2].set(0), resets=resets))


@pytest.mark.slow
def test_gradients_both_ways_are_finite_behind_a_nan():
    systems = of_s5(jax.random.key(0)), of_s5(jax.random.key(5))
    u, _, resets = inputs()

    def loss(systems, u):
        return jnp.sum(s5.apply_both_ways(*systems, u, resets=resets)[:, 5:] ** 2)

    gradient = jax.jit(jax.grad(loss))
    assert_close(gradient(systems, u.at[:, 2].set(jnp.nan)), gradient(systems, u))
