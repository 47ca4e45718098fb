"""What the state space mixers share; the verbs themselves are tested in test_mixers.py."""

import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl import modules, parameter_groups
from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, trainable
from jax_s4rl.modules import groups, mixers, state_space
from tests import filling

GROUPS = {
    "s4": {"log_decay", "frequency", "log_step", "P", "B"},
    "s4d": {"log_decay", "frequency", "log_step"},
    "s5": {"log_decay", "frequency", "log_step", "B"},
    "lru": {"eigenvalues"},
}
SIZES = {"s4": (2, 3, 4), "s4d": (2, 3, 4), "s5": (2, 4), "lru": (2, 4)}


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize("name", GROUPS)
def test_the_dynamics_form_the_state_space_group_and_the_state_never_grows(name):
    mixer = mixers.make(mixers.MixerConfig(name, state_size=8), width=3, max_length=4)
    boxed = jax.eval_shape(mixer.init, jax.random.key(0), jnp.zeros((1, 2, 3)))["params"]
    labels = groups.labels(boxed)
    assert {
        key for key, label in labels.items() if label == parameter_groups.STATE_SPACE
    } == GROUPS[name]
    params = {"params": groups.strip(boxed)}
    for length in (1, 1000):
        state = jax.eval_shape(
            lambda params, n=length: mixer.apply(params, 2, n, method="init_state"), params
        )
        assert state.re.shape == state.im.shape == SIZES[name]


def test_poles_are_those_they_were_made_from():
    class Layer(nn.Module):
        @nn.compact
        def __call__(self):
            free = state_space.add_poles(
                self, lambda _: cplx.Pair(jnp.full((1, 3), -0.5), jnp.ones((1, 3))), (2, 3)
            )
            others = cplx.zeros((3,)), cplx.zeros((2, 3)), jnp.zeros(2), jnp.zeros(2)
            return trainable.constrain(trainable.S4D(*free, *others)).Lambda

    Lambda, _ = Layer().init_with_output(jax.random.key(0))
    np.testing.assert_allclose(Lambda.re, np.full((2, 3), -0.5), rtol=1e-6)
    np.testing.assert_array_equal(Lambda.im, np.ones((2, 3)))


LAYERS = (modules.S4D, modules.S4, modules.S5, modules.LRU)
BOTH_WAYS = (modules.S4D, modules.S4, modules.S5)


def fill(layer, x):
    return groups.strip(filling.fill(layer.init, jax.random.key(0), x))


def make_x(*shape):
    return jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_fits_into_a_sequence_of_layers_with_and_without_a_batch(layer):
    model = nn.Sequential([nn.Dense(4), layer(state_size=4), nn.Dense(2)])
    x = make_x(3, 5, 1)
    params = fill(model, x)
    both = jax.jit(lambda params, x: (model.apply(params, x), model.apply(params, x[0])))
    batch, one = both(params, x)
    assert batch.shape == (3, 5, 2)
    np.testing.assert_allclose(one, batch[0], rtol=1e-4, atol=1e-5)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_that_takes_its_width_from_the_input_is_the_one_of_that_width(layer):
    x = make_x(2, 6, 3)
    given, inferred = layer(3, state_size=4), layer(state_size=4)
    shapes = [jax.eval_shape(one.init, jax.random.key(0), x) for one in (given, inferred)]
    assert shapes[0] == shapes[1]
    params = fill(inferred, x)

    def views(params, x):
        constants = inferred.apply(params, method="prepare")
        state, steps = inferred.apply(params, 2, method="init_state"), []
        for t in range(x.shape[1]):
            y, state = inferred.apply(params, constants, x[:, t], state, method="step")
            steps.append(y)
        return given.apply(params, x), jnp.stack(steps, axis=1)

    whole, steps = jax.jit(views)(params, x)
    np.testing.assert_allclose(steps, whole, atol=2e-5 * float(jnp.abs(whole).max()))


def test_states_have_any_axes_of_a_batch():
    layer = modules.S5(state_size=4)
    params = fill(layer, make_x(1, 2, 3))
    for batch, wanted in ((5, (5, 2)), ((), (2,)), ((4, 5), (4, 5, 2))):
        assert layer.apply(params, batch, method="init_state").shape == wanted


def test_an_input_of_another_width_is_refused():
    with pytest.raises(ValueError, match="the input has 3 features, but the layer has width=4"):
        jax.eval_shape(modules.S4D(4).init, jax.random.key(0), make_x(1, 2, 3))


