"""Every mixer: rows, chunks and steps agree; padding, future and other episodes have no effect."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import attention, initialization
from jax_s4rl.modules import groups, mixer_checks, mixers, mlp, s4
from tests import filling

BATCH, LENGTH, WIDTH = 2, 8, 8
# Float32 sums in another order; S4's way through matrix powers has twice the bound of the others.
TOLERANCE = 1e-5
S4_TOLERANCE = 2e-5

MAIN = {
    "attention": {"num_heads": 2},
    "s4": {"state_size": 4},
    "s4d": {"state_size": 4},
    "s5": {"state_size": 8, "num_blocks": 2},
    "lru": {"state_size": 8},
    "mamba2": {"state_size": 4, "head_size": 4},
    "mamba": {"channel_states": 4},
    "lstm": {},
    "mlp": {},
}
FURTHER = {
    "s4 legt": ("s4", {"state_size": 4, "initialization": "legt", "glu": False}),
    "learned ring": ("attention", {"positions": "learned", "window": 3}),
    "s4 zoh": ("s4", {"state_size": 4, "discretization": "zoh"}),
    "s4d bilinear": (
        "s4d",
        {"state_size": 4, "initialization": "inv", "discretization": "bilinear", "glu": False},
    ),
}
CASES = {name: (name, options) for name, options in MAIN.items()} | {
    "rotary ring": ("attention", {"num_heads": 2, "positions": "rotary", "window": 3}),
    "learned": ("attention", {"positions": "learned"}),
    **FURTHER,
}

REAL, STARTS = mixer_checks.REAL, mixer_checks.STARTS


@functools.cache
def make(case, length=LENGTH, state_size=None):
    name, options = CASES[case]
    if state_size is not None and "state_size" in options:
        options = options | {"state_size": state_size}
    mixer = mixers.make(mixers.MixerConfig(name, **options), width=WIDTH, max_length=length)
    x = jax.random.normal(jax.random.key(1), (BATCH, length, WIDTH))
    return mixer, groups.strip(filling.fill(mixer.init, jax.random.key(0), x)), x


def tolerance(case):
    return S4_TOLERANCE if CASES[case][0] == "s4" else TOLERANCE


@pytest.mark.fast_cases(3)
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * (case in FURTHER)) for case in CASES]
)
def test_whole_rows_chunks_and_steps_are_equal(case):
    mixer_checks.check_views(
        *make(case), real=REAL, starts=STARTS, bounds=(0, 2, LENGTH), tolerance=tolerance(case)
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", MAIN)
def test_views_agree_over_a_thousand_steps_from_the_initial_parameters(case):
    length = 1000
    mixer, _, x = make(case, length, state_size=64)
    params = groups.strip(jax.jit(mixer.init)(jax.random.key(0), x[:, :2]))
    generator = np.random.default_rng(0)
    # Row 0: one long episode after padding. Row 1: many episodes, some of them after padding.
    real, starts = np.ones((BATCH, length), bool), np.zeros((BATCH, length), bool)
    real[0, :100] = False
    starts[1] = generator.random(length) < 0.02
    real[1] = starts[1] | ~np.roll(starts[1], -1) | (generator.random(length) < 0.5)
    # Two chunks, since each one is compiled anew; shorter ones are in the test of short rows.
    bounds = (0, 334, length)
    mixer_checks.check_views(
        mixer, params, x, real=real, starts=starts, bounds=bounds, tolerance=tolerance(case)
    )
    gradients = jax.jit(jax.grad(lambda params: jnp.sum(mixer.apply(params, x) ** 2)))(params)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(gradients))


@pytest.mark.fast_cases(3)
@pytest.mark.parametrize(
    "packed", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["packed", "without resets"]
)
@pytest.mark.parametrize("case", MAIN)
def test_nothing_hidden_changes_an_output_or_a_gradient(case, packed):
    rows = {"real": REAL, "starts": STARTS} if packed else {"real": np.sort(REAL, axis=1)}
    mixer_checks.check_hidden(*make(case), **rows)


# Names of the parameters, and the sums of their absolute values as the first version drew them.
GATE = "gate.output.bias gate.output.kernel"
FIRST = {
    "attention": (
        "output.bias output.kernel projections.query_bias projections.value_bias "
        "projections.weights.kernel",
        [0.0, 16.30915, 0.0, 0.0, 55.94091],
    ),
    "s4": (
        f"B C D P frequency {GATE} log_decay log_step",
        [28.99957, 15.98875, 8.523965, 20.50579, 41.27835, 0.0, 38.8603, 11.09355, 7.243458],
    ),
    "s4d": (
        f"C D frequency {GATE} log_decay log_step",
        [20.10764, 9.011246, 25.13274, 0.0, 38.8603, 11.09355, 7.243458],
    ),
    "s5": (
        f"B C D frequency {GATE} log_decay log_step",
        [14.26731, 13.62622, 6.161461, 10.31959, 0.0, 38.8603, 2.773389, 2.447522],
    ),
    "lru": (f"B C D eigenvalues {GATE}", [11.99638, 25.54477, 5.487094, 14.7179, 0.0, 38.8603]),
    "mamba2": (
        "D convolution.bias convolution.weights in_projection.kernel log_decay norm.scale "
        "out_projection.kernel step_bias",
        [4.0, 6.344448, 24.09439, 104.828, 9.107529, 16.0, 25.41044, 6.173944],
    ),
    "mamba": (
        "D convolution.bias convolution.weights in_projection.kernel log_decay "
        "out_projection.kernel selection.kernel step_bias step_weights",
        [16.0, 3.858458, 15.65106, 75.41246, 50.84886, 25.41044, 28.69016, 16.60863, 9.455157],
    ),
    "mlp": (
        "hidden.bias hidden.kernel output.bias output.kernel",
        [0.0, 36.72001, 0.0, 23.84214],
    ),
}


@pytest.mark.fast_cases(3)
@pytest.mark.parametrize("name", FIRST)
def test_names_and_first_values_of_parameters_stay(name):
    mixer, _, x = make(name)
    params = groups.strip(jax.jit(mixer.init)(jax.random.key(0), x)["params"])
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    names = " ".join(jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves)
    sums = [float(jnp.sum(jnp.abs(leaf))) for _, leaf in leaves]
    assert names == FIRST[name][0]
    np.testing.assert_allclose(sums, FIRST[name][1], rtol=1e-4)


def test_steps_fit_the_context_unless_a_range_is_given():
    for name in ("s4", "s4d", "s5", "mamba2"):
        for given, length in ((None, 4), (None, 300), ((0.2, 0.3), 4)):
            config = mixers.MixerConfig(name, state_size=8, step_range=given)
            mixer = mixers.make(config, width=WIDTH, max_length=length)
            assert mixer.step_range == (given or initialization.step_range(length))
    mixers.check(mixers.MixerConfig("lstm", step_range=mixers.OLD_STEP_RANGE))


@pytest.mark.parametrize("name", ["attention", "s4", "s4d", "s5", "lru", "mamba2", "mamba"])
def test_the_kernel_is_given_what_was_chosen(name, monkeypatch):
    given, options = (
        {},
        {"method": "dense"} if name == "attention" else {"method": "scan", "chunk": 16},
    )
    kernel, verb = (
        (attention, "attend") if name == "attention" else (mixers._LAYERS[name].kernel, "apply")
    )
    original = getattr(kernel, verb)

    def called(*args, precision="highest", **more):
        given.update(more, precision=precision)
        return original(*args, **more)

    monkeypatch.setattr(kernel, verb, called)
    config = mixers.MixerConfig(name, precision="high", **options)
    mixer, x = mixers.make(config, width=WIDTH, max_length=LENGTH), jnp.ones((1, LENGTH, WIDTH))
    jax.eval_shape(mixer.init, jax.random.key(0), x)
    assert given == given | options | {"precision": "high"}


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize("case", MAIN)
def test_half_width_activations_leave_parameters_and_memory_of_systems_in_float32(case):
    name, options = CASES[case]
    mixer = mixers.make(
        mixers.MixerConfig(name, **options), width=WIDTH, max_length=LENGTH, dtype=jnp.bfloat16
    )
    x = jax.ShapeDtypeStruct((BATCH, LENGTH, WIDTH), jnp.bfloat16)
    params = groups.strip(jax.eval_shape(mixer.init, jax.random.key(0), x))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}

    def views(params, x):
        state = mixer.apply(params, BATCH, LENGTH, method="init_state")
        whole, later = mixer.apply(
            params, x, state, resets=jnp.asarray(STARTS), mask=jnp.asarray(REAL)
        )
        constants = mixer.apply(params, method="prepare")
        step, last = mixer.apply(params, constants, x[:, 0], later, method="step")
        return (whole, step), (state, later, last)

    outputs, states = jax.eval_shape(views, params, x)
    assert {leaf.dtype for leaf in jax.tree.leaves(outputs)} == {jnp.dtype("bfloat16")}
    kinds = {leaf.dtype for leaf in jax.tree.leaves(states)} - {jnp.dtype("int32")}
    assert kinds <= ({jnp.dtype("bfloat16")} if name == "attention" else {jnp.dtype("float32")})


def test_every_option_of_the_configuration_belongs_to_a_mixer():
    fields = {field.name for field in dataclasses.fields(mixers.MixerConfig)} - {"name"}
    assert fields == set().union(*mixers.OPTIONS.values())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "s4dd"}, r"no mixer 's4dd'; choose one of .* did you mean 's4d'"),
        (
            {"name": "s4d", "window": 8},
            r"window is 8, but mixer 's4d' has no such option \(attention has\)",
        ),
        (
            {"name": "attention", "state_size": 8},
            r"no such option \(s4, s4d, s5, lru, mamba2 have\); leave it out",
        ),
        (
            {"name": "s5", "initialization": "legs"},
            r"initialization is legs, but mixer 's5' has no such option",
        ),
        (
            {"name": "s4d", "state_size": 5},
            "state_size is 5, but states are conjugate pairs; choose an even",
        ),
        ({"name": "s4d", "initialization": "fout"}, "unknown initialization of s4d 'fout'"),
        ({"name": "s4", "initialization": "lin"}, "unknown initialization of s4 'lin'"),
        ({"name": "s5", "discretization": "euler"}, "unknown discretization 'euler'"),
        (
            {"name": "s5", "num_blocks": 3},
            "num_blocks is 3; it has to divide the 32 pairs of state_size 64",
        ),
        ({"name": "mamba2", "state_size": 0}, "state_size must be an integer of at least 1, got 0"),
        ({"name": "mamba2", "expand": 0}, "expand must be an integer of at least 1, got 0"),
        ({"name": "mamba2", "head_size": 5}, "head_size is 5; it has to divide the 16 channels"),
        ({"name": "mamba", "channel_states": 0}, "channel_states must be an integer of at lea"),
        ({"name": "mamba", "state_size": 8}, "state_size is 8, but mixer .mamba. has no such"),
        (
            {"name": "s4", "step_range": (0.1, 0.01)},
            "step_range is .*; steps need 0 < shortest <= longest",
        ),
        ({"name": "lru", "ring": (0.9, 1.1)}, "ring is .*; it needs 0 <= smallest < largest <= 1"),
        ({"name": "lru", "largest_angle": 0.0}, "largest_angle is 0.0; it has to be positive"),
        ({"name": "attention", "num_heads": 3}, "width 8 cannot be split into 3 heads"),
        ({"name": "attention", "window": 0}, "window is 0; a token attends at least to itself"),
        (
            {"name": "s4d", "method": "associative"},
            "unknown method of s4d 'associative'; expected one of 'auto'",
        ),
        (
            {"name": "lru", "method": "fft"},
            "unknown method of lru 'fft'; expected one of 'auto', 'scan'",
        ),
        (
            {"name": "attention", "method": "scan"},
            "unknown method of attention 'scan'; expected one of 'auto'",
        ),
        (
            {"name": "lstm", "method": "scan"},
            r"method is scan, but mixer 'lstm' has no such option \(attention, s4, ",
        ),
        (
            {"name": "attention", "chunk": 8},
            r"chunk is 8, but mixer 'attention' has no such option \(s4, s4d, s5, lru",
        ),
        ({"name": "s5", "chunk": 0}, "chunk must be an integer of at least 1, got 0"),
        (
            {"name": "s5", "precision": "float32"},
            "unknown precision 'float32'; expected one of 'default', 'high'",
        ),
        (
            {"name": "mlp", "step_range": (0.1, 0.2)},
            r"step_range is \(0.1, 0.2\), but mixer 'mlp' has no such option",
        ),
        (
            {"name": "attention", "positions": "sinusoidal"},
            "positions is 'sinusoidal'; choose one of none, learned",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        mixers.check(mixers.MixerConfig(**options), width=8)
    with pytest.raises(ValueError, match=sentence):
        mixers.make(mixers.MixerConfig(**options), width=8, max_length=4)


@pytest.fixture
def registry(monkeypatch):
    """Forgets registered mixers after the test."""
    monkeypatch.setattr(mixers, "_LAYERS", dict(mixers._LAYERS))
    monkeypatch.setattr(mixers, "OPTIONS", dict(mixers.OPTIONS))


@pytest.mark.usefixtures("registry")
def test_a_registered_mixer_is_made_with_its_options_and_checks_their_values_itself():
    mixers.register("mine", s4.S4, options=("state_size", "step_range"))
    made = mixers.make(mixers.MixerConfig("mine", state_size=8), width=WIDTH, max_length=5)
    assert (made.width, made.state_size, made.max_length) == (WIDTH, 8, 5)
    assert made.step_range == initialization.step_range(5)
    mixers.check(mixers.MixerConfig("mine", state_size=7), width=WIDTH)
    mixers.register("mine", functools.partial(mlp.MLP))
    assert isinstance(mixers.make(mixers.MixerConfig("mine"), width=8, max_length=1), mlp.MLP)
    assert mixers.names() == (*mixers.NAMES, "mine")
    with pytest.raises(ValueError, match="state_size is 8, but mixer 'mine' has no such option"):
        mixers.check(mixers.MixerConfig("mine", state_size=8))


class Stepless(nn.Module):
    width: int
    dtype: object = None

    def __call__(self, x, state=None, *, resets=None, mask=None):
        return x


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (("s4d", mlp.MLP), (), "got the name 's4d'; choose one other than attention"),
        (("", mlp.MLP), (), "got the name ''; choose one other than"),
        (("mine", mlp.MLP), ("size",), "MixerConfig has no option size; choose from chan"),
        (("mine", mlp.MLP), ("ring",), "the layer of mixer 'mine' has no argument ring"),
        (("mine", nn.Dense), (), "the layer of mixer 'mine' has no argument width"),
        (("mine", Stepless), (), "the layer of mixer 'mine' has no method init_state, prepare, st"),
        (("mine", functools.partial(Stepless)), (), "has no method init_state, prepare, step"),
    ],
)
def test_a_layer_that_is_no_mixer_cannot_be_registered(arguments, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        mixers.register(*arguments, options=options)


def test_a_mixer_that_is_not_registered_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"there is no mixer 'mine'; .* register a mixer of your"):
        mixers.check(mixers.MixerConfig("mine"))
