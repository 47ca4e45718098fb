"""Credit of recorded actions from a decision transformer against a clone of the same episodes.

A decision transformer knows `q(a | history, return)`, a clone without returns `b(a | history)`.
Their ratio says how much likelier the return makes an action: hindsight credit, for every mixer and
without a network of its own. `evaluation.umbrella` and `evaluation.key_door` have exact values.

    clone = hindsight_credit.train_clone(settings, task, seed=0)

trains both, and then a clone that learns actions by the advantage that they had in hindsight.
"""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import decision_transformer, inspection, loading, tasks
from jax_s4rl.data import returns, trajectories
from jax_s4rl.models import configs
from jax_s4rl.modules import tokens
from jax_s4rl.training import hindsight


class CreditMap(NamedTuple):
    """Credit of N recorded actions, in the order of the record.

    Attributes:
        credit: Credit `log q - log b` of each action that was taken, in nats.
        weights: Advantage `(1 - b / q) Z` of each action, with Z the return from its step on.
        hindsight: Log-probability of every action given history and return, `[N, actions]`.
        behavior: Log-probability of every action given the history alone, `[N, actions]`.
    """

    credit: Float[np.ndarray, " N"]
    weights: Float[np.ndarray, " N"]
    hindsight: Float[np.ndarray, "N actions"]
    behavior: Float[np.ndarray, "N actions"]


def check(record: trajectories.Trajectories) -> None:
    """Checks before a training that episodes can tell which actions led to their returns.

    Args:
        record: Episodes to learn from.

    Raises:
        ValueError: If actions are continuous, only one was ever taken, or all returns are the same.
    """
    if not record.is_discrete:
        raise ValueError(
            "got continuous actions, wanted discrete ones: credit is a ratio of their "
            "probabilities; bin the actions, or take other data"
        )
    actions, achieved = np.unique(record.actions), np.unique(record.episode_returns)
    if len(actions) < 2:
        raise ValueError(
            f"got {record.num_steps} steps that all take action {actions[0]}, wanted two actions "
            "or more: nothing else could have been done; record a behavior with more randomness"
        )
    if len(achieved) < 2:
        raise ValueError(
            f"got {record.num_episodes} episodes that all have the return {achieved[0]:g}, wanted "
            "different returns: an equal one explains no action; take other data or rewards"
        )


def of_record(
    trained: inspection.Model, clone: inspection.Model, record: trajectories.Trajectories
) -> CreditMap:
    """Computes the credit of every recorded action.

    Args:
        trained: Decision transformer that is conditioned on returns.
        clone: Model of the same episodes without returns (`returns="none"`).
        record: Episodes of their task, for instance one that was recorded or acted.

    Returns:
        The credit.

    Raises:
        ValueError: If the first model has no returns, the second one has, they do not fit each
            other, or one of them predicts no probabilities.
    """
    _check_pair(trained.config, clone.config)
    found = inspection.action_log_probabilities(trained, record)
    behavior = inspection.action_log_probabilities(clone, record)
    # Both are normalized, so that their difference is what `hindsight.log_ratios` computes of them.
    ratios = hindsight.log_ratios(jnp.asarray(found), jnp.asarray(behavior))
    credit = hindsight.taken(ratios, jnp.asarray(record.actions))
    to_go = jnp.asarray(returns.returns_to_go(record.rewards, record.episode_lengths))
    weights = hindsight.return_weights(credit, to_go)
    return CreditMap(np.asarray(credit), np.asarray(weights), found, behavior)


