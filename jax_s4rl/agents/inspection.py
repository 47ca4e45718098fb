"""Inspects trained decision transformers.

It computes the returns that they predict, the probabilities of their actions, and the steps that
their predictions depend on.
"""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.agents import decision_transformer, multi_seed
from jax_s4rl.data import returns, trajectories, windows
from jax_s4rl.models import attribution, configs, critic, policy
from jax_s4rl.modules import heads

# Number of episodes in one call of a compiled program.
ROWS = 64


class Model(Protocol):
    """A decision transformer with its parameters, for instance `decision_transformer.Trained`."""

    @property
    def config(self) -> configs.DecisionTransformerConfig:
        """Shape of the model."""
        ...

    @property
    def memory(self) -> str:
        """Treatment of the memory while acting, "restart" or "carry"."""
        ...

    @property
    def params(self) -> Any:
        """Parameters of the model."""
        ...


def predicted_returns(
    trained: decision_transformer.Trained, record: trajectories.Trajectories
) -> np.ndarray:
    """Predicts the return from every recorded step on, before the action of the step is known.

    The model runs step by step, as it acts, so that episodes may be longer than its context.

    Args:
        trained: Trained model with a return head (`return_loss` above 0).
        record: Episodes of its task.

    Returns:
        Predicted returns, float32 `[N]`, in the order of the record; `evaluation.critic` computes
        metrics of them.

    Raises:
        ValueError: If the model predicts no return, or an episode is longer than its time
            embedding.
    """
    acting = policy.Policy(trained.config, int(record.episode_lengths.max()), trained.memory)

    run = _predicted_returns(acting)
    # `run` ignores the steps, so any integer for each episode serves.
    return _real_steps(_by_parts(run, trained.params, record, record.episode_starts), record)


def attribute(
    trained: decision_transformer.Trained,
    record: trajectories.Trajectories,
    steps: np.ndarray,
    *,
    targets: np.ndarray | None = None,
    method: str = attribution.GRADIENT,
    of: str = attribution.ACTION,
) -> np.ndarray:
    """Attributes the prediction at one step of each episode to all steps up to it.

    It works for every mixer.

    Args:
        trained: Trained model whose context holds whole episodes.
        record: Episodes from a rollout or a dataset.
        steps: Step of each episode, `[E]`, whose action (or predicted return) is explained.
        targets: Target return at the start of each episode, `[E]`; the return of each episode if
            None.
        method: Method, "gradient" or "input_times_gradient", see `models.attribution.attribute`.
        of: Prediction that is explained, "action" or "return".

    Returns:
        Attributions, float32 `[E, longest]`: at least zero, zero after `steps`, not normalized.

    Raises:
        ValueError: If the model does not predict `of`, or an episode is longer than the context.
    """
    run = _attribute(trained.config, method, of)
    return _by_parts(run, trained.params, record, steps, targets)


def attend(
    trained: decision_transformer.Trained,
    record: trajectories.Trajectories,
    steps: np.ndarray,
    *,
    targets: np.ndarray | None = None,
) -> np.ndarray:
    """Computes the attention weights behind the predicted action at one step of each episode.

    Args:
        trained: Trained model with attention whose context holds whole episodes.
        record: Episodes from a rollout or a dataset.
        steps: Step of each episode, `[E]`, whose action is explained.
        targets: Target return at the start of each episode, `[E]`; the return of each episode if
            None.

    Returns:
        Weights, float32 `[E, layers, heads, longest]`; they sum to one over the steps.

    Raises:
        ValueError: If the model has another mixer, or an episode is longer than the context.
    """
    run = _attend(trained.config)
    return _by_parts(run, trained.params, record, steps, targets)


