"""Update of recurrent PPO: rows of whole environments, run again from the state before them.

Every pass runs a row from the state that was stored when it was played (truncated back-propagation
with a stale state). The flags of a step say what happened before it: whether it is the first one of
an episode. So at the first gradient step every probability ratio is 1.
"""

import dataclasses
import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jax_s4rl import parameter_groups
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.collection.ppo import objective
from jax_s4rl.models import recurrent_actor_critic
from jax_s4rl.training import optimizer


class Rows(NamedTuple):
    """One row of T steps of each of B environments.

    Attributes:
        start: State of every block of the networks before the rows.
        inputs: Inputs of all steps, `[B, T, ...]`.
        actions: Actions taken.
        log_probability: Log-probability of each action when it was taken.
        values: Values when the actions were taken.
        next_values: Values of the true next observations, with the memory of the steps before.
        outcomes: Rewards and ends, with time as the first axis, `[T, B]`.
    """

    start: list[Any]
    inputs: recurrent_actor_critic.Inputs
    actions: Int[Array, "B T"]
    log_probability: Float[Array, "B T"]
    values: Float[Array, "B T"]
    next_values: Float[Array, "B T"]
    outcomes: objective.Outcomes


class Minibatch(NamedTuple):
    """Rows of some environments, of which a gradient step is made.

    Attributes:
        start: State of every block before the rows; it gets no gradient.
        inputs: Inputs of all steps, `[M, T, ...]`.
        viewed: What the form of PPO computed for them before the gradient steps, see `Form.view`.
    """

    start: list[Any]
    inputs: recurrent_actor_critic.Inputs
    viewed: Any


class Form(Protocol):
    """What kinds of PPO differ in; their updates are the same otherwise."""

    def view(
        self, config: Any, rules: "Rules", params: Any, rows: Rows
    ) -> tuple[Any, objective.Metrics]:
        """Computes what all gradient steps of a round share.

        Args:
            config: Shape of the networks.
            rules: Rules of the updates.
            params: Parameters that played the rows.
            rows: Rows that were played.

        Returns:
            Arrays that the loss takes, `[B, T, ...]`, and metrics of the rows.
        """
        ...

    def loss(
        self,
        config: Any,
        weights: objective.Weights,
        params: Any,
        part: Minibatch,
        progress: Float[Array, ""],
    ) -> tuple[Float[Array, ""], objective.Metrics]:
        """Computes the loss of a minibatch.

        Args:
            config: Shape of the networks.
            weights: Weights and ranges of PPO's loss.
            params: Parameters of the networks.
            part: Rows of the minibatch.
            progress: Share of the training that is done, from 0 to 1.

        Returns:
            The loss, and its parts as metrics.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Plain:
    """PPO as it is."""

    def view(
        self, config: Any, rules: "Rules", params: Any, rows: Rows
    ) -> tuple[objective.Played, objective.Metrics]:
        """Estimates the advantages, see `estimate`."""
        del config, params
        return estimate(rules, rows), {}

    def loss(
        self,
        config: recurrent_actor_critic.RecurrentConfig,
        weights: objective.Weights,
        params: Any,
        part: Minibatch,
        progress: Float[Array, ""],
    ) -> tuple[Float[Array, ""], objective.Metrics]:
        """Computes PPO's loss, see `loss`."""
        del progress
        return loss(config, weights, params, *part)


class Rules(NamedTuple):
    """What an update depends on besides its data.

    Attributes:
        weights: Weights and ranges of the loss.
        discount: Discount factor of rewards.
        gae_lambda: Decay factor lambda of generalized advantage estimation.
        optimization: Learning rate and clipping of Adam.
        num_steps: Number of gradient steps of the whole training.
        form: Kind of PPO.
    """

    weights: objective.Weights
    discount: float
    gae_lambda: float
    optimization: optimizer.OptimizerConfig
    num_steps: int
    form: Form = Plain()


class TrainState(NamedTuple):
    """State of the training that an update changes.

    Attributes:
        params: Parameters of the networks.
        optimizer_state: State of the optimizer.
    """

    params: Any
    optimizer_state: Any


def start(
    config: recurrent_actor_critic.RecurrentConfig, rules: Rules, key: jax.Array
) -> TrainState:
    """Draws parameters, and returns the state before the first update.

    Args:
        config: Shape of the networks.
        rules: Rules of the updates.
        key: Typed random key.

    Returns:
        The state.

    Raises:
        ValueError: If a number of the optimizer is out of its range.
    """
    transformation = _optimizer(rules)
    params = jax.jit(recurrent_actor_critic.init, static_argnums=0)(config, key)
    return TrainState(params, transformation.init(params))


