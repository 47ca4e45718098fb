"""Looks into trained decision models: what they expect, what they would do, and which steps their actions rest on."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.agents import decision_transformer
from jax_s4rl.data import returns, trajectories, windows
from jax_s4rl.models import attribution, critic, policy

# Episodes looked at in one call of a compiled program.
ROWS = 64


def predicted_returns(trained: decision_transformer.Trained, record: trajectories.Trajectories) -> np.ndarray:
    """The return that a model expects from every recorded step on, before the step's action is known.

    Args:
      trained: a model with a return head (`return_loss`), as it acts: episodes may be longer than its context.
      record: episodes of its task.

    Returns:
      Float32[N], in the order of the record; `evaluation.critic` judges them.

    Raises:
      ValueError: the model predicts no return, or has no time embedding for so long an episode.
    """
    acting = policy.Policy(trained.config, int(record.episode_lengths.max()), trained.memory)

    @jax.jit
    def run(params: Any, window: windows.Windows, _: Any) -> jax.Array:
        return critic.predicted_returns(acting, params, window.observations, window.actions)

    found = _by_parts(run, trained.params, record, record.episode_starts)
    is_real = np.arange(found.shape[1]) < record.episode_lengths[:, None]
    return found[is_real]


def attribute(
    trained: decision_transformer.Trained,
    record: trajectories.Trajectories,
    steps: np.ndarray,
    *,
    targets: np.ndarray | None = None,
    method: str = attribution.GRADIENT,
    of: str = attribution.ACTION,
) -> np.ndarray:
    """How much a prediction at one step of each episode hangs on every step up to it, for every mixer.

    Args:
      trained: a model whose context holds whole episodes.
      record: episodes, acted or recorded.
      steps: of each episode, the step whose action (or predicted return) is explained.
      targets: return asked for at the start of each episode; None for what it earned.
      method, of: see `models.attribution.attribute`.

    Returns:
      Float32[E, longest], at least zero, zero after `steps`; not normalized.

    Raises:
      ValueError: what is explained is not predicted, or an episode is longer than the context.
    """

    @jax.jit
    def run(params: Any, window: windows.Windows, steps: jax.Array) -> jax.Array:
        return attribution.attribute(trained.config, params, window._asdict(), steps, method=method, of=of)

    return _by_parts(run, trained.params, record, steps, targets)


def attend(
    trained: decision_transformer.Trained,
    record: trajectories.Trajectories,
    steps: np.ndarray,
    *,
    targets: np.ndarray | None = None,
) -> np.ndarray:
    """Where attention looks when it predicts the action of one step of each episode.

    Args:
      trained: a model with attention whose context holds whole episodes.
      record: episodes, acted or recorded.
      steps: of each episode, the step whose action is explained.
      targets: return asked for at the start of each episode; None for what it earned.

    Returns:
      Float32[E, layers, heads, longest]; weights sum to one over the steps.

    Raises:
      ValueError: another mixer, or an episode is longer than the context.
    """

    @jax.jit
    def run(params: Any, window: windows.Windows, steps: jax.Array) -> jax.Array:
        maps = attribution.attention_maps(trained.config, params, window._asdict())
        return jnp.swapaxes(attribution.attention_to_steps(trained.config, maps, steps), 0, 1)

    return _by_parts(run, trained.params, record, steps, targets)


def first_actions(trained: decision_transformer.Trained, observations: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Probability of every action at the first step of an episode, as the model acts, asked for each return.

    Args:
      trained: a model with discrete actions.
      observations: [E, *obs], each the first of an episode.
      targets: [T] returns to ask for.

    Returns:
      Float32[E, T, actions].
    """
    acting = policy.Policy(trained.config, 1, trained.memory)

    @jax.jit
    def run(params: Any, observations: jax.Array, targets: jax.Array) -> jax.Array:
        prepared = acting.prepare(params)
        count = len(targets)
        state, nothing = acting.init(prepared, count), jnp.zeros((count,), jnp.int32)
        predicted, _ = acting.follow(prepared, state, observations, targets, nothing)
        return jax.nn.softmax(predicted.action)

    shape = len(observations), len(targets)
    seen = jnp.asarray(np.repeat(observations, shape[1], axis=0))
    asked = jnp.asarray(np.tile(np.asarray(targets, np.float32), shape[0]))
    return np.asarray(run(trained.params, seen, asked)).reshape(*shape, -1)


def _by_parts(
    run: Callable[[Any, windows.Windows, jax.Array], jax.Array],
    params: Any,
    record: trajectories.Trajectories,
    steps: np.ndarray,
    targets: np.ndarray | None = None,
) -> np.ndarray:
    """Runs over whole episodes, so many at a time; the last part is filled up with the first episode."""
    longest = int(record.episode_lengths.max())
    store = windows.make_store(record)
    if targets is not None:
        store = store._replace(returns_to_go=jnp.asarray(_asked(record, targets)))
    cut = jax.jit(functools.partial(windows.gather_windows, context_length=longest))
    found = []
    for first in range(0, record.num_episodes, ROWS):
        episodes = np.arange(first, first + min(ROWS, record.num_episodes))
        episodes = np.where(episodes < record.num_episodes, episodes, 0)
        window = cut(store, jnp.asarray(record.episode_starts[episodes], jnp.int32))
        found.append(np.asarray(run(params, window, jnp.asarray(steps[episodes], jnp.int32))))
    return np.concatenate(found)[: record.num_episodes]


def _asked(record: trajectories.Trajectories, targets: np.ndarray) -> np.ndarray:
    """What was still asked for at each step: the target less what came in before."""
    left = returns.returns_to_go(record.rewards, record.episode_lengths)
    shift = np.asarray(targets, np.float32) - left[record.episode_starts]
    return left + np.repeat(shift, record.episode_lengths)
