"""Every mixer: rows, chunks and steps agree; padding, future and other episodes have no effect."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import attention, initialization
from jax_s4rl.modules import groups, mixers
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

# Row 0: padding, the rest of an episode, a second one, padding, a third, padding. Row 1: two
# episodes and padding.
REAL = np.array([[0, 1, 1, 1, 1, 0, 1, 0], [1, 1, 1, 1, 1, 1, 1, 0]], bool)
STARTS = np.array([[0, 0, 0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 1, 0, 0, 0]], bool)
EPISODE = np.cumsum(STARTS, axis=1)


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


def assert_close(got, wanted, bound):
    np.testing.assert_allclose(got, wanted, rtol=0, atol=bound * float(np.max(np.abs(wanted))))


def run_steps(mixer, params, x, resets):
    resets = jnp.asarray(resets)
    constants = mixer.apply(params, method="prepare")
    state = mixer.apply(params, *x.shape[:2], method="init_state")

    def body(state, now):
        y, state = mixer.apply(params, constants, now[0], state, now[1], method="step")
        return state, y

    return jax.lax.scan(body, state, (x.swapaxes(0, 1), resets.swapaxes(0, 1)))[1].swapaxes(0, 1)


def run_chunks(mixer, params, x, resets, mask, bounds):
    state, parts = mixer.apply(params, *x.shape[:2], method="init_state"), []
    for begin, end in itertools.pairwise(bounds):
        flags = {
            "resets": jnp.asarray(resets)[:, begin:end],
            "mask": jnp.asarray(mask)[:, begin:end],
        }
        y, state = mixer.apply(params, x[:, begin:end], state, **flags)
        parts.append(y)
    return jnp.concatenate(parts, axis=1)


def compact(x, real):
    """The real tokens of each row, in front; then whatever was padding."""
    order = np.argsort(~real, axis=1, kind="stable")
    return jnp.asarray(x)[np.arange(x.shape[0])[:, None], order]


def compare_views(mixer, params, x, *, real, starts, bounds, bound):
    """The three views of packed rows with padding, and of plain rows, in one program."""

    def views(params, x):
        whole, state = mixer.apply(params, x, resets=jnp.asarray(starts), mask=jnp.asarray(real))
        plain, plain_state = mixer.apply(params, x)
        assert state is plain_state is None
        chunks = run_chunks(mixer, params, x, starts, real, bounds)
        fed = jnp.concatenate([compact(x, real), x])
        steps = run_steps(
            mixer, params, fed, jnp.concatenate([compact(starts, real), jnp.zeros_like(starts)])
        )
        return whole, chunks, steps[:BATCH], plain, steps[BATCH:]

    whole, chunks, steps, plain, plain_steps = jax.jit(views)(params, x)
    assert_close(chunks[real], whole[real], bound)
    assert_close(steps[compact(real, real)], whole[real], bound)
    assert_close(plain_steps, plain, bound)


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * (case in FURTHER)) for case in CASES]
)
def test_whole_rows_chunks_and_steps_are_equal(case):
    compare_views(
        *make(case), real=REAL, starts=STARTS, bounds=(0, 2, LENGTH), bound=tolerance(case)
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
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
    compare_views(mixer, params, x, real=real, starts=starts, bounds=bounds, bound=tolerance(case))
    gradients = jax.jit(jax.grad(lambda params: jnp.sum(mixer.apply(params, x)[0] ** 2)))(params)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(gradients))


def weighted(case, *, packed):
    """Outputs and the derivatives of a weighted sum of their squares, with or without resets."""
    mixer, params, x = make(case)
    flags = {"mask": REAL, "resets": STARTS} if packed else {"mask": np.sort(REAL, axis=1)[:, ::-1]}

    def total(params, x, weights):
        y, _ = mixer.apply(params, x, **{name: jnp.asarray(value) for name, value in flags.items()})
        return jnp.sum(jnp.where(weights[..., None], y, 0.0) ** 2), y

    derived = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))

    def run(x, weights):
        (_, y), gradients = derived(params, x, weights)
        return np.where(weights[..., None], y, 0.0), gradients

    return run, flags["mask"], x


@pytest.mark.parametrize(
    "packed", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["packed", "without resets"]
)
@pytest.mark.parametrize("case", MAIN)
def test_nothing_hidden_changes_an_output_or_a_gradient(case, packed):
    run, real, x = weighted(case, packed=packed)
    noise = 3 * jax.random.normal(jax.random.key(2), x.shape)
    time = np.broadcast_to(np.arange(LENGTH), real.shape)
    visible = {"padding": (real, real), "future": (real & (time < 3), time < 3)}
    if packed:
        second = real & (EPISODE == 1)
        visible["other episodes"] = (second, second)
    for what, (weights, kept) in visible.items():
        y, gradients = run(x, weights)
        noisy_y, noisy_gradients = run(jnp.where(kept[..., None], x, noise), weights)
        np.testing.assert_allclose(noisy_y, y, atol=1e-6 * np.max(np.abs(y)), err_msg=what)
        for got, wanted in zip(
            jax.tree.leaves(noisy_gradients), jax.tree.leaves(gradients), strict=True
        ):
            bound = 1e-5 * float(jnp.max(jnp.abs(wanted))) + 1e-7
            np.testing.assert_allclose(got, wanted, rtol=0, atol=bound, err_msg=what)
        assert not np.any(np.where(kept[..., None], 0.0, gradients[1])), what


@pytest.mark.parametrize("case", MAIN)
def test_nan_in_the_padding_changes_no_output_and_no_gradient(case):
    run, real, x = weighted(case, packed=True)
    y, gradients = run(x, real)
    noisy_y, noisy_gradients = run(jnp.where(real[..., None], x, jnp.nan), real)
    np.testing.assert_array_equal(noisy_y, y)
    jax.tree.map(np.testing.assert_array_equal, noisy_gradients, gradients)


def test_steps_fit_the_context_unless_a_range_is_given():
    for name in ("s4", "s4d", "s5"):
        for given, length in ((None, 4), (None, 300), ((0.2, 0.3), 4)):
            config = mixers.MixerConfig(name, state_size=8, step_range=given)
            mixer = mixers.make(config, width=WIDTH, max_length=length)
            assert mixer.step_range == (given or initialization.step_range(length))
    mixers.check(mixers.MixerConfig("lstm", step_range=mixers.OLD_STEP_RANGE))


@pytest.mark.parametrize("name", ["attention", "s4", "s4d", "s5", "lru"])
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
            r"no such option \(s4, s4d, s5, lru have\); leave it out",
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