def of_agents(
    agent: agents.Agent,
    clone: agents.Agent,
    data: loading.Data,
    reading: loading.Reading | None = None,
    *,
    number: int = 0,
) -> CreditMap:
    """Computes the credit of every action of episodes in any form, from two trained agents.

        hindsight_credit.check(tasks.load("key_to_door/dt/random-1000").record)
        agent = jax_s4rl.train("key_to_door/dt/random-1000")
        clone = jax_s4rl.train("key_to_door/dt/random-1000", returns="none")
        episodes = jax_s4rl.evaluate(agent).record
        credit = hindsight_credit.of_agents(agent, clone, episodes).credit

    Args:
        agent: Agent that is conditioned on returns.
        clone: Agent of the same data that was trained with `returns="none"`.
        data: Episodes in any form that `agents.agent.train` takes.
        reading: How data are read that say less than a record holds.
        number: Index of both models among their seeds.

    Returns:
        The credit, see `of_record`.

    Raises:
        ValueError: If the data cannot be read, or do not fit, or the agents do not fit each other.
    """
    record = agent.read(data, reading)
    return of_record(_model(agent, number), _model(clone, number), record)


def train_clone(
    settings: decision_transformer.Settings, task: tasks.Task, *, seed: int
) -> decision_transformer.Trained:
    """Trains a clone of recorded actions that weigh by their advantage in hindsight.

    Three trainings of the same length: a model that is conditioned on returns and a clone, whose
    ratio gives the weights, and the clone that learns from them.

    Args:
        settings: Settings of the model that is conditioned on returns; those of the clones follow.
        task: Task with the episodes to learn from.
        seed: Seed of all three trainings.

    Returns:
        The clone, which acts without returns.

    Raises:
        ValueError: If the episodes do not tell which actions led to their returns, no action has a
            positive advantage, or the model is not conditioned on returns.
    """
    check(task.record)
    weighting = "uniform" if settings.weighting == "balanced" else settings.weighting
    model = dataclasses.replace(settings.model, returns=tokens.NONE)
    alone = dataclasses.replace(settings, model=model, weighting=weighting)
    _check_pair(*(decision_transformer.configure(each, task) for each in (settings, alone)))
    (trained,) = decision_transformer.train(settings, task, seeds=(seed,))
    (clone,) = decision_transformer.train(alone, task, seeds=(seed,))
    weights = cloning_weights(of_record(trained, clone, task.record).weights)
    (weighted,) = decision_transformer.train(alone, task, seeds=(seed,), loss_weights=weights)
    return weighted


def cloning_weights(advantages: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Makes weights of recorded actions from advantages; those above 0 have a mean of 1.

    Actions of a negative advantage are left out: to make them less likely without end is no
    cloning.

    Args:
        advantages: Advantage of each action, for instance `CreditMap.weights`.

    Returns:
        The weights, 0 or more.

    Raises:
        ValueError: If no advantage is above 0.

    Example:
        >>> cloning_weights(np.array([-1.0, 2.0, 0.0, 6.0])).tolist()
        [0.0, 0.5, 0.0, 1.5]
    """
    positive = np.maximum(advantages, 0)
    if not positive.any():
        raise ValueError(
            "got no action with a positive advantage, wanted some to clone; take data with returns "
            "above 0, or add a constant to the rewards"
        )
    return positive / positive[positive > 0].mean()


class _Model(NamedTuple):
    """One model of an agent, see `inspection.Model`."""

    config: configs.DecisionTransformerConfig
    memory: str
    params: Any


def _model(agent: agents.Agent, number: int) -> _Model:
    memory = decision_transformer.memory(agent.description.settings)
    return _Model(agent.description.model, memory, agent.params_of(number))


def _check_pair(
    trained: configs.DecisionTransformerConfig, clone: configs.DecisionTransformerConfig
) -> None:
    if trained.model.returns == tokens.NONE:
        raise ValueError(
            "got a first model with returns='none', wanted one that is conditioned on returns; "
            "train it with returns='inside' or 'outside'"
        )
    if clone.model.returns != tokens.NONE:
        raise ValueError(
            f"got a clone with returns={clone.model.returns!r}, wanted one that does not know "
            "returns; train it with returns='none'"
        )
    facts = ("observation_shape", "num_actions")
    own, other = ([getattr(each, name) for name in facts] for each in (trained, clone))
    if own != other:
        raise ValueError(
            f"got models of observations and actions {own} and {other}, wanted the same; train "
            "both on one dataset"
        )
