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
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from jax_s4rl import self_test
from jax_s4rl.data import player, returns, side_by_side, trajectories


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
        make_env: Function that makes one environment with any spaces that can be encoded (see
            `data.player`); called once for each target.
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
        ValueError: If there is no target, a target is not a number, an environment returns
            something else than its spaces say, an episode is longer than `policy.max_steps`, or the
            installed JAX must not be used (see `self_test`).

    Source: Chen et al. (2021), "Decision Transformer", Algorithm 1 (evaluation loop).
    """
    targets = finite_targets(targets)
    if np.isnan(lowest_target):
        raise ValueError(f"got the lowest target {lowest_target}, wanted a number; give another")
    greedy = _flags_of_episodes(greedy, targets)
    self_test.require()
    with player.open_players(make_env, len(targets)) as players:
        games = side_by_side.SideBySide(players, seed)
        times = _act_until_all_end(games, policy, params, targets, greedy, seed, lowest_target)
        episodes = games.episodes()
    return Rollout(trajectories.from_episodes(episodes), targets, greedy, *times)


def finite_targets(targets: Any) -> Float[np.ndarray, " episodes"]:
    """Converts target returns to float32.

    Args:
        targets: One target return for each of at least one episode.

    Returns:
        The targets.

    Raises:
        ValueError: If they are not numbers, not finite, or there is none.
    """
    try:
        # Beyond float32 a target is infinite, and refused.
        with np.errstate(over="ignore"):
            array = np.asarray(targets, np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"got targets that are not numbers ({error}); give numbers") from None
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"got targets of shape {array.shape}; give a list of at least one target return"
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"got the target return {array[~np.isfinite(array)][0]}, wanted finite numbers of at "
            "most 3.4e+38; give another one"
        )
    return array


def _flags_of_episodes(
    greedy: Any, targets: Float[np.ndarray, " episodes"]
) -> Bool[np.ndarray, " episodes"]:
    flags = np.asarray(greedy)
    if flags.shape not in ((), targets.shape) or flags.dtype.kind not in "biu":
        raise ValueError(
            f"got greedy of type {flags.dtype} and shape {flags.shape} for {len(targets)} targets; "
            "give True or False, or one of both for each target"
        )
    return np.broadcast_to(flags.astype(bool), targets.shape)


def _act_until_all_end(
    games: side_by_side.SideBySide,
    policy: Policy,
    params: Any,
    targets: Float[np.ndarray, " episodes"],
    greedy: Bool[np.ndarray, " episodes"],
    seed: int,
    lowest_target: float,
) -> tuple[float, float, int]:
    start = time.perf_counter()
    prepared = prepare(policy, params)
    key = jax.random.key(seed)
    return_to_go = targets
    inputs = (games.observations, return_to_go, greedy, key, 0)
    # This call only compiles: its actions are thrown away. It donates its state, so the episodes
    # start from another one.
    jax.block_until_ready(_act(policy, prepared, _start(policy, prepared, len(targets)), *inputs))
    state = _start(policy, prepared, len(targets))
    compile_seconds, act_seconds = time.perf_counter() - start, 0.0
    for step in range(policy.max_steps):
        start = time.perf_counter()
        inputs = (games.observations, return_to_go, greedy, key, step)
        actions, state = _act(policy, prepared, state, *inputs)
        # The copy to the host waits for the step, so the time includes all of it.
        actions = np.asarray(actions)
        act_seconds += time.perf_counter() - start
        rewards = games.step(actions)
        with np.errstate(over="ignore"):
            next_targets = returns.next_target(return_to_go, rewards)
        if not np.isfinite(next_targets).all():
            raise ValueError(
                f"{games.place(~np.isfinite(next_targets))}, step {step + 1}: got rewards that add "
                "up to more than 3.4e+38, wanted returns that float32 holds; rescale the rewards "
                "of the environment"
            )
        # A bound in float64 would turn the targets into float64.
        return_to_go = np.maximum(next_targets, np.float32(lowest_target))
        if not games.alive.any():
            return compile_seconds, act_seconds, step + 1
    raise ValueError(
        f"{games.place(games.alive)}: {games.alive.sum()} of {len(targets)} episodes did not end "
        f"within the {policy.max_steps} steps that the policy was made for; make it with a larger "
        "max_steps, or limit the environment's episodes"
    )


# The policy is static and compared by value: equal policies share one compiled program.
@functools.partial(jax.jit, static_argnums=0)
def prepare(policy: Policy, params: Any) -> Any:
    """Computes what all steps of a policy share, see `Policy.prepare`; jitted."""
    return policy.prepare(params)


def take_step(
    policy: Policy,
    prepared: Any,
    state: Any,
    observation: Shaped[Array, "batch *shape"],
    return_to_go: Float[Array, " batch"],
    greedy: Bool[Array, " batch"],
    key: PRNGKeyArray,
    number: Int[Array, ""],
) -> tuple[Shaped[Array, "batch *action"], Any]:
    """Takes one step of a policy, with random numbers of its own.

    To be jitted whole and called with arrays of NumPy: an operation of JAX outside of the program,
    such as folding the key, takes about as long as the whole program of a small model.

    Args:
        policy: Policy that acts.
        prepared: Result of `prepare`.
        state: State before the step.
        observation: Observation of each episode.
        return_to_go: Target return of each episode from this step on.
        greedy: Whether each episode takes the likeliest action.
        key: Typed key of all steps.
        number: Number of the step.

    Returns:
        The actions, and the state after them.
    """
    key = jax.random.fold_in(key, number)
    actions, state = policy.act(prepared, state, observation, return_to_go, greedy, key)
    # While tracing: a policy of another batch is named before an environment is stepped.
    chex.assert_tree_shape_prefix(actions, observation.shape[:1])
    return actions, state


# Jitted, because each of its small operations would be compiled by itself. The results of a program
# are arrays of their own, also if the policy uses the same zeros twice: each can be donated.
@functools.partial(jax.jit, static_argnums=(0, 2))
def _start(policy: Policy, prepared: Any, num_envs: int) -> Any:
    return policy.init(prepared, num_envs)


# Each state is used once. It is donated, so that a cache of keys and values is changed in place.
_act = jax.jit(take_step, static_argnums=0, donate_argnums=2)
