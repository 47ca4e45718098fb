"""Attention: sequence, chunks and steps equal the oracle, under every transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from jax.test_util import check_grads

from jax_s4rl.kernels import _attention_ranks, _flash, attention
from jax_s4rl.kernels.reference import attention as oracle

FLOAT64 = 1e-10  # the bound set for every function against the oracle
FLOAT32 = 2e-6  # outputs are means of values near 1; measured at most 5e-7

attend = jax.jit(attention.attend, static_argnames=("window", "method"))
take_step = jax.jit(attention.step, static_argnames="window")
take_chunk = jax.jit(attention.chunk, static_argnames="window")


def draw(length, batch=(2,), heads=2, head_dim=4, seed=0):
    rng = np.random.default_rng(seed)
    q, k, v = rng.normal(size=(3, *batch, length, heads, head_dim))
    mask = rng.random((*batch, length)) < 0.7
    resets = rng.random((*batch, length)) < 0.25
    return q, k, v, mask, resets


def cases(length, batch=(2,)):
    """Yields arrays with every combination of mask, resets, window; few None, as each compiles."""
    q, k, v, mask, resets = draw(length, batch)
    yield (q, k, v), {"mask": None, "resets": None}, None
    for mask_now in (np.ones_like(mask), mask):
        for resets_now in (np.zeros_like(resets), resets):
            for window in (None, 3):
                yield (q, k, v), {"mask": mask_now, "resets": resets_now}, window


def as_jax(arrays, options, dtype=jnp.float32):
    options = {name: None if x is None else jnp.asarray(x) for name, x in options.items()}
    return tuple(jnp.asarray(x, dtype) for x in arrays), options


@pytest.mark.fast_cases(2)
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("length", [1, 2, 9])
def test_equals_the_oracle(length):
    for arrays, options, window in cases(length):
        wanted = oracle.attend(*arrays, **options, window=window)
        inputs, settings = as_jax(arrays, options, jnp.float64)
        out = attend(*inputs, **settings, window=window)
        np.testing.assert_allclose(out, wanted, rtol=0, atol=FLOAT64)
        if length == 9:
            inputs, settings = as_jax(arrays, options)
            out = attend(*inputs, **settings, window=window)
            np.testing.assert_allclose(out, wanted, rtol=0, atol=FLOAT32)


@pytest.mark.slow
def test_blocks_skip_what_is_hidden_and_equal_the_whole():
    (q, k, v), _ = as_jax(draw(300, (1,))[:3], {})
    whole = attend(q, k, v, method="dense")
    np.testing.assert_allclose(attend(q, k, v, method="blocked"), whole, rtol=0, atol=FLOAT32)
    near = attend(q, k, v, window=7, method="dense")
    np.testing.assert_allclose(
        attend(q, k, v, window=7, method="blocked"), near, rtol=0, atol=FLOAT32
    )


@pytest.mark.slow
def test_chunks_equal_the_whole_with_resets_padding_and_windows():
    for arrays, options, window in cases(11):
        (q, k, v), settings = as_jax(arrays, options)
        whole = attend(q, k, v, **settings, window=window)
        cache, outs = attention.init_cache((2,), window or 11, 2, 4), []
        for part in (slice(0, 5), slice(5, 6), slice(6, 11)):
            now = {name: None if x is None else x[:, part] for name, x in settings.items()}
            out, cache = take_chunk(q[:, part], k[:, part], v[:, part], cache, **now, window=window)
            outs.append(out)
        np.testing.assert_allclose(jnp.concatenate(outs, 1), whole, rtol=0, atol=FLOAT32)


def test_steps_equal_the_whole_and_leave_the_cache_of_one_chunk():
    for window in (None, 3):
        arrays, options = draw(8)[:3], {"resets": draw(8)[4]}
        (q, k, v), settings = as_jax(arrays, options)
        resets = settings["resets"]
        whole = attend(q, k, v, resets=resets, window=window)
        cache, outs = attention.init_cache((2,), window or 8, 2, 4), []
        for now in range(8):
            out, cache = take_step(
                q[:, now], k[:, now], v[:, now], cache, resets[:, now], window=window
            )
            outs.append(out)
        np.testing.assert_allclose(jnp.stack(outs, 1), whole, rtol=0, atol=FLOAT32)
        empty = attention.init_cache((2,), window or 8, 2, 4)
        _, by_chunk = take_chunk(q, k, v, empty, resets=resets, window=window)
        np.testing.assert_array_equal(cache.position, by_chunk.position)
        for row in range(2):
            filled = min(int(cache.position[row]), cache.keys.shape[1])
            if int(cache.position[row]) <= filled:
                np.testing.assert_array_equal(cache.keys[row, :filled], by_chunk.keys[row, :filled])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("window", [None, 3])
def test_steps_and_the_cache_are_the_oracle(window):
    q, k, v, _, resets = draw(8)
    capacity = window or 8
    cache, memories = attention.init_cache((2,), capacity, 2, 4, jnp.float64), [[], []]
    for now in range(8):
        inputs = (jnp.asarray(x[:, now]) for x in (q, k, v))
        out, cache = take_step(*inputs, cache, jnp.asarray(resets[:, now]), window=window)
        for row in range(2):
            memory = [] if resets[row, now] else memories[row]
            wanted, memories[row] = oracle.step(*(x[row, now] for x in (q, k, v)), memory, window)
            np.testing.assert_allclose(out[row], wanted, rtol=0, atol=FLOAT64)
            assert int(cache.position[row]) == len(memories[row])
            for number, (key, value) in list(enumerate(memories[row]))[-capacity:]:
                np.testing.assert_array_equal(cache.keys[row, number % capacity], key)
                np.testing.assert_array_equal(cache.values[row, number % capacity], value)


def test_packed_episodes_equal_separate_rows():
    (q, k, v), _ = as_jax(draw(9, ())[:3], {})
    resets = jnp.zeros(9, bool).at[jnp.array([0, 4])].set(True)
    packed = attend(q, k, v, resets=resets)
    apart = jnp.concatenate([attend(q[:4], k[:4], v[:4]), attend(q[4:], k[4:], v[4:])])
    np.testing.assert_allclose(packed, apart, rtol=0, atol=FLOAT32)


def test_noise_in_the_padding_changes_no_output_and_no_gradient():
    (q, k, v), settings = as_jax(draw(9)[:3], {"mask": draw(9)[3]})
    mask = settings["mask"]

    @jax.jit
    def run(q, k, v):
        return jax.value_and_grad(
            lambda *x: jnp.sum(jnp.sin(attention.attend(*x, mask=mask))), (0, 1, 2)
        )(q, k, v)

    noisy = [jnp.where(mask[..., None, None], x, jnp.nan) for x in (q, k, v)]
    jax.tree.map(np.testing.assert_array_equal, run(q, k, v), run(*noisy))


def test_a_row_of_padding_gives_zero_and_finite_gradients():
    (q, k, v), _ = as_jax(draw(5)[:3], {})
    mask = jnp.array([[True] * 5, [False] * 5])

    def loss(q, k, v):
        out = attention.attend(q, k, v, mask=mask)
        return jnp.sum(out**2), out

    gradients, out = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(q, k, v)
    np.testing.assert_array_equal(out[1], jnp.zeros_like(out[1]))
    assert all(bool(jnp.isfinite(x).all()) for x in gradients)
    _, cache = take_chunk(q, k, v, attention.init_cache((2,), 6, 2, 4), mask=mask)
    np.testing.assert_array_equal(cache.position, [5, 0])


@pytest.mark.slow
def test_numpy_arrays_and_a_symbolic_batch():
    q, k, v, mask, resets = draw(5)
    out = attention.attend(q, k, v, mask=mask, resets=resets)
    assert out.dtype == jnp.float32
    np.testing.assert_allclose(
        out, oracle.attend(q, k, v, mask=mask, resets=resets), rtol=0, atol=FLOAT32
    )
    cache = attention.init_cache((2,), 5, 2, 4)
    np.testing.assert_allclose(
        attention.chunk(q, k, v, cache)[0], attention.attend(q, k, v), rtol=0, atol=FLOAT32
    )
    assert attention.step(q[:, 0], k[:, 0], v[:, 0], cache)[0].dtype == jnp.float32
    (batch,) = jax.export.symbolic_shape("batch")
    row = jax.ShapeDtypeStruct((batch, 5, 2, 4), jnp.float32)
    rows = attention.Cache(row, row, jax.ShapeDtypeStruct((batch,), jnp.int32))
    jax.export.export(jax.jit(attention.chunk))(row, row, row, rows)


@pytest.mark.slow
def test_gradients_under_shard_map_are_summed():
    (q, k, v), _ = as_jax(draw(6)[:3], {})
    mesh, rows, same = (
        Mesh(np.array(jax.devices()[:2]), ("data",)),
        PartitionSpec("data"),
        PartitionSpec(),
    )

    def run(scale, q, k, v):
        return jnp.sin(attention.attend(scale * q, k, v))

    split = jax.shard_map(run, mesh=mesh, in_specs=(same, rows, rows, rows), out_specs=rows)
    inside = jax.shard_map(
        lambda scale, *x: jax.grad(lambda scale: run(scale, *x).sum())(scale),
        mesh=mesh,
        in_specs=(same, rows, rows, rows),
        out_specs=same,
    )
    wanted = jax.jit(jax.grad(lambda scale: run(scale, q, k, v).sum()))(1.0)
    for got in (
        jax.jit(jax.grad(lambda scale: split(scale, q, k, v).sum()))(1.0),
        jax.jit(inside)(1.0, q, k, v),
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_a_later_step_changes_no_earlier_output():
    (q, k, v), _ = as_jax(draw(9)[:3], {})
    changed = [x.at[:, 6].add(100.0) for x in (q, k, v)]
    np.testing.assert_array_equal(attend(q, k, v)[:, :6], attend(*changed)[:, :6])


@pytest.mark.usefixtures("x64")
@pytest.mark.slow
def test_gradients_equal_finite_differences():
    q, k, v, mask, resets = draw(5, (), 1, 2)
    mask, resets = jnp.asarray(mask), jnp.asarray(resets)

    @jax.jit
    def run(q, k, v):
        return attention.attend(q, k, v, mask=mask, resets=resets, window=3)

    inputs = tuple(jnp.asarray(x) for x in (q, k, v))
    check_grads(lambda *x: run(*(jnp.asarray(y) for y in x)), inputs, order=2, modes=["fwd", "rev"])


@pytest.mark.slow
def test_the_gradient_through_a_cache_equals_that_of_the_whole():
    (q, k, v), _ = as_jax(draw(8)[:3], {})

    def in_chunks(q, k, v):
        cache, outs = attention.init_cache((2,), 8, 2, 4), []
        for part in (slice(0, 5), slice(5, 8)):
            out, cache = attention.chunk(q[:, part], k[:, part], v[:, part], cache)
            outs.append(out)
        return jnp.concatenate(outs, 1)

    runs = [
        jax.jit(jax.grad(lambda *x, f=f: jnp.sum(jnp.sin(f(*x))), (0, 1, 2)))
        for f in (in_chunks, attention.attend)
    ]
    for got, wanted in zip(*(run(q, k, v) for run in runs), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * float(jnp.max(jnp.abs(wanted))))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_goes_in_and_out(dtype):
    (q, k, v), _ = as_jax(draw(9)[:3], {}, dtype)
    out = attend(q, k, v)
    assert out.dtype == dtype
    wanted = oracle.attend(*(np.asarray(x, np.float64) for x in (q, k, v)))
    np.testing.assert_allclose(
        np.asarray(out, np.float64), wanted, rtol=0, atol=4 * float(jnp.finfo(dtype).eps)
    )
    stepped, cache = take_step(
        q[:, 0], k[:, 0], v[:, 0], attention.init_cache((2,), 4, 2, 4, dtype)
    )
    assert stepped.dtype == cache.keys.dtype == dtype


@pytest.mark.slow
def test_transformations_change_nothing():
    (q, k, v), settings = as_jax(draw(6)[:3], {"resets": draw(6)[4]})
    resets = settings["resets"]

    def run(q, k, v, resets):
        return attention.attend(q, k, v, resets=resets)

    wanted, mesh, rows = (
        run(q, k, v, resets),
        Mesh(np.array(jax.devices()[:2]), ("data",)),
        PartitionSpec("data"),
    )
    for got in (
        jax.jit(jax.vmap(run))(q, k, v, resets),
        jax.jit(jax.checkpoint(run))(q, k, v, resets),
        jax.lax.scan(lambda _, x: (None, run(*x)), None, (q, k, v, resets))[1],
        jax.pmap(run)(q, k, v, resets),
        jax.shard_map(run, mesh=mesh, in_specs=rows, out_specs=rows)(q, k, v, resets),
    ):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=FLOAT32)


@pytest.mark.slow
def test_what_the_fused_kernel_is_given_says_the_same():
    for arrays, options, window in cases(6):
        (q, k, v), settings = as_jax(arrays, options)
        ranks = _attention_ranks.of_tokens(
            jnp.zeros((1,), jnp.int32), 6, settings["mask"], settings["resets"], window
        )
        plain = settings["mask"] is None and settings["resets"] is None
        fused = jax.jit(_flash.attend, static_argnames=("window", "masked", "kernel"))
        out = fused(q, k, v, ranks, window=window, masked=not plain, kernel="xla")
        np.testing.assert_allclose(
            out, attend(q, k, v, **settings, window=window), rtol=0, atol=FLOAT32
        )


@pytest.mark.gpu
def test_on_a_gpu_auto_is_the_fused_kernel():
    (q, k, v), settings = as_jax(draw(128, head_dim=64)[:3], {"resets": draw(128)[4]}, jnp.bfloat16)
    for options in ({}, settings):
        compiled = jax.jit(attention.attend).lower(q, k, v, **options).as_text()
        assert "__cudnn" in compiled
        got, wanted = attend(q, k, v, **options), attend(q, k, v, **options, method="dense")
        np.testing.assert_allclose(
            got.astype(jnp.float32), wanted.astype(jnp.float32), rtol=0, atol=0.03
        )


def test_positions_count_the_real_tokens_of_an_episode():
    resets = jnp.array([[0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0]], bool)
    mask = jnp.array([[0, 1, 1, 1, 0, 1], [1, 1, 1, 0, 0, 1]], bool)
    got = attention.positions(jnp.array([0, 7]), 6, resets=resets, mask=mask)
    # A reset at padding holds for the next real token.
    np.testing.assert_array_equal(got, [[0, 0, 1, 0, 0, 1], [7, 8, 9, 0, 0, 0]])
    np.testing.assert_array_equal(attention.positions(jnp.array([2]), 3), [[2, 3, 4]])


def test_positions_are_the_oracle():
    _, _, _, mask, resets = draw(12, (5,), seed=3)
    start = np.arange(5)
    got = attention.positions(
        jnp.asarray(start, jnp.int32), 12, resets=jnp.asarray(resets), mask=jnp.asarray(mask)
    )
    wanted = [oracle.positions(*row) for row in zip(start.tolist(), mask, resets, strict=True)]
    np.testing.assert_array_equal(got, wanted)


def test_a_full_cache_is_not_silent():
    (q, k, v), _ = as_jax(draw(3)[:3], {})
    cache = attention.init_cache((2,), 2, 2, 4)
    for now in range(2):
        out, cache = take_step(q[:, now], k[:, now], v[:, now], cache)
        assert bool(jnp.isfinite(out).all())
    assert bool(jnp.isnan(take_step(q[:, 2], k[:, 2], v[:, 2], cache)[0]).all())
    with pytest.raises(ValueError, match="holds 2 tokens and 2"):
        attention.step(q[:, 2], k[:, 2], v[:, 2], cache)
    with pytest.raises(ValueError, match="holds 2 tokens and 0"):
        take_chunk(q, k, v, attention.init_cache((2,), 2, 2, 4))


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    (q, k, v), _ = as_jax(draw(3)[:3], {})
    cache = attention.init_cache((2,), 2, 2, 4)
    for bad, words in (
        (lambda: attention.attend(q, k, v, method="flash"), "unknown attention method 'flash'"),
        (lambda: attention.attend(q, k, v, window=0), "window must be an integer of at least 1"),
        (lambda: attention.attend(q, k[:, :2], v), "k has shape"),
        (lambda: attention.attend(q, k, v.astype(jnp.bfloat16)), "v has dtype bfloat16"),
        (lambda: attention.attend(*(x.astype(jnp.int32) for x in (q, k, v))), "int32"),
        (lambda: attention.attend(q[:, :0], k[:, :0], v[:, :0]), "none of the last three 0"),
        (lambda: attention.attend(q, k, v, mask=jnp.ones((2, 4), bool)), "mask has shape"),
        (
            lambda: attention.attend(q, k, v, mask=jnp.ones((2, 3))),
            "mask must be a bool array, got float32",
        ),
        (
            lambda: attention.attend(q, k, v, resets=jnp.ones((2, 3), jnp.int32)),
            "resets must be a bool array",
        ),
        (
            lambda: attention.step(q[:, 0], k[:, 0], v[:, 0], cache, jnp.ones(1, bool)),
            "reset has shape",
        ),
        (
            lambda: attention.step(q[:, 0], k[:, 0], v[:, 0], cache, jnp.ones(2)),
            "reset must be a bool array",
        ),
        (lambda: attention.chunk(q, k, v, cache, window=3), "window 3 is above"),
        (lambda: attention.step(q[:1, 0], k[:1, 0], v[:1, 0], cache), "cache's keys"),
        (
            lambda: attention.positions(cache.position, 3, mask=jnp.ones((2, 3))),
            "mask must be a bool array",
        ),
        (lambda: attention.init_cache((), 0, 1, 1), "capacity must be"),
    ):
        with pytest.raises(ValueError, match=words):
            bad()
    with pytest.raises(
        ValueError, match="unknown precision 'exact'; expected one of 'default', 'high', 'highest'"
    ):
        attention.attend(q, k, v, precision="exact")
