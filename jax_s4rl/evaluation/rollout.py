"""Rollouts: a policy acts in many environments at once, one target return for each.

The environments run on the host.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import chex
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

from jax_s4rl import stack
from jax_s4rl.data import episode_recorder, returns, trajectories


class Policy(Protocol):
    """Policy that a rollout can run: hashable, with pure methods and a state that is passed on."""

    @property
    def max_steps(self) -> int:
        """Longest episode that the policy can act in, in steps."""
        ...

    def prepare(self, params: Any) -> Any:
        """Returns the parameters with everything that all steps share, computed once."""
        ...

    def init(self, prepared: Any, num_envs: int) -> Any:
        """Returns the state before the first step."""
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
        """Returns the next action of every episode, and the state after it."""
        ...


@dataclasses.dataclass(frozen=True)
class Rollout:
    """Episodes in which a policy acted, one for each target.

    Attributes:
        record: Episodes in the order of the targets.
        targets: Target return at step 0 of each episode.
        greedy: Whether each episode took the likeliest actions.
        compile_seconds: Seconds to compile the policy's step; near zero if it was compiled before.
        act_seconds: Seconds in the policy's step, for all episodes together.
        num_calls: Number of calls of the policy's step, each for all episodes.
    """

    record: trajectories.Trajectories
    targets: Float[np.ndarray, " episodes"]
    greedy: Bool[np.ndarray, " episodes"]
    compile_seconds: float
    act_seconds: float
    num_calls: int

    @property
    def milliseconds_per_call(self) -> float:
        """Mean milliseconds of one step of the policy for the whole batch of episodes."""
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
    """Runs one episode for each target, all at once.

    Args:
        make_env: Function that makes one environment; called once for each target.
        policy: Policy that acts; one compiled step serves all episodes and all calls of this
            function.
        params: Parameters of the policy.
        targets: Target return at the start of each episode.
        greedy: Whether to take the likeliest action, for all episodes or for each.
        seed: Seed of the environments (episode i is reset with `seed + i`) and of sampled actions.
        lowest_target: Lower bound of the return-to-go while acting. A policy that collects more
            than its target would otherwise get returns-to-go that the data do not contain.

    Returns:
        The episodes and the times.

    Raises:
        ValueError: If there is no target, an observation is not one array, an episode is longer
            than `policy.max_steps`, or the installed JAX must not be used (see `stack`).

    Source: Chen et al. (2021), "Decision Transformer", Algorithm 1 (evaluation loop).
    """
    targets = np.asarray(targets, np.float32)
    if targets.ndim != 1 or not len(targets):
        raise ValueError(
            f"got targets of shape {targets.shape}; give a list of at least one target return"
        )
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
    return_to_go, greedy_flags = targets, jnp.asarray(greedy)
    inputs = (jnp.asarray(recorder.observations), jnp.asarray(return_to_go), greedy_flags, key)
    # This call only compiles: its actions are thrown away. It donates its state, so the episodes
    # start from another one.
    jax.block_until_ready(_act(policy, prepared, _start(policy, prepared, len(targets)), *inputs))
    state = _start(policy, prepared, len(targets))
    compile_seconds, act_seconds = time.perf_counter() - start, 0.0
    for step in range(policy.max_steps):
        start = time.perf_counter()
        inputs = (
            jnp.asarray(recorder.observations),
            jnp.asarray(return_to_go),
            greedy_flags,
            jax.random.fold_in(key, step),
        )
        actions, state = _act(policy, prepared, state, *inputs)
        # The copy to the host waits for the step, so the time includes all of it.
        actions = np.asarray(actions)
        act_seconds += time.perf_counter() - start
        rewards = recorder.step(actions)
        # A bound in float64 would turn the targets into float64.
        next_targets = returns.next_target(return_to_go, rewards)
        return_to_go = np.maximum(next_targets, np.float32(lowest_target))
        if not recorder.alive.any():
            return compile_seconds, act_seconds, step + 1
    raise ValueError(
        f"{recorder.alive.sum()} of {len(targets)} episodes did not end within the "
        f"{policy.max_steps} steps that the policy was made for; make it with a larger max_steps, "
        "or limit the environment's episodes"
    )


# The policy is static and compared by value: equal policies share one compiled program.
@functools.partial(jax.jit, static_argnums=0)
def _prepare(policy: Policy, params: Any) -> Any:
    return policy.prepare(params)


def _start(policy: Policy, prepared: Any, num_envs: int) -> Any:
    # Copied, because an array can be donated only once, and a policy may use the same zeros twice.
    return jax.tree.map(jnp.copy, policy.init(prepared, num_envs))


# Each state is used once. It is donated, so that a cache of keys and values is changed in place.
@functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
def _act(policy: Policy, prepared: Any, state: Any, *inputs: Any) -> Any:
    actions, state = policy.act(prepared, state, *inputs)
    # While tracing: a policy of another batch is named before an environment is stepped.
    chex.assert_tree_shape_prefix(actions, inputs[0].shape[:1])
    return actions, state


class _Recorder:
    """Steps the environments whose episode has not ended, and records their results."""

    def __init__(self, envs: list[gymnasium.Env], seed: int):
        self.envs = envs
        seeds = [seed + number for number in range(len(envs))]
        first = [env.reset(seed=number)[0] for env, number in zip(envs, seeds, strict=True)]
        self.recorders = [
            episode_recorder.EpisodeRecorder(*start) for start in zip(first, seeds, strict=True)
        ]
        self.observations = np.stack([_policy_input(observation) for observation in first])
        self.alive = np.ones(len(envs), bool)
        self.episodes: list[trajectories.Episode | None] = [None] * len(envs)

    def step(
        self, actions: Shaped[np.ndarray, "episodes *action"]
    ) -> Float[np.ndarray, " episodes"]:
        """Takes one action in every environment that is still running.

        Args:
            actions: Action of every episode; those of episodes that ended are ignored.

        Returns:
            The rewards, zero for episodes that ended.
        """
        rewards = np.zeros(len(self.envs), np.float32)
        observations = self.observations.copy()
        for index in np.flatnonzero(self.alive):
            action = _clip_to_space(actions[index], self.envs[index].action_space)
            observation, reward, terminated, truncated, _ = self.envs[index].step(action)
            self.recorders[index].write(action, reward, observation)
            rewards[index], observations[index] = reward, observation
            if terminated or truncated:
                self.alive[index] = False
                self.episodes[index] = self.recorders[index].close(
                    bool(terminated), bool(truncated)
                )
        self.observations = observations
        return rewards


def _policy_input(observation: Any) -> Shaped[np.ndarray, "*shape"]:
    """Converts an observation for the policy: floats to float32; bytes, indices and flags stay."""
    if isinstance(observation, dict | tuple):
        raise ValueError(
            f"got a {type(observation).__name__} as an observation; "
            "the policy reads single arrays: "
            "wrap the environment with gymnasium.wrappers.FlattenObservation"
        )
    array = np.asarray(observation)
    return array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array


def _clip_to_space(
    action: Shaped[np.ndarray, "*action"], space: gymnasium.Space
) -> Shaped[np.ndarray, "*action"]:
    """Clips a continuous action to the bounds of its space; a discrete one stays."""
    if isinstance(space, gymnasium.spaces.Box):
        return np.clip(action, space.low, space.high)
    return action