def test_without_an_input_the_width_has_to_be_given():
    with pytest.raises(ValueError, match="number of features is not known before the first inp"):
        modules.S4D().init(jax.random.key(0), 1, method="init_state")


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("layer", BOTH_WAYS)
def test_initial_steps_fit_a_length_or_a_range(layer):
    x = jax.ShapeDtypeStruct((1, 2, 3), jnp.float32)
    for options, wanted in (
        ({"length": 50}, initialization.step_range(50)),
        ({"step_range": (0.2, 0.3)}, (0.2, 0.3)),
        ({}, state_space.STEP_RANGE),
    ):
        model = layer(state_size=4, **options)
        # The computation after the initialization is not needed, so nothing is compiled for it.
        init = jax.jit(lambda key, x, model=model: model.init(key, x)["params"]["log_step"].value)
        steps = jnp.exp(init(jax.random.key(0), jnp.zeros(x.shape)))
        assert wanted[0] * 0.999 <= float(steps.min()) <= float(steps.max()) <= wanted[1] * 1.001
    with pytest.raises(ValueError, match=r"step_range is \(0.1, 0.2\) and length is 9; give only"):
        jax.eval_shape(layer(step_range=(0.1, 0.2), length=9).init, jax.random.key(0), x)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("layer", BOTH_WAYS)
def test_a_bidirectional_layer_adds_a_system_over_the_future(layer):
    x = make_x(2, 6, 3)
    model = layer(state_size=4, bidirectional=True)
    params = fill(model, x)
    ahead = {name: value for name, value in params["params"].items() if name != "future"}
    assert set(params["params"]["future"]) == set(ahead) - {"D", "gate"}
    # Without inputs from the future, the second system is silent.
    silent = {"params": {**ahead, "future": {**params["params"]["future"], "C": 0 * ahead["C"]}}}

    def views(params, silent):
        return (
            model.apply(params, x),
            model.apply(params, x.at[:, 4].add(1.0)),
            model.apply(silent, x),
            layer(state_size=4).apply({"params": ahead}, x),
        )

    both, changed, alone, causal = jax.jit(views)(params, silent)
    assert (jnp.abs(changed - both).max(axis=(0, 2)) > 1e-5).all()
    np.testing.assert_allclose(alone, causal, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_bidirectional_s5_keeps_episodes_apart():
    x, resets = make_x(1, 4, 3), jnp.array([[False, False, True, False]])
    model = modules.S5(state_size=4, bidirectional=True)
    params = fill(model, x)

    def views(params):
        packed = model.apply(params, x, resets=resets)
        return packed, jnp.concatenate(
            [model.apply(params, x[:, :2]), model.apply(params, x[:, 2:])], axis=1
        )

    packed, apart = jax.jit(views)(params)
    np.testing.assert_allclose(packed, apart, rtol=1e-4, atol=1e-5)


def test_a_bidirectional_layer_has_no_state_and_refuses_what_its_kernel_lacks():
    x = make_x(1, 2, 3)
    model = modules.S4D(3, state_size=4, bidirectional=True)
    params = fill(model, x)
    state = cplx.zeros((1, 3, 2))
    for wanted, call in (
        ("no state", lambda: model.apply(params, 1, method="init_state")),
        ("no step", lambda: model.apply(params, method="prepare")),
        ("no state", lambda: model.apply(params, x, state)),
        ("resets cannot be given", lambda: model.apply(params, x, resets=jnp.ones((1, 2), bool))),
        ("method cannot be given", lambda: model.clone(method="scan").apply(params, x)),
    ):
        with pytest.raises(ValueError, match=wanted):
            call()


@pytest.mark.slow
def test_layers_can_be_rematerialized_and_stacked_by_a_scan():
    class Stack(nn.Module):
        @nn.compact
        def __call__(self, x):
            scanned = nn.scan(
                lambda layer, carry, _: (layer(carry), None),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=2,
                metadata_params={nn.PARTITION_NAME: None},
            )
            return scanned(nn.remat(modules.S4D)(state_size=4), x, None)[0]

    x = make_x(2, 5, 3)
    params = fill(Stack(), x)
    gradient = jax.jit(jax.grad(lambda params: jnp.sum(Stack().apply(params, x) ** 2)))(params)
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(gradient))


def test_layers_open_at_first_use():
    code = (
        "import sys, jax_s4rl.modules as modules; "
        "print([m for m in sys.modules if m.startswith(('jax_s4rl.modules.', 'flax', 'jax.'))]); "
        "print({'S4D', 'S4', 'S5', 'LRU', 'Mamba2', 's4d'} <= set(dir(modules)), "
        "modules.S4D.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True jax_s4rl.modules.s4d"]


@pytest.mark.parametrize("state_size", [0, 3, -2])
def test_states_that_are_no_pairs_are_refused(state_size):
    with pytest.raises(ValueError, match="states are conjugate pairs; choose an even"):
        state_space.check_state_size(state_size)
