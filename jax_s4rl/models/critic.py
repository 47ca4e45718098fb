"""What a decision model says along episodes that were recorded: the model as critic of what happened."""

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
    """Predictions at every step of whole episodes, with the memory that the policy has when it acts.

    Step by step, so that episodes may be longer than the model's context. What a step predicts rests on what came up to
    it and never on its own action; what follows the end of a shorter episode in a row changes nothing before it.

    Args:
      acting: the policy whose memory is carried.
      params: of its model.
      observations: from each episode's first step on, unscaled.
      actions: taken at each step.
      returns_to_go: told to the model at each step, unscaled; where `returns` is not "inside" they change no
        predicted return.

    Returns:
      The predictions, [batch, length, ...], without next observations.

    Raises:
      ValueError: the episodes are longer than the policy acts.
    """
    batch, length = actions.shape[:2]
    if length > acting.max_steps:
        raise ValueError(f"episodes have {length} steps but the policy was made for {acting.max_steps}; raise that")
    prepared = acting.prepare(params)

    def body(state: policy.PolicyState, step: tuple[Array, ...]) -> tuple[policy.PolicyState, heads.Predictions]:
        predicted, state = acting.follow(prepared, state, *step)
        return state, predicted

    by_step = [jnp.swapaxes(x, 0, 1) for x in (observations, returns_to_go, actions)]
    _, predicted = jax.lax.scan(body, acting.init(prepared, batch), tuple(by_step))
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), predicted)


def predicted_returns(
    acting: policy.Policy,
    params: Any,
    observations: Num[Array, "batch length *shape"],
    actions: Num[Array, "batch length *action"],
) -> Float[Array, "batch length"]:
    """The return to be expected from every step of recorded episodes on, before its action is known.

    Args:
      acting: the policy whose memory is carried; its model has a return head.
      params: of its model.
      observations: from each episode's first step on, unscaled.
      actions: taken at each step.

    Returns:
      Predicted returns-to-go, in the unit of the rewards.

    Raises:
      ValueError: the model predicts no return, or the episodes are longer than the policy acts.
    """
    if not acting.config.model.return_loss:
        raise ValueError("the model has no return head; train it with return_loss above 0 and returns outside or none")
    told = jnp.zeros(actions.shape[:2])  # a model with a return head has no returns in its memory
    found: Any = predict_along(acting, params, observations, actions, told).return_to_go
    return found