@functools.partial(jax.jit, static_argnums=(0, 1))
def update(
    config: recurrent_actor_critic.RecurrentConfig,
    rules: Rules,
    state: TrainState,
    rows: Rows,
    order: Int[np.ndarray, "minibatches M"],
    progress: Float[np.ndarray, ""],
) -> tuple[TrainState, objective.Metrics]:
    """Updates the networks from one row of each environment.

    Args:
        config: Shape of the networks.
        rules: Rules of the updates.
        state: State before the update.
        rows: Rows that were played with the parameters of the state.
        order: Environments whose rows make each gradient step, from `draw_order`.
        progress: Share of the training that is done, from 0 to 1.

    Returns:
        The state after the update, and the metrics of the rows and the mean ones of its gradient
        steps.
    """
    viewed, metrics_of_rows = rules.form.view(config, rules, state.params, rows)
    gradient = jax.value_and_grad(rules.form.loss, argnums=2, has_aux=True)

    def minibatch(
        state: TrainState, chosen: Int[Array, " M"]
    ) -> tuple[TrainState, objective.Metrics]:
        whole = Minibatch(rows.start, rows.inputs, viewed)
        part = jax.tree.map(lambda array: array[chosen], whole)
        (_, metrics), gradients = gradient(
            config, rules.weights, state.params, part, jnp.asarray(progress)
        )
        changes, after = _optimizer(rules).update(gradients, state.optimizer_state, state.params)
        return TrainState(jax.tree.map(jnp.add, state.params, changes), after), metrics

    state, metrics = jax.lax.scan(minibatch, state, jnp.asarray(order))
    return state, metrics_of_rows | jax.tree.map(jnp.mean, metrics)


def estimate(rules: Rules, rows: Rows) -> objective.Played:
    """Estimates the advantages of rows.

    Args:
        rules: Rules of the updates, of which discount and lambda count.
        rows: Rows that were played.

    Returns:
        The steps with advantages and targets of the critic, `[B, T]`.
    """
    gains = objective.advantages(
        rows.outcomes, rows.values.T, rows.next_values.T, rules.discount, rules.gae_lambda
    ).T
    return objective.Played(
        rows.actions, rows.log_probability, rows.values, gains, gains + rows.values
    )


def loss(
    config: recurrent_actor_critic.RecurrentConfig,
    weights: objective.Weights,
    params: Any,
    start: list[Any],
    inputs: recurrent_actor_critic.Inputs,
    played: objective.Played,
) -> tuple[Float[Array, ""], objective.Metrics]:
    """Computes PPO's loss of rows, which are run again from the state before them.

    Args:
        config: Shape of the networks.
        weights: Weights and ranges of the loss.
        params: Parameters of the networks.
        start: State of every block before the rows; it gets no gradient.
        inputs: Inputs of all steps, `[B, T, ...]`.
        played: The steps, `[B, T]`.

    Returns:
        The loss, and its parts as metrics.
    """
    _, found = recurrent_actor_critic.along(config, params, start, inputs)
    return objective.loss(outputs(found), played, weights, discrete=True)


def outputs(found: recurrent_actor_critic.Outputs) -> ppo_network.Outputs:
    """Returns what a recurrent network says in the form that PPO's objective takes."""
    return ppo_network.Outputs(found.logits, jnp.zeros_like(found.logits), found.value)


def draw_order(
    rng: np.random.Generator, num_envs: int, num_epochs: int, num_minibatches: int
) -> Int[np.ndarray, "minibatches M"]:
    """Shuffles the environments once per pass.

    Args:
        rng: Source of randomness.
        num_envs: Number of environments.
        num_epochs: Number of passes.
        num_minibatches: Number of gradient steps of a pass.

    Returns:
        Numbers of environments for each gradient step; those of one pass follow each other.

    Example:
        >>> order = draw_order(np.random.default_rng(0), 4, 3, 2)
        >>> order.shape, sorted(order[:2].ravel().tolist())
        ((6, 2), [0, 1, 2, 3])
    """
    rows = np.stack([rng.permutation(num_envs) for _ in range(num_epochs)]).astype(np.int32)
    return rows.reshape(num_epochs * num_minibatches, -1)


def _optimizer(rules: Rules) -> Any:
    return optimizer.make(rules.optimization, parameter_groups.DEFAULT, rules.num_steps)
