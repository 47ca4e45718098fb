"""The memory chain as pure functions, so that agents play it inside one compiled program.

`jax_s4rl/MemoryChain-v0` is the same task step by step on the host. The rows of chains of
`experiments.recurrent_ppo` have the score of both: an agent that takes its likeliest actions gets
one number wherever it plays. It is trained on the host alone.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jax_s4rl.models import recurrent_policy


class State(NamedTuple):
    """State of an episode.

    Attributes:
        bit: Bit that is asked for, 0 or 1.
        step: Number of steps so far.
    """

    bit: Int[Array, ""]
    step: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class Chain:
    """The memory chain of a length, a `hindsight_policy.Simulator`.

    Attributes:
        length: Number of steps of the chain; an episode has one more.
        is_shown: Whether all observations hold the bit, and not the first two alone.

    Source:
        Osband et al. 2020, Behaviour Suite for Reinforcement Learning (memory_len).

    Example:
        >>> chain = Chain(2)
        >>> state, key = State(jnp.int32(1), jnp.int32(0)), jax.random.key(0)
        >>> for action in (0, 0, 1):
        ...     observation = chain.observe(state)
        ...     state, reward = chain.step(state, jnp.int32(action), key)
        ...     print(observation.tolist(), float(reward))
        [1.0, 0.0, 1.0] 0.0
        [1.0, 0.0, 1.0] 0.0
        [0.5, 0.0, 0.0] 1.0
    """

    length: int
    is_shown: bool = False

    @property
    def num_actions(self) -> int:
        """Number of actions, which name a bit."""
        return 2

    @property
    def num_steps(self) -> int:
        """Number of steps of every episode."""
        return self.length + 1

    def reset(self, key: PRNGKeyArray) -> State:
        """Returns the state before the first step, with a random bit."""
        return State(jax.random.bernoulli(key).astype(jnp.int32), jnp.zeros((), jnp.int32))

    def observe(self, state: State) -> Float[Array, " 3"]:
        """Returns the share of time left, the number of the queried bit, and the bit or 0."""
        # bsuite shows its first observation twice.
        age = jnp.maximum(state.step - 1, 0)
        bit = jnp.where((age == 0) | self.is_shown, 2 * state.bit - 1, 0)
        left = (self.length - age).astype(jnp.float32) / self.length
        return jnp.stack([left, jnp.zeros_like(left), bit.astype(jnp.float32)])

    def step(
        self, state: State, action: Int[Array, ""], key: PRNGKeyArray
    ) -> tuple[State, Float[Array, ""]]:
        """Waits, or pays for the answer in the last step."""
        del key
        paid = jnp.where(action == state.bit, 1.0, -1.0)
        reward = jnp.where(state.step == self.length, paid, 0.0)
        return state._replace(step=state.step + 1), reward


@functools.partial(jax.jit, static_argnums=(0, 1))
def returns(
    chain: Chain,
    policy: recurrent_policy.RecurrentPolicy,
    params: Any,
    bits: Int[Array, " episodes"],
) -> Float[Array, " episodes"]:
    """Plays episodes side by side with likeliest actions, in one compiled program.

    Args:
        chain: The chain.
        policy: Policy of the agent.
        params: Parameters of its networks.
        bits: Bit of each episode.

    Returns:
        The return of each episode.
    """
    prepared, key = policy.prepare(params), jax.random.key(0)
    greedy: Bool[Array, " episodes"] = jnp.ones(bits.shape, bool)
    start = (
        State(bits, jnp.zeros_like(bits)),
        policy.init(prepared, len(bits)),
        jnp.zeros(bits.shape),
    )

    def body(carry: Any, _: None) -> tuple[Any, Float[Array, " episodes"]]:
        states, memory, to_go = carry
        observations = jax.vmap(chain.observe)(states)
        actions, memory = policy.act(prepared, memory, observations, to_go, greedy, key)
        states, rewards = jax.vmap(chain.step, in_axes=(0, 0, None))(states, actions, key)
        return (states, memory, to_go - rewards), rewards

    return jax.lax.scan(body, start, None, length=chain.num_steps)[1].sum(axis=0)
