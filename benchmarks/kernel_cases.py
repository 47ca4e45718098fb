"""Cases of `benchmarks.kernels`: for every subject our kernels and the plain published forms."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import baselines
from jax_s4rl.kernels import (
    attention,
    cauchy,
    convolution,
    initialization,
    recurrence,
    s4,
    s4d,
    s6,
    selective_weights,
    ssd,
    trainable,
)
from jax_s4rl.kernels import complex_pair as cplx

# Real state size of the diagonal and the low-rank kernels.
N = 64
HEAD_DIM = 64
# Features of a head of SSD, and states of each feature of S6.
HEAD_SIZE, CHANNEL_STATES = 32, 16
STATE_SIZES = {"diagonal": N, "low_rank": N, "ssd": N, "s6": CHANNEL_STATES}
# Number of features on which accuracy is measured.
FEW = 4
# Number of steps in all rows of a batch together.
CONVOLVED, SCANNED, ATTENDED = 16384, 16384, 4096
# Longest row whose exact form is computed, for forms that keep all of their states.
LONGEST_EXACT = 1024


class Case(NamedTuple):
    """One function to measure, and its exact form on a few features.

    Attributes:
        method: Name of the function in result rows.
        function: Function to measure.
        arguments: Arguments of the function.
        few: Cuts the arguments and their gradients to a few features.
        few_output: Cuts the output to a few features.
        exact: Function that is evaluated in float64; None if the plain form is too large.
        batch: Number of rows; None for kernels without a batch.
        with_gradient: Function of the cotangent and the arguments; None to differentiate
            `function`.
    """

    method: str
    function: Callable[..., Any]
    arguments: tuple
    few: Callable[[Any], Any]
    few_output: Callable[[Any], Any]
    exact: Callable[..., Any] | None
    batch: int | None = None
    with_gradient: Callable[..., Any] | None = None


def _first(tree: Any) -> Any:
    return jax.tree.map(lambda x: x[:FEW], tree)


def _last(tree: Any) -> Any:
    return jax.tree.map(lambda x: x[..., :FEW], tree)


def diagonal(H: int, length: int) -> Iterator[Case]:
    """Yields cases of the S4D-LegS kernel, with step sizes log-uniform between 1e-3 and 1e-1."""
    start = initialization.diagonal("legs", N)
    Lambda, B = (jax.tree.map(lambda x: jnp.tile(x[None], (H, 1)), x) for x in start)
    C = initialization.output(jax.random.key(0), (H, N // 2))
    step = jnp.exp(initialization.log_step(jax.random.key(1), (H,)))
    arguments = (Lambda, B, C, step)

    def ours(Lambda, B, C, step):
        return s4d.kernel(s4d.Parameters(Lambda, B, C, jnp.zeros(H), step), length)

    published = partial(baselines.diagonal, length=length)
    for method, function in (("diagonal/ours", ours), ("diagonal/plain", published)):
        yield Case(method, function, arguments, _first, _first, published)


def low_rank(H: int, length: int) -> Iterator[Case]:
    """Yields cases of the S4-LegS kernel of rank one.

    C is truncated as each form needs it, outside the timed function.
    """
    start = initialization.low_rank("legs", N)
    Lambda, P, B = (
        jax.tree.map(lambda x: jnp.tile(x[None], (H,) + (1,) * x.ndim), x) for x in start
    )
    C = initialization.output(jax.random.key(0), (H, N // 2))
    step = jnp.exp(initialization.log_step(jax.random.key(1), (H,)))
    system = s4.Parameters(Lambda, P, B, C, jnp.zeros(H), step)

    def ours(Lambda, P, B, C, step):
        return s4.kernel(s4.Parameters(Lambda, P, B, C, jnp.zeros(H), step), length, length=length)

    def published(Lambda, P, B, C, step, wrap):
        return baselines.low_rank(
            Lambda, cplx.Pair(P.re[:, 0], P.im[:, 0]), B, C, step, length, wrap
        )

    for method, function, wrap in (
        ("low_rank/ours", ours, cauchy.WRAP),
        ("low_rank/plain", None, 1.0),
    ):
        exact = partial(published, wrap=wrap)
        arguments = (Lambda, P, B, s4.truncate(system, length, wrap).C, step)
        yield Case(method, function or exact, arguments, _first, _first, exact)


def convolved(H: int, length: int) -> Iterator[Case]:
    """Yields cases of the causal convolution of a batch, and of its bare Fourier transforms."""
    rows = max(1, CONVOLVED // length)
    rng = np.random.default_rng(0)
    u = jnp.asarray(rng.normal(size=(rows, length, H)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(H, length)) / np.sqrt(length), jnp.float32)

    def few(tree):
        return tree[0][..., :FEW], tree[1][:FEW]

    for method in ("fft", "toeplitz"):
        if method == "toeplitz" and length > 256:
            continue
        function = partial(convolution.causal, method=method)
        yield Case(
            f"convolution/{method}", function, (u, kernel), few, _last, baselines.convolve, rows
        )
    yield Case(
        "convolution/plain", baselines.convolve, (u, kernel), few, _last, baselines.convolve, rows
    )
    bare = (jnp.swapaxes(u, 1, 2), kernel)
    yield Case(
        "convolution/transforms",
        baselines.transforms,
        bare,
        few,
        _last,
        None,
        rows,
        with_gradient=baselines.transforms_and_back,
    )


def scanned(H: int, length: int) -> Iterator[Case]:
    """Yields cases of the linear recurrence of H pairs with factors constant in time."""
    rows = max(1, SCANNED // length)
    rng = np.random.default_rng(0)
    decay, angle = rng.uniform(1e-3, 0.1, H), rng.uniform(0, np.pi, H)
    factors = cplx.exp(cplx.Pair(jnp.asarray(-decay, jnp.float32), jnp.asarray(angle, jnp.float32)))
    parts = jnp.asarray(rng.normal(size=(2, rows, length, H)), jnp.float32)
    arguments = (factors, cplx.Pair(parts[0], parts[1]))

    def ours(a, b, method):
        return tuple(recurrence.scan(a, b, method=method)[0])

    for method in ("sequential", "associative", "chunked"):
        function = partial(ours, method=method)
        yield Case(f"recurrence/{method}", function, arguments, _last, _last, baselines.recur, rows)
    yield Case("recurrence/plain", baselines.recur, arguments, _last, _last, baselines.recur, rows)


def attended(H: int, length: int) -> Iterator[Case]:
    """Yields cases of causal attention with heads of size 64, without its projections."""
    rows = max(1, ATTENDED // length)
    rng = np.random.default_rng(0)
    shape = (3, rows, length, H // HEAD_DIM, HEAD_DIM)
    q, k, v = jnp.asarray(rng.normal(size=shape), jnp.float32)

    def few(tree):
        return jax.tree.map(lambda x: x[:1, :, :1], tree)

    exact = baselines.attend if length <= 4096 else None
    functions = {
        "blocked": partial(attention.attend, method="blocked"),
        "dense": partial(attention.attend, method="dense"),
        "plain": baselines.attend,
        "library": baselines.library_attend,
    }
    for method, function in functions.items():
        yield Case(f"attention/{method}", function, (q, k, v), few, few, exact, rows)
    if jax.default_backend() == "gpu":
        low = tuple(x.astype(jnp.bfloat16) for x in (q, k, v))
        fused = partial(attention.attend, method="fused")
        yield Case("attention/fused-bfloat16", fused, low, few, few, exact, rows)


def state_space_dual(H: int, length: int) -> Iterator[Case]:
    """Yields cases of SSD with H features in heads of 32, one group, and the published start."""
    heads = H // HEAD_SIZE
    start = trainable.constrain(selective_weights.init_ssd(jax.random.key(0), heads))
    u, free_step, B, C = _driving((heads, HEAD_SIZE), (heads,), N, length)
    free_step = free_step + start.step_bias[None, None]

    def ours(u, free_step, B, C, method):
        system = ssd.Parameters(start.A, 0.0, 0.0)
        return ssd.apply(system, u, free_step, B[:, :, None], C[:, :, None], method=method)[0]

    plain = partial(baselines.ssd, start.A)
    functions = {name: partial(ours, method=name) for name in ("chunked", "scan")}
    yield from _selective_cases("ssd", functions | {"plain": plain}, (u, free_step, B, C))


def selective(H: int, length: int) -> Iterator[Case]:
    """Yields cases of S6 with 16 states for each of H features, and the published start."""
    start = trainable.constrain(selective_weights.init_s6(jax.random.key(0), H, CHANNEL_STATES))
    u, free_step, B, C = _driving((H,), (H,), CHANNEL_STATES, length)
    free_step = free_step + start.step_bias[None, None]

    def ours(u, free_step, B, C, method):
        return s6.apply(s6.Parameters(start.A, 0.0, 0.0), u, free_step, B, C, method=method)[0]

    plain = partial(baselines.s6, start.A)
    functions = {name: partial(ours, method=name) for name in ("scan", "chunked", "associative")}
    yield from _selective_cases("s6", functions | {"plain": plain}, (u, free_step, B, C))


def _driving(
    features: tuple[int, ...], systems: tuple[int, ...], states: int, length: int
) -> list[jax.Array]:
    """Draws inputs, free steps, B and C of a batch."""
    rng, rows = np.random.default_rng(0), max(1, SCANNED // length)
    shapes = (features, systems, (states,), (states,))
    return [jnp.asarray(rng.normal(size=(rows, length, *x)), jnp.float32) for x in shapes]


def _selective_cases(
    subject: str, functions: dict[str, Callable[..., Any]], arguments: tuple
) -> Iterator[Case]:
    """Yields cases that are compared on one row: all features share B and C."""

    def few(tree):
        return jax.tree.map(lambda x: x[:1], tree)

    rows, length = arguments[0].shape[:2]
    exact = functions["plain"] if length <= LONGEST_EXACT else None
    for method, function in functions.items():
        yield Case(f"{subject}/{method}", function, arguments, few, few, exact, rows)


SUBJECTS: dict[str, Callable[[int, int], Iterator[Case]]] = {
    "diagonal": diagonal,
    "low_rank": low_rank,
    "convolution": convolved,
    "recurrence": scanned,
    "ssd": state_space_dual,
    "s6": selective,
    "attention": attended,
}
