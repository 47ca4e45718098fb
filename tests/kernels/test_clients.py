"""The kernels in users' code: a plain function, an NNX module and an Equinox module learn."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jax_s4rl.kernels import attention, initialization, s4d, s5
from jax_s4rl.kernels import complex_pair as cplx

# Many programs to compile: minutes, not seconds.
pytestmark = pytest.mark.slow

FEATURES, WIDTH, LENGTH, LAG = 4, 8, 24, 3
UPDATES, BETTER = (
    40,
    0.6,
)  # after 40 updates the loss is under 0.6 of where it began; measured 0.05 to 0.4


@pytest.fixture(autouse=True)
def as_it_comes():
    """Users have JAX's own settings, and optax and flax need them."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def task():
    """Recall the input of three steps ago."""
    u = jnp.asarray(np.random.default_rng(0).normal(size=(8, LENGTH, FEATURES)), jnp.float32)
    return u, jnp.pad(u, ((0, 0), (LAG, 0), (0, 0)))[:, :LENGTH]


def mean_squared(y, target):
    return jnp.mean((y - target) ** 2)


def assert_falls(losses):
    assert np.all(np.isfinite(losses))
    assert losses[-1] < BETTER * losses[0]


@pytest.mark.slow
def test_a_plain_function_learns_with_s4d():
    u, target = task()
    start = initialization.diagonal("lin", 2 * WIDTH)
    C = initialization.output(jax.random.key(0), (FEATURES, WIDTH))
    parameters = s4d.Parameters(
        start.Lambda, start.B, C, jnp.zeros(FEATURES), jnp.full(FEATURES, 0.3)
    )
    free = parameters._replace(step=jnp.log(parameters.step))
    optimizer = optax.adam(3e-2)

    @jax.jit
    def update(free, state):
        def loss(free):
            return mean_squared(s4d.apply(free._replace(step=jnp.exp(free.step)), u)[0], target)

        value, gradient = jax.value_and_grad(loss)(free)
        change, state = optimizer.update(gradient, state)
        return optax.apply_updates(free, change), state, value

    state, losses = optimizer.init(free), []
    for _ in range(UPDATES):
        free, state, value = update(free, state)
        losses.append(float(value))
    assert_falls(losses)


class Recurrent(nnx.Module):
    """S5 between two linear layers."""

    def __init__(self, rngs: nnx.Rngs):
        blocks = initialization.s5(rngs.params(), FEATURES, WIDTH)
        self.Lambda_re, self.Lambda_im = (nnx.Param(x) for x in blocks.Lambda)
        self.B_re, self.B_im = (nnx.Param(x) for x in blocks.B)
        self.C_re, self.C_im = (nnx.Param(x) for x in blocks.C)
        self.D = nnx.Param(jnp.ones(FEATURES))
        self.log_step = nnx.Param(jnp.full(WIDTH, jnp.log(0.3)))
        self.readout = nnx.Linear(FEATURES, FEATURES, rngs=rngs)

    def __call__(self, u, resets=None):
        Lambda = cplx.Pair(-jnp.abs(self.Lambda_re[...]), self.Lambda_im[...])
        B, C = cplx.Pair(self.B_re[...], self.B_im[...]), cplx.Pair(self.C_re[...], self.C_im[...])
        parameters = s5.Parameters(Lambda, B, C, self.D[...], jnp.exp(self.log_step[...]))
        return self.readout(s5.apply(parameters, u, resets=resets)[0])


@pytest.mark.slow
def test_an_nnx_module_learns_with_s5():
    u, target = task()
    model = Recurrent(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(3e-2), wrt=nnx.Param)

    @nnx.jit
    def update(model, optimizer):
        value, gradient = nnx.value_and_grad(lambda model: mean_squared(model(u), target))(model)
        optimizer.update(model, gradient)
        return value

    assert_falls([float(update(model, optimizer)) for _ in range(UPDATES)])


class Attentive(eqx.Module):
    """One head of attention with learned positions."""

    projections: jax.Array
    positions: jax.Array

    def __init__(self, key):
        keys = jax.random.split(key)
        self.projections = jax.random.normal(keys[0], (3, FEATURES, WIDTH)) / FEATURES**0.5
        self.positions = jax.random.normal(keys[1], (2, LENGTH, WIDTH))

    def __call__(self, u):
        q, k, v = jnp.einsum("lf,cfw->clw", u, self.projections)
        out = attention.attend(
            *((x[:, None]) for x in (q + self.positions[0], k + self.positions[1], v))
        )
        return out[:, 0, :FEATURES]


@pytest.mark.slow
def test_an_equinox_module_learns_with_attention():
    u, target = task()
    model = Attentive(jax.random.key(0))
    optimizer = optax.adam(1e-1)

    @eqx.filter_jit
    def update(model, state):
        value, gradient = eqx.filter_value_and_grad(
            lambda model: mean_squared(jax.vmap(model)(u), target)
        )(model)
        change, state = optimizer.update(gradient, state)
        return eqx.apply_updates(model, change), state, value

    state, losses = optimizer.init(eqx.filter(model, eqx.is_array)), []
    for _ in range(UPDATES):
        model, state, value = update(model, state)
        losses.append(float(value))
    assert_falls(losses)