def attend_between_steps(
    trained: Model, record: trajectories.Trajectories, *, layer: int = -1
) -> np.ndarray:
    """Computes the attention weights between all steps in one layer.

    Args:
        trained: Trained model with attention whose context holds whole episodes.
        record: Episodes from a rollout or a dataset.
        layer: Index of the layer; the last one by default.

    Returns:
        Weights, float32 `[E, heads, longest, longest]`, of all steps (last axis) for the action
        predicted at each step (second last axis); zero in the padding.

    Raises:
        ValueError: If the model has another mixer, or an episode is longer than the context.
    """
    run = _attend_between_steps(trained.config, layer)
    # `run` ignores the steps, so any integer for each episode serves.
    return _by_parts(run, trained.params, record, record.episode_starts)


def first_actions(
    trained: decision_transformer.Trained, observations: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Computes the probability of every action at the first step, for each target return.

    The model predicts in the way it acts.

    Args:
        trained: Trained model with discrete actions.
        observations: First observation of each episode, `[E, *obs]`.
        targets: Target returns, `[T]`.

    Returns:
        Probabilities, float32 `[E, T, actions]`.

    Raises:
        ValueError: If the model predicts no probabilities: it was trained by squared error, or its
            actions are continuous.
    """
    _check_probabilities(trained.config)
    acting = policy.Policy(trained.config, 1, trained.memory)
    # One row for each pair: `repeat` and `tile` together give `[E * T]` in row-major order.
    num_episodes, num_targets = len(observations), len(targets)
    row_observations = jnp.asarray(np.repeat(observations, num_targets, axis=0))
    row_targets = jnp.asarray(np.tile(np.asarray(targets, np.float32), num_episodes))
    probabilities = _first_actions(acting)(trained.params, row_observations, row_targets)
    return np.asarray(probabilities).reshape(num_episodes, num_targets, -1)


def action_log_probabilities(
    trained: Model, record: trajectories.Trajectories, *, targets: np.ndarray | None = None
) -> np.ndarray:
    """Computes the log-probability of every action at every recorded step.

    The model runs step by step, as it acts, so that episodes may be longer than its context. The
    prediction of a step depends on the steps before, and never on the action that was taken there.

    Args:
        trained: Trained model with discrete actions.
        record: Episodes of its task.
        targets: Target return at the start of each episode, `[E]`; the return of each episode if
            None.

    Returns:
        Log-probabilities in nats, float32 `[N, actions]`, in the order of the record.

    Raises:
        ValueError: If the model predicts no probabilities: it was trained by squared error, or its
            actions are continuous; or if an episode is longer than its time embedding.
    """
    _check_probabilities(trained.config)
    acting = policy.Policy(trained.config, int(record.episode_lengths.max()), trained.memory)
    run = _action_log_probabilities(acting)
    # `run` ignores the steps, so any integer for each episode serves.
    found = _by_parts(run, trained.params, record, record.episode_starts, targets)
    return _real_steps(found, record)


# The last few programs stay, see `multi_seed.shared`.


@multi_seed.shared
def _predicted_returns(acting: policy.Policy) -> Callable[..., jax.Array]:
    @jax.jit
    def run(params: Any, window: windows.Windows, _: Any) -> jax.Array:
        return critic.predicted_returns(acting, params, window.observations, window.actions)

    return run


@multi_seed.shared
def _attribute(
    config: configs.DecisionTransformerConfig, method: str, of: str
) -> Callable[..., jax.Array]:
    @jax.jit
    def run(params: Any, window: windows.Windows, steps: jax.Array) -> jax.Array:
        return attribution.attribute(config, params, window.inputs(), steps, method=method, of=of)

    return run


@multi_seed.shared
def _attend(config: configs.DecisionTransformerConfig) -> Callable[..., jax.Array]:
    @jax.jit
    def run(params: Any, window: windows.Windows, steps: jax.Array) -> jax.Array:
        maps = attribution.attention_maps(config, params, window.inputs())
        # Episodes come first, so that the parts can be concatenated.
        return jnp.swapaxes(attribution.attention_to_steps(config, maps, steps), 0, 1)

    return run


@multi_seed.shared
def _attend_between_steps(
    config: configs.DecisionTransformerConfig, layer: int
) -> Callable[..., jax.Array]:
    @jax.jit
    def run(params: Any, window: windows.Windows, _: Any) -> jax.Array:
        maps = attribution.attention_maps(config, params, window.inputs())
        return attribution.attention_between_steps(config, maps)[layer]

    return run


@multi_seed.shared
def _first_actions(acting: policy.Policy) -> Callable[..., jax.Array]:
    @jax.jit
    def run(params: Any, observations: jax.Array, targets: jax.Array) -> jax.Array:
        prepared = acting.prepare(params)
        state = acting.init(prepared, len(targets))
        # The step's own action enters only the state after it, which is dropped.
        any_actions = jnp.zeros((len(targets),), jnp.int32)
        predicted, _ = acting.follow(prepared, state, observations, targets, any_actions)
        return jax.nn.softmax(predicted.action)

    return run


@multi_seed.shared
def _action_log_probabilities(acting: policy.Policy) -> Callable[..., jax.Array]:
    @jax.jit
    def run(params: Any, window: windows.Windows, _: Any) -> jax.Array:
        inputs = (window.observations, window.actions, window.returns_to_go)
        return jax.nn.log_softmax(critic.predict_along(acting, params, *inputs).action)

    return run


@multi_seed.shared
def _cut(length: int) -> Callable[..., windows.Windows]:
    return jax.jit(functools.partial(windows.gather_windows, context_length=length))


def _by_parts(
    run: Callable[[Any, windows.Windows, jax.Array], jax.Array],
    params: Any,
    record: trajectories.Trajectories,
    steps: np.ndarray,
    targets: np.ndarray | None = None,
) -> np.ndarray:
    """Runs a function over whole episodes, at most `ROWS` of them at a time.

    Args:
        run: Function of parameters, windows and the step of each episode.
        params: Parameters of the model.
        record: Episodes to run over.
        steps: Step of each episode, `[E]`.
        targets: Target return at the start of each episode, `[E]`; the return of each episode if
            None.

    Returns:
        Results of all episodes, `[E, ...]`.
    """
    longest = int(record.episode_lengths.max())
    store = windows.make_store(record)
    if targets is not None:
        store = store._replace(returns_to_go=jnp.asarray(_target_returns_to_go(record, targets)))
    results = []
    for first in range(0, record.num_episodes, ROWS):
        # The first episode fills up the last part: all parts have one shape and compile once.
        episodes = np.arange(first, first + min(ROWS, record.num_episodes))
        episodes = np.where(episodes < record.num_episodes, episodes, 0)
        firsts = jnp.asarray(record.episode_starts[episodes], jnp.int32)
        window = _cut(longest)(store, firsts)
        results.append(np.asarray(run(params, window, jnp.asarray(steps[episodes], jnp.int32))))
    return np.concatenate(results)[: record.num_episodes]


def _target_returns_to_go(record: trajectories.Trajectories, targets: np.ndarray) -> np.ndarray:
    """Computes the target return at each step: the target of the episode minus rewards before."""
    # The target minus rewards before is the recorded return-to-go plus the distance between the
    # target and the return of the episode.
    recorded = returns.returns_to_go(record.rewards, record.episode_lengths)
    distance = np.asarray(targets, np.float32) - recorded[record.episode_starts]
    return recorded + np.repeat(distance, record.episode_lengths)


def _check_probabilities(config: configs.DecisionTransformerConfig) -> None:
    if config.num_actions is None:
        raise ValueError(
            "got a model of continuous actions, which have no probabilities; wanted one of "
            "discrete actions, so train on others, or let the model act"
        )
    if config.model.action_loss != heads.CROSS_ENTROPY:
        raise ValueError(
            f"got a model with action_loss={config.model.action_loss!r}, whose outputs are no "
            "probabilities; train it with action_loss='cross_entropy', or let it act"
        )


def _real_steps(by_step: np.ndarray, record: trajectories.Trajectories) -> np.ndarray:
    """Takes the real steps of `[E, longest, ...]` in the order of the record."""
    return by_step[np.arange(by_step.shape[1]) < record.episode_lengths[:, None]]
