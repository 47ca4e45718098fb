"""Predictions of a decision transformer along recorded episodes: the model as critic."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jax_s4rl.models import policy
from jax_s4rl.modules import heads


def predict_along(
    acting: policy.Policy,
    params: Any,
    observations: Num[Array, "batch length *shape"],
    actions: Num[Array, "batch length *action"],
    returns_to_go: Float[Array, "batch length"],
) -> heads.Predictions:
    """Predicts at every step of whole episodes, with the memory that the policy has when it acts.

    The model runs step by step, so that episodes may be longer than its context. The prediction of
    a step depends on earlier steps and the observation of this step, never on its own action. In a
    row with a shorter episode, steps after its end change no prediction before.

    Args:
        acting: Policy whose memory is carried.
        params: Parameters of its model.
        observations: Observations from the first step of each episode on, unscaled.
        actions: Actions taken at each step.
        returns_to_go: Returns-to-go that the model is conditioned on at each step, unscaled; if
            `returns` is not "inside", they change no predicted return.

    Returns:
        The predictions, [batch, length, ...], without next observations.

    Raises:
        ValueError: The episodes are longer than the policy can act.
    """
    batch, length = actions.shape[:2]
    if length > acting.max_steps:
        raise ValueError(
            f"episodes have {length} steps but the policy was made for {acting.max_steps}; "
            "make it with a larger max_steps"
        )
    prepared = acting.prepare(params)

    def body(
        state: policy.PolicyState, step: tuple[Array, ...]
    ) -> tuple[policy.PolicyState, heads.Predictions]:
        predicted, state = acting.follow(prepared, state, *step)
        return state, predicted

    # `scan` runs over the first axis, so time comes before the batch and goes back afterwards.
    by_step = [jnp.swapaxes(x, 0, 1) for x in (observations, returns_to_go, actions)]
    _, predicted = jax.lax.scan(body, acting.init(prepared, batch), tuple(by_step))
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), predicted)


def predicted_returns(
    acting: policy.Policy,
    params: Any,
    observations: Num[Array, "batch length *shape"],
    actions: Num[Array, "batch length *action"],
) -> Float[Array, "batch length"]:
    """Predicts the return from every step of recorded episodes on, before its action is known.

    Args:
        acting: Policy whose memory is carried; its model has a return head.
        params: Parameters of its model.
        observations: Observations from the first step of each episode on, unscaled.
        actions: Actions taken at each step.

    Returns:
        Predicted returns-to-go, in the unit of the rewards.

    Raises:
        ValueError: The model predicts no return, or the episodes are longer than the policy can
            act.
    """
    if not acting.config.model.return_loss:
        raise ValueError(
            "the model has no return head; "
            "train it with return_loss above 0 and returns='outside' or 'none'"
        )
    # A model with a return head has no returns in its memory, so any target gives the same result.
    targets = jnp.zeros(actions.shape[:2])
    predicted: Any = predict_along(acting, params, observations, actions, targets).return_to_go
    return predicted
