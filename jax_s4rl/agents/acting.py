"""Acts step by step, without an environment at hand: observations come from anywhere."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from jax_s4rl.data import actions, observations, returns
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import policy as policies


class Acting(NamedTuple):
    """State of episodes in which an agent acts; made by `start`, and never changed.

    Attributes:
        policy: Policy that acts.
        prepared: Its parameters and constants.
        memory: What it carries from step to step.
        return_to_go: Target return from the next step on, for each episode.
        greedy: Whether each episode takes the likeliest actions.
        key: Random key of sampled actions.
        age: Number of steps so far.
        is_single: Whether there is one episode, whose values come without an axis of episodes.
    """

    policy: policies.Policy
    prepared: Any
    memory: Any
    return_to_go: Float[np.ndarray, " episodes"]
    greedy: Bool[np.ndarray, " episodes"]
    key: jax.Array
    age: int
    is_single: bool


def start(
    policy: policies.Policy, params: Any, targets: Any, *, greedy: Any = True, seed: int = 0
) -> Acting:
    """Starts one episode, or several side by side.

    Args:
        policy: Policy that acts.
        params: Its parameters.
        targets: Target return of one episode, or one for each of several.
        greedy: True for the likeliest action, False for a sampled one; for each episode or for all.
        seed: Seed of sampled actions.

    Returns:
        The state before the first step.

    Raises:
        ValueError: If a target is not finite, or there is none.
    """
    is_single = np.ndim(targets) == 0
    each = rollout.finite_targets([targets] if is_single else targets)
    prepared = rollout.prepare(policy, params)
    return Acting(
        policy,
        prepared,
        policy.init(prepared, len(each)),
        each,
        np.array(np.broadcast_to(np.asarray(greedy, bool), each.shape)),
        jax.random.key(seed),
        0,
        is_single,
    )


def act(
    state: Acting,
    encoders: tuple[observations.Encoder, actions.Encoder],
    observation: Any,
    reward: Any = 0.0,
    *,
    lowest_target: float = -np.inf,
) -> tuple[Any, Acting]:
    """Chooses the next action of every episode.

    Args:
        state: State that `start` or the previous step returned.
        encoders: Conversions of observations and actions.
        observation: Observation of this step, as the environment gives it; a list or array with one
            for each episode if there are several.
        reward: Reward that the previous action earned; 0 at the first step.
        lowest_target: Lower bound of the target return, see `evaluation.rollout`.

    Returns:
        The action, in the type of the environment's space, or a list of them; and the state after.

    Raises:
        ValueError: If an observation does not fit its space, it or a reward is not finite, or the
            episode is longer than the policy was made for.
    """
    if state.age >= state.policy.max_steps:
        raise ValueError(
            f"the episode has {state.age} steps, the policy was made for {state.policy.max_steps}; "
            "start another one, or train with a larger max_episode_steps"
        )
    count = len(state.return_to_go)
    given = [observation] if state.is_single else list(observation)
    rewards = np.broadcast_to(np.asarray(reward, np.float32), (count,))
    if len(given) != count or not np.isfinite(rewards).all():
        raise ValueError(
            f"got {len(given)} observations and the reward {reward} for {count} episodes; give one "
            "observation for each, and finite rewards"
        )
    to_go = returns.next_target(state.return_to_go, rewards) if state.age else state.return_to_go
    to_go = np.maximum(to_go, np.float32(lowest_target))
    encoded = np.stack([observations.to_policy(encoders[0].encode(one)) for one in given])
    if not np.isfinite(encoded).all():
        episode, *place = np.argwhere(~np.isfinite(encoded))[0].tolist()
        raise ValueError(
            f"got the observation {encoded[episode]} at step {state.age} of episode {episode}, "
            f"wanted finite numbers (feature {place}); look at the environment"
        )
    chosen, memory = _act(
        state.policy,
        state.prepared,
        state.memory,
        encoded,
        to_go,
        state.greedy,
        state.key,
        state.age,
    )
    decoded = [encoders[1].decode(one) for one in np.asarray(chosen)]
    after = state._replace(memory=memory, return_to_go=to_go, age=state.age + 1)
    return (decoded[0] if state.is_single else decoded), after


# Not donated, so that a caller may go on from the same state twice.
_act = jax.jit(rollout.take_step, static_argnums=0)
