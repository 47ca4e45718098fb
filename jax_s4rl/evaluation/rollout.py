"""Rollouts: a policy acts in many environments at once, driven from the host, asked for different returns."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

from jax_s4rl import stack
from jax_s4rl.data import episode_recorder, returns, trajectories


class Policy(Protocol):
    """What a rollout asks of a policy: hashable, with pure methods and a state that is carried."""

    @property
    def max_steps(self) -> int:
        """Longest episode that the policy can act in."""
        ...

    def prepare(self, params: Any) -> Any:
        """Parameters with all that the steps share, made once."""
        ...

    def init(self, prepared: Any, num_envs: int) -> Any:
        """State before the first step."""
        ...

    def act(
        self,
        prepared: Any,
        state: Any,
        observation: Shaped[Array, "batch *shape"],
        return_to_go: Float[Array, " batch"],
        greedy: Bool[Array, " batch"],
        key: PRNGKeyArray,
    ) -> tuple[Shaped[Array, "batch *action"], Any]:
        """Next action of every episode, and the state after it."""
        ...


@dataclasses.dataclass(frozen=True)
class Rollout:
    """Episodes that a policy acted, one for each target.

    Attributes:
      record: the episodes, in the order of the targets.
      targets: return asked for at step 0 of each episode.
      greedy: whether each episode took the likeliest actions.
      compile_seconds: time to compile the policy's step; near zero where it was compiled before.
      act_seconds: time in the policy's step, all episodes together.
      num_calls: calls of the policy's step, each for all episodes.
    """

    record: trajectories.Trajectories
    targets: Float[np.ndarray, " episodes"]
    greedy: Bool[np.ndarray, " episodes"]
    compile_seconds: float
    act_seconds: float
    num_calls: int

    @property
    def milliseconds_per_call(self) -> float:
        """Mean time of one step of the policy for the whole batch of episodes."""
        return 1e3 * self.act_seconds / self.num_calls


def rollout(
    make_env: Callable[[], gymnasium.Env],
    policy: Policy,
    params: Any,
    targets: Float[np.ndarray, " episodes"] | Sequence[float],
    *,
    greedy: Bool[np.ndarray, " episodes"] | bool,
    seed: int,
    lowest_target: float = -np.inf,
) -> Rollout:
    """Acts one episode for each target, all at once.

    Args:
      make_env: makes one environment; called once for each target.
      policy: acts; one compiled step serves all episodes and all calls of this function.
      params: of the policy.
      targets: return asked for at the start of each episode.
      greedy: whether to take the likeliest action, for all episodes or each.
      seed: of the environments (episode i is reset with `seed + i`) and of sampled actions.
      lowest_target: what is still asked for never falls below it. A policy that collects more than it was asked for
        would otherwise be shown returns-to-go that no data has.

    Returns:
      The episodes and the times.

    Raises:
      ValueError: there is no target, an observation is not one array, an episode outlasts the policy, or the installed
        JAX must not be used (see `stack`).

    Source: Chen et al. (2021), "Decision Transformer", Algorithm 1 (evaluation loop).
    """
    targets = np.asarray(targets, np.float32)
    if targets.ndim != 1 or not len(targets):
        raise ValueError(f"targets have shape {targets.shape}; give a list with at least one return to ask for")
    greedy = np.broadcast_to(np.asarray(greedy, bool), targets.shape)
    stack.require()
    envs = [make_env() for _ in targets]
    try:
        recorder = _Recorder(envs, seed)
        times = _act_until_all_end(recorder, policy, params, targets, greedy, seed, lowest_target)
    finally:
        for env in envs:
            env.close()
    episodes = [episode for episode in recorder.episodes if episode is not None]
    return Rollout(trajectories.from_episodes(episodes), targets, greedy, *times)


def _act_until_all_end(
    recorder: "_Recorder",
    policy: Policy,
    params: Any,
    targets: Float[np.ndarray, " episodes"],
    greedy: Bool[np.ndarray, " episodes"],
    seed: int,
    lowest_target: float,
) -> tuple[float, float, int]:
    start = time.perf_counter()
    prepared = _prepare(policy, params)
    key = jax.random.key(seed)
    asked, wishes = targets, jnp.asarray(greedy)
    inputs = (jnp.asarray(recorder.observations), jnp.asarray(asked), wishes, key)
    jax.block_until_ready(_act(policy, prepared, _start(policy, prepared, len(targets)), *inputs))
    state = _start(policy, prepared, len(targets))
    compile_seconds, act_seconds = time.perf_counter() - start, 0.0
    for step in range(policy.max_steps):
        start = time.perf_counter()
        inputs = (jnp.asarray(recorder.observations), jnp.asarray(asked), wishes, jax.random.fold_in(key, step))
        actions, state = _act(policy, prepared, state, *inputs)
        actions = np.asarray(actions)
        act_seconds += time.perf_counter() - start
        rewards = recorder.step(actions)
        asked = np.maximum(returns.next_target(asked, rewards), np.float32(lowest_target))
        if not recorder.alive.any():
            return compile_seconds, act_seconds, step + 1
    raise ValueError(
        f"{recorder.alive.sum()} of {len(targets)} episodes did not end within the {policy.max_steps} steps that the "
        "policy was made for; make it with a larger max_steps, or limit the environment's episodes"
    )


@functools.partial(jax.jit, static_argnums=0)
def _prepare(policy: Policy, params: Any) -> Any:
    return policy.prepare(params)


def _start(policy: Policy, prepared: Any, num_envs: int) -> Any:
    # Copied, for each array can be donated only once, and a policy may give the same zeros for two.
    return jax.tree.map(jnp.copy, policy.init(prepared, num_envs))


# A state is used once: donated, a cache of keys and values is changed in place.
@functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
def _act(policy: Policy, prepared: Any, state: Any, *inputs: Any) -> Any:
    return policy.act(prepared, state, *inputs)


class _Recorder:
    """Steps those environments whose episode has not ended, and writes down what they return."""

    def __init__(self, envs: list[gymnasium.Env], seed: int):
        self.envs = envs
        seeds = [seed + number for number in range(len(envs))]
        first = [env.reset(seed=number)[0] for env, number in zip(envs, seeds, strict=True)]
        self.notes = [episode_recorder.EpisodeRecorder(*start) for start in zip(first, seeds, strict=True)]
        self.observations = np.stack([_shown(observation) for observation in first])
        self.alive = np.ones(len(envs), bool)
        self.episodes: list[trajectories.Episode | None] = [None] * len(envs)

    def step(self, actions: Shaped[np.ndarray, "episodes *action"]) -> Float[np.ndarray, " episodes"]:
        """Takes one action in every living environment; returns the rewards, zero for the others."""
        rewards = np.zeros(len(self.envs), np.float32)
        observations = self.observations.copy()
        for index in np.flatnonzero(self.alive):
            action = _fitted(actions[index], self.envs[index].action_space)
            observation, reward, terminated, truncated, _ = self.envs[index].step(action)
            self.notes[index].write(action, reward, observation)
            rewards[index], observations[index] = reward, observation
            if terminated or truncated:
                self.alive[index] = False
                self.episodes[index] = self.notes[index].close(bool(terminated), bool(truncated))
        self.observations = observations
        return rewards


def _shown(observation: Any) -> Shaped[np.ndarray, "*shape"]:
    """An observation as the policy sees it: numbers in single precision, bytes, indices and flags as they are."""
    if isinstance(observation, dict | tuple):
        raise ValueError(
            f"an observation is a {type(observation).__name__}; the policy reads single arrays: "
            "wrap the environment with gymnasium.wrappers.FlattenObservation"
        )
    array = np.asarray(observation)
    return array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array


def _fitted(action: Shaped[np.ndarray, "*action"], space: gymnasium.Space) -> Shaped[np.ndarray, "*action"]:
    """A continuous action clipped to what the environment allows; a discrete one as it is."""
    if isinstance(space, gymnasium.spaces.Box):
        return np.clip(action, space.low, space.high)
    return action
