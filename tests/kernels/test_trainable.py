"""Free weights: their systems are always stable; plain JAX, NNX and Equinox train them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jax_s4rl.kernels import initialization, lru, s4, s4d, s5, trainable

H, SIZE, L = 3, 8, 16
FAMILIES = {
    "s4": (s4, trainable.init_s4),
    "s4d": (s4d, trainable.init_s4d),
    "s5": (s5, trainable.init_s5),
    "lru": (lru, trainable.init_lru),
}
EVERY = pytest.mark.parametrize("name", FAMILIES)
UPDATES = 12


@pytest.mark.fast_cases(2)
@EVERY
def test_parameters_come_back_and_are_those_of_the_family(name):
    family, init = FAMILIES[name]
    weights = init(jax.random.key(0), H, SIZE)
    parameters = trainable.constrain(weights)
    assert type(parameters) is family.Parameters
    back = trainable.unconstrain(parameters)
    assert type(back) is type(weights)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5), back, weights)
    assert family.apply(parameters, jnp.ones((4, H)))[0].shape == (4, H)


@EVERY
@pytest.mark.parametrize("value", [-1e4, -100.0, 0.0, 100.0, 1e4])
def test_any_weights_make_a_stable_system(name, value):
    _, init = FAMILIES[name]
    weights = jax.tree.map(
        lambda x: jnp.full(x.shape, value), jax.eval_shape(lambda: init(jax.random.key(0), H, SIZE))
    )
    parameters = trainable.constrain(weights)
    positive = parameters.gain if name == "lru" else parameters.step
    assert bool(((positive > 0) & jnp.isfinite(positive)).all())
    assert bool(((parameters.Lambda.re < 0) & jnp.isfinite(parameters.Lambda.re)).all())


@pytest.mark.slow
def test_steps_fit_the_length_that_is_given():
    for init in (trainable.init_s4, trainable.init_s4d, trainable.init_s5):
        step = trainable.constrain(init(jax.random.key(0), 64, SIZE, length=50)).step
        shortest, longest = initialization.step_range(50)
        assert shortest <= float(step.min()) < float(step.max()) <= longest


@pytest.mark.usefixtures("unchecked")
def test_other_types_are_refused():
    with pytest.raises(ValueError, match="got weights of type dict, wanted S4, S4D, S5 or LRU"):
        trainable.constrain({})
    with pytest.raises(ValueError, match="got list, wanted the Parameters of"):
        trainable.unconstrain([])


@pytest.fixture
def as_it_comes():
    """Users have JAX's own settings, and optax and flax need them."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def task():
    u = jax.random.normal(jax.random.key(1), (4, L, H))
    return u, 0.1 * jnp.cumsum(u, axis=1)


def mean_squared(weights, u, target):
    return jnp.mean((s4d.apply(trainable.constrain(weights), u)[0] - target) ** 2)


@pytest.mark.slow
def test_steps_stay_positive_at_a_rate_above_them(as_it_comes):
    u, target = task()
    weights = trainable.init_s4d(jax.random.key(0), H, SIZE)
    optimizer = optax.adam(1e-1)

    @jax.jit
    def update(weights, state):
        loss, gradient = jax.value_and_grad(mean_squared)(weights, u, target)
        change, state = optimizer.update(gradient, state)
        return optax.apply_updates(weights, change), state, loss

    state, losses = optimizer.init(weights), []
    for _ in range(UPDATES):
        weights, state, loss = update(weights, state)
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    assert float(trainable.constrain(weights).step.min()) > 0


class Layer(nnx.Module):
    def __init__(self, key):
        self.weights = nnx.data(jax.tree.map(nnx.Param, trainable.init_s4d(key, H, SIZE)))

    def loss(self, u, target):
        return mean_squared(nnx.as_pure(self.weights), u, target)


@pytest.mark.slow
def test_nnx_trains_them(as_it_comes):
    model = Layer(jax.random.key(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def update(model, optimizer):
        loss, gradient = nnx.value_and_grad(lambda model: model.loss(*task()))(model)
        optimizer.update(model, gradient)
        return loss

    losses = [float(update(model, optimizer)) for _ in range(UPDATES)]
    assert losses[-1] < losses[0]


class Module(eqx.Module):
    weights: trainable.S4D

    def __init__(self, key):
        self.weights = trainable.init_s4d(key, H, SIZE)


@pytest.mark.slow
def test_equinox_trains_them(as_it_comes):
    model, optimizer = Module(jax.random.key(0)), optax.adam(1e-2)

    @eqx.filter_jit
    def update(model, state):
        loss, gradient = eqx.filter_value_and_grad(
            lambda model: mean_squared(model.weights, *task())
        )(model)
        change, state = optimizer.update(gradient, state)
        return eqx.apply_updates(model, change), state, loss

    state, losses = optimizer.init(eqx.filter(model, eqx.is_array)), []
    for _ in range(UPDATES):
        model, state, loss = update(model, state)
        losses.append(float(loss))
    assert losses[-1] < losses[0]
