"""Attribution of predictions to earlier steps: gradients for every mixer, and attention weights.

Windows are the arguments of `DecisionTransformer.__call__`, by name. If a step has several tokens
(interleaved), its attribution combines all of them.
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
    """Attributes the prediction at one step of each row to the embedded inputs of all steps.

    With `x_j` the embedded tokens of step j and `l` the logit of the action taken at step `steps`,
    or the return predicted there, the attribution is `|dl / dx_j|` or `|x_j . dl / dx_j|`. It is
    defined alike for all mixers, so that they can be compared.

    Args:
        config: Shape of the model.
        params: Parameters of the model.
        window: Arguments of the model, whole episodes or windows of them.
        steps: Step of each row whose prediction is explained.
        method: Method, "gradient" or "input_times_gradient".
        of: Prediction that is explained: "action", which has to be discrete, or "return", which
            needs a return head.

    Returns:
        Attributions of at least zero, not normalized; zero at all steps after `steps`.

    Raises:
        ValueError: Actions are continuous, no return is predicted, or the method or prediction is
            unknown.

    Source:
        Simonyan et al. (2014), "Deep Inside Convolutional Networks", section 3; input x gradient:
        Shrikumar et al. (2016), "Not Just a Black Box", section 2.
    """
    _check(config, method, of)
    tokens = _tokens(config, params, window)
    taken = jnp.take_along_axis(window["actions"], steps[:, None], axis=1)

    def explained(change: Float[Array, "batch tokens width"]) -> Float[Array, ""]:
        # The model adds this perturbation to its tokens, so its gradient at zero is theirs.
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
    """Computes the attention weights between all tokens in every attention layer.

    They are computed again from the projections of the model, in float32 and as a whole matrix;
    this is meant for inspection, not for training.

    Args:
        config: Shape of the model, whose mixer is attention.
        params: Parameters of the model.
        window: Arguments of the model.

    Returns:
        Attention weights, with queries on the second last axis and keys on the last. They sum up to
        one over the keys; rows of padding are zero.

    Raises:
        ValueError: The mixer is not attention.

    Source:
        Vaswani et al. (2017), "Attention Is All You Need", equation (1).
    """
    mixer = config.model.mixer
    if mixer.name != "attention":
        raise ValueError(
            f"mixer {mixer.name!r} has no attention weights; "
            "use `attribute`, which works for every mixer"
        )
    # Flax cannot capture intermediates of rematerialized blocks.
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, rematerialize=False)
    )
    captured: Any = decision_transformer.DecisionTransformer(config).apply(
        {"params": params},
        **window,
        capture_intermediates=lambda module, _: module.name == "projections",
        mutable=["intermediates"],
    )[1]
    blocks = [
        captured["intermediates"][f"blocks_{number}"] for number in range(config.model.num_layers)
    ]
    ranks = _ranks(window["mask"], window.get("resets"), config.model.tokens_per_step)
    return jnp.stack(
        [_weights(mixer, block["mixer"]["projections"]["__call__"][0], *ranks) for block in blocks]
    )


def attention_to_steps(
    config: configs.DecisionTransformerConfig,
    maps: Float[Array, "layers batch heads tokens tokens"],
    steps: Int[Array, " batch"],
) -> Float[Array, "layers batch heads length"]:
    """Sums the attention weights of the token that predicts an action over the tokens of each step.

    Args:
        config: Shape of the model.
        maps: Attention weights that `attention_maps` returned.
        steps: Step of each row whose prediction is explained.

    Returns:
        Weights that sum up to one over the steps.
    """
    between = attention_between_steps(config, maps)
    return jnp.take_along_axis(between, steps[None, :, None, None, None], axis=3)[:, :, :, 0]


def attention_between_steps(
    config: configs.DecisionTransformerConfig,
    maps: Float[Array, "layers batch heads tokens tokens"],
) -> Float[Array, "layers batch heads length length"]:
    """Sums the attention weights of the tokens that predict actions over the tokens of each step.

    Args:
        config: Shape of the model.
        maps: Attention weights that `attention_maps` returned.

    Returns:
        Weights of all steps (last axis) for the prediction of each step (second last axis); they
        sum up to one over the last axis.
    """
    count = config.model.tokens_per_step
    # Interleaved, the token before that of the action predicts it; concatenated, the only one.
    rows = maps[..., max(count - 2, 0) :: count, :]
    return jnp.sum(rows.reshape(*rows.shape[:-1], -1, count), axis=-1)


def _check(config: configs.DecisionTransformerConfig, method: str, of: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose one of {', '.join(METHODS)}")
    if of not in EXPLAINED:
        raise ValueError(f"of is {of!r}; choose one of {', '.join(EXPLAINED)}")
    if of == ACTION and config.num_actions is None:
        raise ValueError(
            "actions are continuous, so the taken action has no logit to explain; "
            "use a model of discrete actions, or explain the return"
        )
    if of == RETURN and not config.model.return_loss:
        raise ValueError("the model has no return head; train it with return_loss above 0")


def _tokens(
    config: configs.DecisionTransformerConfig, params: Any, window: Mapping[str, Any]
) -> Float[Array, "..."]:
    """Embeds the inputs as tokens."""
    names = ("returns_to_go", "observations", "actions", "previous_actions", "time_steps")
    embedded: Any = decision_transformer.DecisionTransformer(config).apply(
        {"params": params},
        *(window[name] for name in names),
        method=lambda model, *inputs: model.tokenizer(*inputs),
    )
    return embedded


def _ranks(
    mask: Bool[Array, "batch length"], resets: Bool[Array, "batch length"] | None, count: int
) -> tuple[Int[Array, "batch tokens"], Int[Array, "batch tokens"], Bool[Array, "batch tokens"]]:
    """Counts real tokens as the attention kernel does.

    Returns:
        For each token, the number of real tokens before it in its row (its rank), the rank at which
        its episode starts, and whether it is real.
    """
    real = jnp.repeat(mask, count, axis=1)
    rank = jnp.cumsum(real, axis=1, dtype=jnp.int32) - real.astype(jnp.int32)
    if resets is None:
        return rank, jnp.zeros_like(rank), real
    # A reset is at the first token of its step; the latest start so far is a running maximum.
    starts = jnp.zeros_like(real).at[:, ::count].set(resets)
    return rank, jax.lax.cummax(jnp.where(starts, rank, 0), axis=1), real


def _weights(
    mixer: Any,
    projections: Float[Array, "batch tokens three_widths"],
    rank: Int[Array, "batch tokens"],
    oldest: Int[Array, "batch tokens"],
    real: Bool[Array, "batch tokens"],
) -> Float[Array, "batch heads tokens tokens"]:
    queries, keys, _ = jnp.unstack(
        projections.astype(jnp.float32).reshape(*projections.shape[:2], 3, mixer.num_heads, -1),
        axis=2,
    )
    if mixer.positions == attention.ROTARY:
        positions = jnp.maximum(rank - oldest, 0)
        queries, keys = attention.rotate(queries, positions), attention.rotate(keys, positions)
    if mixer.window is not None:
        oldest = jnp.maximum(oldest, rank - mixer.window + 1)
    # Queries are on the second last axis, keys on the last; a key is visible if its rank is between
    # the oldest one allowed and that of the query.
    in_range = (rank[:, None, :] >= oldest[:, :, None]) & (rank[:, None, :] <= rank[:, :, None])
    visible = (in_range & real[:, None, :] & real[:, :, None])[:, None]
    scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) / jnp.sqrt(jnp.float32(queries.shape[-1]))
    # The maximum is subtracted so that no exponential overflows. Hidden scores may exceed it, so
    # they are replaced before the exponential as well.
    highest = jnp.max(
        scores, axis=-1, keepdims=True, initial=jnp.finfo(jnp.float32).min, where=visible
    )
    weights = jnp.where(visible, jnp.exp(jnp.where(visible, scores - highest, 0.0)), 0.0)
    # Rows of padding have no visible key; they become zero and not NaN.
    return weights / jnp.maximum(
        jnp.sum(weights, axis=-1, keepdims=True), jnp.finfo(jnp.float32).tiny
    )
