"""Checks that a sequence mixer keeps the promises of `mixers.Mixer`, for tests of any mixer."""

import itertools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.modules import groups, mixers

REAL = np.array([[0, 1, 1, 1, 1, 0, 1, 0], [1, 1, 1, 1, 1, 1, 1, 0]], bool)
"""Real tokens of the rows of `check`; padding precedes an episode or follows its end."""
STARTS = np.array([[0, 0, 0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 1, 0, 0, 0]], bool)
"""Starts of episodes in these rows. Row 0: padding, the rest of an episode, a second one, padding,
a third, padding. Row 1: two episodes and padding."""


def check(
    mixer: nn.Module,
    *,
    width: int | None = None,
    params: Any = None,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Checks a mixer on short rows: equal views, padding, episodes, and order of time.

    Whole rows, rows in chunks, single steps, and steps after a chunk have equal outputs, with
    resets and padding and without. No output and no gradient depends on padding, even if it holds a
    NaN, on later tokens, or on other episodes.

    Args:
        mixer: Mixer, for instance of `mixers.make`; for rows of 8 tokens.
        width: Number of features; that of the mixer if None.
        params: Variables to check it with; drawn by `mixer.init` if None.
        tolerance: Largest difference, as a share of the largest output.
        seed: Seed of inputs and parameters.

    Raises:
        AssertionError: A promise is not kept; the message says which one.
        ValueError: Neither `width` nor `mixer.width` gives the number of features.

    Example:
        >>> from jax_s4rl.modules import mlp
        >>> check(mlp.MLP(width=4))
    """
    width = width or getattr(mixer, "width", None)
    if width is None:
        raise ValueError("the number of features is not known; give width=")
    if lacking := [verb for verb in mixers.VERBS if not hasattr(mixer, verb)]:
        raise AssertionError(f"the mixer has no method {', '.join(lacking)}; see mixers.Mixer")
    param_key, x_key = jax.random.split(jax.random.key(seed))
    x = jax.random.normal(x_key, (*REAL.shape, width))
    if params is None:
        params = groups.strip(jax.jit(mixer.init)(param_key, x))
    check_shapes(mixer, params, x)
    check_hidden(mixer, params, x, real=REAL, starts=STARTS, tolerance=tolerance)
    # Sorted, padding precedes the tokens of a row; without resets, a mixer may take another way.
    check_hidden(mixer, params, x, real=np.sort(REAL, axis=1), tolerance=tolerance)
    check_views(mixer, params, x, real=REAL, starts=STARTS, bounds=(0, 2, 8), tolerance=tolerance)


def check_shapes(mixer: nn.Module, params: Any, x: Float[Array, "batch length width"]) -> None:
    """Checks shapes and dtypes of outputs and states; nothing is computed.

    Args:
        mixer: Mixer.
        params: Its variables.
        x: Features, or their shape (`jax.ShapeDtypeStruct`).

    Raises:
        AssertionError: A shape or dtype is wrong.
    """

    def views(params: Any, x: Array) -> tuple[Any, Any]:
        state = mixer.apply(params, *x.shape[:2], method="init_state")
        constants = mixer.apply(params, method="prepare")
        chunk = mixer.apply(params, x, state)
        return (mixer.apply(params, x), state, chunk), mixer.apply(
            params, constants, x[:, 0], state, method="step"
        )

    (whole, state, chunk), step = jax.eval_shape(views, params, x)
    for what, result in {"a chunk": chunk, "a step": step}.items():
        if not isinstance(result, tuple) or len(result) != 2:
            raise AssertionError(f"{what} returns {_shown(result)}; wanted outputs and state")
        if _shown(result[1]) != _shown(state):
            raise AssertionError(
                f"{what} returns the state {_shown(result[1])}; wanted that of init_state, "
                f"{_shown(state)}"
            )
    wanted = jax.ShapeDtypeStruct(x.shape, x.dtype)
    for what, got, one in (
        ("a whole sequence without a state", whole, wanted),
        ("a chunk", chunk[0], wanted),
        ("a step", step[0], jax.ShapeDtypeStruct((x.shape[0], x.shape[2]), x.dtype)),
    ):
        if _shown(got) != _shown(one):
            raise AssertionError(f"{what} returns {_shown(got)}; wanted {_shown(one)}")


def check_views(
    mixer: nn.Module,
    params: Any,
    x: Float[Array, "batch length width"],
    *,
    real: Bool[np.ndarray, "batch length"],
    starts: Bool[np.ndarray, "batch length"],
    bounds: Sequence[int],
    tolerance: float = 1e-5,
) -> None:
    """Checks that whole rows, chunks and single steps have equal outputs.

    Args:
        mixer: Mixer.
        params: Its variables.
        x: Features.
        real: False at padding, which precedes an episode or follows its end.
        starts: True where an episode starts.
        bounds: Borders of the chunks, from 0 to the length.
        tolerance: Largest difference, as a share of the largest output.

    Raises:
        AssertionError: Two views differ.
    """
    count, never = x.shape[0], np.zeros_like(starts)
    second = bounds[1]
    apply: Any = mixer.apply

    def views(params: Any, x: Array) -> dict[str, tuple[Array, Array]]:
        resets, mask = jnp.asarray(starts), jnp.asarray(real)
        whole, plain = apply(params, x, resets=resets, mask=mask), apply(params, x)
        chunks = _by_chunks(mixer, params, x, resets, mask, bounds)
        # Steps meet no padding. Packed and plain rows run side by side.
        both = jnp.concatenate([_compact(x, real), x])
        resets = jnp.concatenate([_compact(starts, real), jnp.asarray(never)])
        start = apply(params, 2 * count, x.shape[1], method="init_state")
        steps = _by_steps(mixer, params, both, start, resets)
        start = apply(params, count, x.shape[1], method="init_state")
        _, state = apply(params, x[:, :second], start)
        later = _by_steps(mixer, params, x[:, second:], state, resets[count:, second:])
        return {
            "chunk after chunk": (chunks, whole),
            "step by step": (steps[:count], _compact(whole, real)),
            "step by step without resets": (steps[count:], plain),
            "step by step after a chunk": (later, plain[:, second:]),
        }

    shown = {"chunk after chunk": real, "step by step": np.asarray(_compact(real, real))}
    for what, (got, wanted) in jax.jit(views)(params, x).items():
        places = shown.get(what, np.ones(got.shape[:2], bool))
        _compare(f"{what} differs from whole rows", got, wanted, places, tolerance)


def check_hidden(
    mixer: nn.Module,
    params: Any,
    x: Float[Array, "batch length width"],
    *,
    real: Bool[np.ndarray, "batch length"],
    starts: Bool[np.ndarray, "batch length"] | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Checks that padding, later tokens and other episodes change no output and no gradient.

    Args:
        mixer: Mixer.
        params: Its variables.
        x: Features.
        real: False at padding.
        starts: True where an episode starts; None for one episode in each row.
        tolerance: Largest difference, as a share of the largest output or gradient.

    Raises:
        AssertionError: Something that must be hidden has an effect.
    """
    resets = None if starts is None else jnp.asarray(starts)
    apply: Any = mixer.apply

    def total(params: Any, x: Array, weights: Array) -> tuple[Array, Array]:
        y = apply(params, x, resets=resets, mask=jnp.asarray(real))
        y = jnp.where(weights[..., None], y, 0.0)
        return jnp.sum(y**2), y

    derived = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))
    noise = 3 * jax.random.normal(jax.random.key(1), x.shape, x.dtype)
    early = np.broadcast_to(np.arange(x.shape[1]) < x.shape[1] // 2, real.shape)
    # What is hidden, the tokens whose outputs count, and the tokens that keep their features.
    cases = [
        ("padding", real, real, noise),
        ("NaN in padding", real, real, jnp.full_like(x, jnp.nan)),
        ("later tokens", real & early, early, noise),
    ]
    if starts is not None:
        second = real & (np.cumsum(starts, axis=1) == 1)
        cases.append(("other episodes", second, second, noise))
    for what, weights, kept, others in cases:
        (_, y), gradients = derived(params, x, weights)
        changed = jnp.where(kept[..., None], x, others)
        (_, new_y), new_gradients = derived(params, changed, weights)
        _compare(f"outputs depend on {what}", new_y, y, weights, tolerance)
        leaves = zip(jax.tree.leaves(new_gradients), jax.tree.leaves(gradients), strict=True)
        for got, wanted in leaves:
            _compare(f"gradients depend on {what}", got, wanted, None, tolerance)
        if np.any(np.where(kept[..., None], 0.0, gradients[1])):
            raise AssertionError(f"outputs have a gradient at {what}, which must have no effect")


def _by_chunks(
    mixer: nn.Module, params: Any, x: Array, resets: Array, mask: Array, bounds: Sequence[int]
) -> Any:
    state, parts = mixer.apply(params, *x.shape[:2], method="init_state"), []
    for begin, end in itertools.pairwise(bounds):
        flags: dict[str, Any] = {"resets": resets[:, begin:end], "mask": mask[:, begin:end]}
        y, state = mixer.apply(params, x[:, begin:end], state, **flags)
        parts.append(y)
    return jnp.concatenate(parts, axis=1)


def _by_steps(mixer: nn.Module, params: Any, x: Array, state: Any, resets: Array) -> Any:
    constants = mixer.apply(params, method="prepare")

    def body(state: Any, now: tuple[Array, Array]) -> Any:
        y, state = mixer.apply(params, constants, now[0], state, now[1], method="step")
        return state, y

    _, y = jax.lax.scan(body, state, (x.swapaxes(0, 1), resets.swapaxes(0, 1)))
    return y.swapaxes(0, 1)


def _compact(x: Any, real: Bool[np.ndarray, "batch length"]) -> Array:
    """Moves the real tokens of each row to the front, and padding behind them."""
    order = np.argsort(~real, axis=1, kind="stable")
    return jnp.asarray(x)[np.arange(real.shape[0])[:, None], order]


def _compare(what: str, got: Any, wanted: Any, places: np.ndarray | None, tolerance: float) -> None:
    shown = True if places is None else places[..., None]
    got, wanted = (np.where(shown, np.asarray(x, np.float64), 0.0) for x in (got, wanted))
    scale = float(np.max(np.abs(wanted), initial=0.0))
    is_close = np.abs(got - wanted) <= tolerance * scale + 1e-7  # False for a NaN.
    if np.all(is_close):
        return
    first = np.unravel_index(np.argmin(is_close), got.shape)
    raise AssertionError(
        f"{what}: first at {tuple(map(int, first))}, got {got[first]:.6g}, wanted "
        f"{wanted[first]:.6g} (at most {tolerance:g} of {scale:.3g} apart)"
    )


def _shown(tree: Any) -> str:
    """Returns dtypes and shapes of a tree in one line, for comparisons and messages."""
    return str(jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}", tree))
