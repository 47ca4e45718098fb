"""Which earlier steps a prediction rests on: gradients for every mixer, and the weights of attention.

Windows are given as the arguments of `DecisionTransformer.__call__`, by name. Steps of which several tokens are made
(interleaved) are summed up over their tokens.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.models import configs, decision_transformer
from jax_s4rl.modules import attention

GRADIENT = "gradient"
INPUT_TIMES_GRADIENT = "input_times_gradient"
METHODS = (GRADIENT, INPUT_TIMES_GRADIENT)
ACTION, RETURN = "action", "return"
EXPLAINED = (ACTION, RETURN)


def attribute(
    config: configs.DecisionTransformerConfig,
    params: Any,
    window: Mapping[str, Any],
    steps: Int[Array, " batch"],
    *,
    method: str = GRADIENT,
    of: str = ACTION,
) -> Float[Array, "batch length"]:
    """How much what is predicted at one step of each row hangs on the embedded input of every step.

    With `x_j` the embedded tokens of step j and `l` the logit of the action taken at step `steps`, or the return
    predicted there: `|dl / dx_j|`, or `|x_j . dl / dx_j|`. The same for every mixer, so that they can be compared.

    Args:
      config: shape of the model.
      params: of the model.
      window: arguments of the model, whole episodes or windows of them.
      steps: of each row, the step whose prediction is to be explained.
      method: "gradient" or "input_times_gradient".
      of: what is explained: "action", which is discrete, or "return", which needs a return head.

    Returns:
      At least zero, and zero at all steps after `steps`; not normalized.

    Raises:
      ValueError: actions are continuous, no return is predicted, or another method or prediction.

    Source: Simonyan et al. (2014), "Deep Inside Convolutional Networks", section 3; input x gradient: Shrikumar et al.
    (2016), "Not Just a Black Box", section 2.
    """
    _check(config, method, of)
    tokens = _tokens(config, params, window)
    taken = jnp.take_along_axis(window["actions"], steps[:, None], axis=1)

    def explained(change: Float[Array, "batch tokens width"]) -> Float[Array, ""]:
        variables = {"params": params, "perturbations": {"tokens": change}}
        predicted: Any = decision_transformer.DecisionTransformer(config).apply(variables, **window)
        if of == RETURN:
            return jnp.sum(jnp.take_along_axis(predicted.return_to_go, steps[:, None], axis=1))
        at_step = jnp.take_along_axis(predicted.action, steps[:, None, None], axis=1)
        # Rows do not mix, so the gradient of the sum is that of each row.
        return jnp.sum(jnp.take_along_axis(at_step, taken[..., None], axis=2))

    gradient = jax.grad(explained)(jnp.zeros_like(tokens))
    per_step = (gradient.shape[0], -1, config.model.tokens_per_step * gradient.shape[-1])
    if method == GRADIENT:
        return jnp.linalg.norm(gradient.reshape(per_step), axis=-1)
    return jnp.abs(jnp.sum((tokens * gradient).reshape(per_step), axis=-1))


def attention_maps(
    config: configs.DecisionTransformerConfig, params: Any, window: Mapping[str, Any]
) -> Float[Array, "layers batch heads tokens tokens"]:
    """The weights with which every token of every attention layer looks at every other.

    They are computed again from the projections that the model makes, in float32, as a whole matrix: meant for looking,
    not for training.

    Args:
      config: shape of the model, whose mixer is attention.
      params: of the model.
      window: arguments of the model.

    Returns:
      Rows (the second last axis are the tokens that look) sum up to one; those of padding are zero.

    Raises:
      ValueError: the mixer is not attention.

    Source: Vaswani et al. (2017), "Attention Is All You Need", equation (1).
    """
    chosen = config.model.mixer
    if chosen.name != "attention":
        raise ValueError(f"mixer {chosen.name!r} has no attention weights; `attribute` works for every mixer")
    # Rematerialized blocks keep nothing to be looked at.
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, rematerialize=False))
    kept: Any = decision_transformer.DecisionTransformer(config).apply(
        {"params": params},
        **window,
        capture_intermediates=lambda module, _: module.name == "projections",
        mutable=["intermediates"],
    )[1]
    blocks = [kept["intermediates"][f"blocks_{number}"] for number in range(config.model.num_layers)]
    sight = _sight(window["mask"], window.get("resets"), config.model.tokens_per_step)
    return jnp.stack([_weights(chosen, block["mixer"]["projections"]["__call__"][0], *sight) for block in blocks])


def attention_to_steps(
    config: configs.DecisionTransformerConfig,
    maps: Float[Array, "layers batch heads tokens tokens"],
    steps: Int[Array, " batch"],
) -> Float[Array, "layers batch heads length"]:
    """The weights with which the token that predicts an action looks at every step.

    Args:
      config: shape of the model.
      maps: what `attention_maps` returned.
      steps: of each row, the step whose prediction is to be explained.

    Returns:
      Weights that sum up to one over the steps.
    """
    count = config.model.tokens_per_step
    looking = steps * count + max(count - 2, 0)  # interleaved, the token before the action's
    rows = jnp.take_along_axis(maps, looking[None, :, None, None, None], axis=3)[:, :, :, 0]
    return jnp.sum(rows.reshape(*rows.shape[:-1], -1, count), axis=-1)


def _check(config: configs.DecisionTransformerConfig, method: str, of: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose one of {', '.join(METHODS)}")
    if of not in EXPLAINED:
        raise ValueError(f"of is {of!r}; choose one of {', '.join(EXPLAINED)}")
    if of == ACTION and config.num_actions is None:
        raise ValueError("actions are continuous, and no logit says how likely one is; explain discrete actions")
    if of == RETURN and not config.model.return_loss:
        raise ValueError("the model has no return head; train it with return_loss above 0")


def _tokens(config: configs.DecisionTransformerConfig, params: Any, window: Mapping[str, Any]) -> Float[Array, "..."]:
    """The embedded inputs."""
    names = ("returns_to_go", "observations", "actions", "previous_actions", "time_steps")
    found: Any = decision_transformer.DecisionTransformer(config).apply(
        {"params": params}, *(window[name] for name in names), method=lambda model, *inputs: model.tokenizer(*inputs)
    )
    return found


def _sight(
    mask: Bool[Array, "batch length"], resets: Bool[Array, "batch length"] | None, count: int
) -> tuple[Int[Array, "batch tokens"], Int[Array, "batch tokens"], Bool[Array, "batch tokens"]]:
    """Of each token: how many real ones come before it in the row, and before its episode, and whether it is real."""
    real = jnp.repeat(mask, count, axis=1)
    rank = jnp.cumsum(real, axis=1, dtype=jnp.int32) - real.astype(jnp.int32)
    if resets is None:
        return rank, jnp.zeros_like(rank), real
    starts = jnp.zeros_like(real).at[:, ::count].set(resets)
    return rank, jax.lax.cummax(jnp.where(starts, rank, 0), axis=1), real


def _weights(
    chosen: Any,
    projections: Float[Array, "batch tokens three_widths"],
    rank: Int[Array, "batch tokens"],
    oldest: Int[Array, "batch tokens"],
    real: Bool[Array, "batch tokens"],
) -> Float[Array, "batch heads tokens tokens"]:
    queries, keys, _ = jnp.unstack(
        projections.astype(jnp.float32).reshape(*projections.shape[:2], 3, chosen.num_heads, -1), axis=2
    )
    if chosen.positions == attention.ROTARY:
        positions = jnp.maximum(rank - oldest, 0)
        queries, keys = attention.rotate(queries, positions), attention.rotate(keys, positions)
    if chosen.window is not None:
        oldest = jnp.maximum(oldest, rank - chosen.window + 1)
    ahead = (rank[:, None, :] >= oldest[:, :, None]) & (rank[:, None, :] <= rank[:, :, None])
    seen = (ahead & real[:, None, :] & real[:, :, None])[:, None]
    scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) / jnp.sqrt(jnp.float32(queries.shape[-1]))
    highest = jnp.max(scores, axis=-1, keepdims=True, initial=jnp.finfo(jnp.float32).min, where=seen)
    weights = jnp.where(seen, jnp.exp(jnp.where(seen, scores - highest, 0.0)), 0.0)
    return weights / jnp.maximum(jnp.sum(weights, axis=-1, keepdims=True), jnp.finfo(jnp.float32).tiny)
