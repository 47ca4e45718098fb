"""Causal convolution: all methods are one function, equal to the oracle and transformable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from jax.test_util import check_grads

from jax_s4rl.kernels import _fourier, convolution
from jax_s4rl.kernels.reference import convolution as oracle

FLOAT64 = (
    1e-10  # relative to the largest output: the bound set for every function against the oracle
)
FLOAT32 = 2e-6  # measured at most 6e-7 here
LENGTHS = [1, 2, 7, 33]
METHODS = ["fft", "toeplitz", "direct"]

causal = jax.jit(convolution.causal, static_argnames="method")
bidirectional = jax.jit(convolution.bidirectional)


def draw(length, batch=(2,), features=3, seed=0):
    rng = np.random.default_rng(seed)
    decay = np.exp(-np.arange(length) / 20)
    return rng.normal(size=(*batch, length, features)), rng.normal(size=(features, length)) * decay


def float32(*arrays):
    return tuple(jnp.asarray(array, jnp.float32) for array in arrays)


def assert_close(got, wanted, tolerance):
    scale = max(float(np.max(np.abs(wanted))), 1e-30)
    np.testing.assert_allclose(np.asarray(got, np.float64), wanted, rtol=0, atol=tolerance * scale)


@pytest.mark.fast_cases(8)
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("method", METHODS)
def test_equals_the_oracle(method, length):
    u, kernel = draw(length)
    assert_close(causal(*float32(u, kernel), method=method), oracle.causal(u, kernel), FLOAT32)
    y = causal(jnp.asarray(u), jnp.asarray(kernel), method=method)
    assert y.dtype == jnp.float64
    assert_close(y, oracle.causal(u, kernel), FLOAT64)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("length", LENGTHS)
def test_bidirectional_equals_the_oracle(length):
    (u, ahead), (_, behind) = draw(length), draw(length, seed=1)
    y = bidirectional(jnp.asarray(u), jnp.asarray(ahead), jnp.asarray(behind))
    assert_close(y, oracle.bidirectional(u, ahead, behind), FLOAT64)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_methods_have_the_same_gradients(batch):
    u, kernel = float32(*draw(9, batch))

    def loss(method):
        return lambda u, kernel: jnp.sum(jnp.sin(convolution.causal(u, kernel, method=method)))

    by_fft, *others = (jax.jit(jax.grad(loss(method), (0, 1)))(u, kernel) for method in METHODS)
    for other in others:
        for got, wanted in zip(by_fft, other, strict=True):
            assert_close(got, wanted, FLOAT32)


@pytest.mark.usefixtures("x64")
@pytest.mark.slow
def test_gradients_and_second_derivatives_equal_finite_differences():
    u, kernel = (jnp.asarray(array) for array in draw(6, (), 2))
    other = jnp.asarray(draw(6, (), 2, seed=2)[1])
    for run in (
        lambda u, kernel: convolution.causal(jnp.asarray(u), jnp.asarray(kernel), method="fft"),
        lambda u, kernel: convolution.bidirectional(jnp.asarray(u), jnp.asarray(kernel), other),
        lambda u, kernel: convolution.bidirectional(jnp.asarray(u), other, jnp.asarray(kernel)),
    ):
        check_grads(jax.jit(run), (u, kernel), order=2, modes=["fwd", "rev"])


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("method", METHODS)
def test_forward_mode_and_hessian_are_those_of_the_definition(method):
    u, kernel = (jnp.asarray(array) for array in draw(4, (), 2))

    def plain(u, kernel):
        return jnp.stack([sum(kernel[:, i - j] * u[j] for j in range(i + 1)) for i in range(4)])

    def by_method(u, kernel):
        return convolution.causal(u, kernel, method=method)

    for got, wanted in zip(
        jax.tree.leaves(jax.jit(jax.jacfwd(by_method, (0, 1)))(u, kernel)),
        jax.tree.leaves(jax.jacfwd(plain, (0, 1))(u, kernel)),
        strict=True,
    ):
        assert_close(got, wanted, FLOAT64)
    curved = [
        jax.jit(jax.hessian(lambda x, f=f: jnp.sum(jnp.sin(f(*x)))))((u, kernel))
        for f in (by_method, plain)
    ]
    for got, wanted in zip(*(jax.tree.leaves(x) for x in curved), strict=True):
        assert_close(got, wanted, FLOAT64)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_arrays_of_numpy_and_a_batch_not_yet_known(method):
    u, kernel = draw(5, (2,))
    wanted = causal(*float32(u, kernel), method=method)
    found = convolution.causal(u, kernel, method=method)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, wanted)
    (batch,) = jax.export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, 5, 3), jnp.float32)
    run = jax.export.export(jax.jit(lambda u: convolution.causal(u, kernel, method=method)))(shape)
    np.testing.assert_allclose(run.call(*float32(u)), wanted, rtol=0, atol=1e-5)


def test_auto_is_the_matrix_up_to_its_bound_and_the_transform_above():
    short, long = convolution.TOEPLITZ_MAX_LENGTH, convolution.TOEPLITZ_MAX_LENGTH_MANY
    few, many = 2, convolution.MANY_ROWS
    for length, rows, method in (
        (short, few, "toeplitz"),
        (short + 1, few, "fft"),
        (long, many, "toeplitz"),
        (long + 1, many, "fft"),
    ):
        u, kernel = float32(*draw(length, (rows,)))
        assert convolution.fastest(u.shape) == method
        np.testing.assert_array_equal(causal(u, kernel), causal(u, kernel, method=method))


def test_a_program_for_tpu_has_no_transform():
    u, kernel = float32(*draw(200))
    for run, kernels in (
        (convolution.causal, (kernel,)),
        (convolution.bidirectional, (kernel, kernel)),
    ):
        gradient = jax.jit(
            jax.grad(lambda u, *kernels, run=run: (run(u, *kernels) ** 2).sum(), (0, 1))
        )
        for platform in ("cpu", "cuda", "tpu"):
            text = gradient.trace(u, *kernels).lower(lowering_platforms=(platform,)).as_text()
            assert ("fft" in text) == ("complex<" in text) == (platform != "tpu")


def test_what_a_tpu_computes_is_the_same(monkeypatch):
    # A length of its own: what has been compiled for CPU is not compiled again.
    (u, ahead), (_, behind) = draw(171), draw(171, seed=1)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *given, tpu, default: tpu(*given))
    assert_close(convolution.causal(*float32(u, ahead)), oracle.causal(u, ahead), FLOAT32)
    y = convolution.bidirectional(*float32(u, ahead, behind))
    assert_close(y, oracle.bidirectional(u, ahead, behind), FLOAT32)


def test_a_later_input_changes_no_earlier_output():
    u, kernel = float32(*draw(40))
    changed = u.at[:, 25].add(1e4)
    exact = [causal(x, kernel, method="toeplitz")[:, :25] for x in (u, changed)]
    np.testing.assert_array_equal(*exact)
    rounded = [causal(x, kernel, method="fft")[:, :25] for x in (u, changed)]
    largest = 1e4 * float(jnp.max(jnp.sum(jnp.abs(kernel), -1)))
    np.testing.assert_allclose(
        *rounded, rtol=0, atol=1e-6 * largest
    )  # the FFT spreads rounding over the row


def test_a_shifted_input_gives_a_shifted_output():
    u, kernel = float32(*draw(50))
    late = jnp.pad(u, ((0, 0), (5, 0), (0, 0)))[:, :50]
    y, late_y = (causal(x, kernel, method="fft") for x in (u, late))
    assert_close(late_y[:, 5:], np.asarray(y[:, :-5]), FLOAT32)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("method", METHODS)
def test_low_precision_goes_in_and_out_and_is_float32_between(method, dtype):
    u, kernel = draw(40)
    low = jnp.asarray(u, dtype)
    y = causal(low, jnp.asarray(kernel, jnp.float32), method=method)
    assert y.dtype == dtype
    exact = oracle.causal(np.asarray(low, np.float64), kernel)
    assert_close(y.astype(jnp.float32), exact, float(jnp.finfo(dtype).eps))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_transformations_change_nothing(method):
    u, kernel = float32(*draw(12, (2,)))

    def run(u, kernel):
        return convolution.causal(u, kernel, method=method)

    wanted = np.asarray(run(u, kernel), np.float64)
    kernels = jnp.stack([kernel, 2 * kernel])
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    rows, whole = PartitionSpec("data"), PartitionSpec()
    for got in (
        jax.jit(run)(u, kernel),
        jax.vmap(run, (0, None))(u, kernel),
        jax.vmap(run, (None, 0))(u, kernels)[0],
        jax.checkpoint(run)(u, kernel),
        jax.lax.scan(lambda carry, _: (carry, run(carry, kernel)), u, None, length=2)[1][1],
        jax.pmap(run, in_axes=(0, None))(u, kernel),
        jax.shard_map(run, mesh=mesh, in_specs=(rows, whole), out_specs=rows)(u, kernel),
    ):
        assert_close(got, wanted, FLOAT32)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    u, kernel = float32(*draw(5))
    for bad in (
        lambda: convolution.causal(u, kernel[:, :4]),
        lambda: convolution.bidirectional(u, kernel, kernel[:2]),
    ):
        with pytest.raises(ValueError, match=r"expected \(3, 5\)"):
            bad()
    with pytest.raises(ValueError, match="unknown convolution method 'chunked'"):
        convolution.causal(u, kernel, method="chunked")
    with pytest.raises(
        ValueError, match="unknown precision 'best'; expected one of 'default', 'high', 'highest'"
    ):
        convolution.causal(u, kernel, precision="best")
    with pytest.raises(ValueError, match="int32"):
        convolution.causal(u.astype(jnp.int32), kernel)
    with pytest.raises(ValueError, match="L of at least 1"):
        convolution.causal(u[:, :0], kernel[:, :0])
    with pytest.raises(ValueError, match="L of at least 1"):
        convolution.bidirectional(u[0, 0], kernel, kernel)
    with pytest.raises(ValueError, match="got dtype complex64"):
        convolution.causal(u, kernel.astype(jnp.complex64))
    with pytest.raises(ValueError, match="length must be an integer of at least 1, got 0"):
        _fourier.fft_length(0)
