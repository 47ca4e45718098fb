"""The reconstructive memory agent: a recurrent network that reads its own past.

Each step makes a latent vector of what is observed, of the controller and of the last reads; the
controller reads earlier latents by content, and the latent is then written into the next free row.
So the row number is the step, and a strong read points at the step that it remembers.
"""

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

# Score of rows that are not written yet, far below all cosines times strengths.
HIDDEN = -1e9


@dataclasses.dataclass(frozen=True)
class MemoryAgentConfig:
    """Shape of a reconstructive memory agent."""

    observation_size: int
    """Number of features of an observation, which is a vector."""
    num_actions: int
    """Number of actions."""
    max_steps: int
    """Longest episode, in steps; the number of rows of the memory."""
    width: int = 64
    """Number of features of latents, of the controller, and of a row of the memory."""
    num_heads: int = 1
    """Number of read heads."""

    def __post_init__(self) -> None:
        """Checks that the agent can be built.

        Raises:
            ValueError: A number is below 1.
        """
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(
                    f"{field.name} is {getattr(self, field.name)}; it has to be at least 1"
                )


class Inputs(NamedTuple):
    """What the agent is given at one step.

    Attributes:
        observation: Observation of the step.
        previous_action: Action of the step before, one-hot; zeros at the first step.
        previous_reward: Reward of the step before; 0 at the first step.
    """

    observation: Float[Array, "batch O"]
    previous_action: Float[Array, "batch A"]
    previous_reward: Float[Array, " batch"]


class State(NamedTuple):
    """What the agent carries from step to step.

    Attributes:
        controller: State of the LSTM.
        hidden: Output of the controller.
        reads: Vectors that were read.
        memory: Latents of earlier steps; rows from `step` on are empty.
        step: Number of steps so far.
    """

    controller: Any
    hidden: Float[Array, "batch width"]
    reads: Float[Array, "batch heads_width"]
    memory: Float[Array, "batch rows width"]
    step: Int[Array, ""]


class Outputs(NamedTuple):
    """What the agent says at one step.

    Attributes:
        logits: Logits of the actions.
        value: Return that is expected from this step on.
        strengths: Strength of each read.
        weights: Weight of each row of the memory in each read; they sum up to one, or to zero at
            the first step.
        observation: Logits of the reconstructed observation.
        previous_action: Logits of the reconstructed last action.
        previous_reward: Reconstructed last reward.
    """

    logits: Float[Array, "batch A"]
    value: Float[Array, " batch"]
    strengths: Float[Array, "batch heads"]
    weights: Float[Array, "batch heads rows"]
    observation: Float[Array, "batch O"]
    previous_action: Float[Array, "batch A"]
    previous_reward: Float[Array, " batch"]


class MemoryAgent(nn.Module):
    """One step of the agent.

    Attributes:
        config: Shape of the agent.

    Source:
        Hung et al. (2019), "Optimizing agent behavior over long time scales by transporting value",
        methods (Reconstructive Memory Agent).
    """

    config: MemoryAgentConfig

    @nn.compact
    def __call__(self, state: State, inputs: Inputs) -> tuple[State, Outputs]:
        """Chooses nothing, but says what the agent would do and what it expects.

        Args:
            state: State after the step before.
            inputs: Observation, last action and last reward.

        Returns:
            The state after this step, and the outputs.
        """
        config, width = self.config, self.config.width
        features = nn.relu(nn.Dense(width)(inputs.observation))
        seen = jnp.concatenate(
            [features, inputs.previous_action, inputs.previous_reward[:, None]], axis=-1
        )
        known = jnp.concatenate([seen, state.hidden, state.reads], axis=-1)
        latent = nn.Dense(width)(nn.tanh(nn.Dense(2 * width)(known)))
        controller, hidden = nn.OptimizedLSTMCell(width)(state.controller, latent)
        # Rows have no gradient; said here as well, none is computed along the whole memory.
        rows = jax.lax.stop_gradient(state.memory)
        strengths, weights = self._read(hidden, rows, state.step)
        # [batch, heads, rows] and [batch, rows, width].
        reads = jnp.einsum("bhr,brw->bhw", weights, rows).reshape(len(hidden), -1)
        # Written after the read, without gradient: no latent is trained to be remembered.
        memory = state.memory.at[:, state.step].set(jax.lax.stop_gradient(latent))
        acting = nn.tanh(nn.Dense(width)(jnp.concatenate([latent, hidden, reads], axis=-1)))
        logits = nn.Dense(config.num_actions)(acting)
        judged = jnp.concatenate([latent, jax.lax.stop_gradient(logits)], axis=-1)
        value = nn.Dense(1)(nn.tanh(nn.Dense(width)(judged)))[:, 0]
        outputs = Outputs(
            logits=logits,
            value=value,
            strengths=strengths,
            weights=weights,
            observation=nn.Dense(config.observation_size)(nn.relu(nn.Dense(width)(latent))),
            previous_action=nn.Dense(config.num_actions)(latent),
            previous_reward=nn.Dense(1)(latent)[:, 0],
        )
        return State(controller, hidden, reads, memory, state.step + 1), outputs

    def _read(
        self,
        hidden: Float[Array, "batch width"],
        rows: Float[Array, "batch rows width"],
        step: Int[Array, ""],
    ) -> tuple[Float[Array, "batch heads"], Float[Array, "batch heads rows"]]:
        """Returns the strengths of the reads, and the weights of all rows."""
        heads, width = self.config.num_heads, self.config.width
        keys = nn.Dense(heads * width)(hidden).reshape(-1, heads, width)
        strengths = nn.softplus(nn.Dense(heads)(hidden))
        similar = jnp.einsum("bhw,brw->bhr", _unit(keys), _unit(rows))
        # Rows that are not written would get weight, and mass would leak to them early on.
        is_written = (jnp.arange(rows.shape[1]) < step)[None, None]
        scores = jnp.where(is_written, strengths[..., None] * similar, HIDDEN)
        return strengths, jnp.where(is_written, jax.nn.softmax(scores), 0.0)


def init_state(config: MemoryAgentConfig, batch_size: int) -> State:
    """Returns the state before the first step.

    Args:
        config: Shape of the agent.
        batch_size: Number of episodes.
    """
    zeros = jnp.zeros((batch_size, config.width))
    return State(
        controller=(zeros, zeros),
        hidden=zeros,
        reads=jnp.zeros((batch_size, config.num_heads * config.width)),
        memory=jnp.zeros((batch_size, config.max_steps, config.width)),
        step=jnp.zeros((), jnp.int32),
    )


def init(config: MemoryAgentConfig, key: jax.Array) -> Any:
    """Draws the parameters of an agent.

    Args:
        config: Shape of the agent.
        key: Typed random key.

    Returns:
        The tree of parameters.
    """
    inputs = Inputs(
        jnp.zeros((1, config.observation_size)), jnp.zeros((1, config.num_actions)), jnp.zeros(1)
    )
    return MemoryAgent(config).init(key, init_state(config, 1), inputs)["params"]


def along(config: MemoryAgentConfig, params: Any, inputs: Inputs) -> Outputs:
    """Runs the agent along whole episodes, as it acted in them.

    Args:
        config: Shape of the agent.
        params: Parameters of the agent.
        inputs: Inputs of all steps, `[batch, steps, ...]`.

    Returns:
        Outputs of all steps, `[batch, steps, ...]`.
    """
    model = MemoryAgent(config)
    by_step = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), inputs)
    start = init_state(config, len(inputs.observation))
    fixed = jax.lax.stop_gradient(params)

    def write(state: State, step: Inputs) -> tuple[State, None]:
        after, _ = _apply(model, fixed, state, step)
        return after, None

    # Rows have no gradient, so they are written first. A second pass reads them from one array: a
    # gradient through a memory that is carried would keep a copy of it for every step.
    rows = jax.lax.scan(write, start, by_step)[0].memory

    def read(state: State, step: Inputs) -> tuple[State, Outputs]:
        after, outputs = _apply(model, params, state._replace(memory=rows), step)
        return after._replace(memory=empty), outputs

    empty = jnp.zeros(())
    _, outputs = jax.lax.scan(read, start._replace(memory=empty), by_step)
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), outputs)


def _apply(model: MemoryAgent, params: Any, state: State, inputs: Inputs) -> tuple[State, Outputs]:
    found: Any = model.apply({"params": params}, state, inputs)
    return found


class PolicyState(NamedTuple):
    """State of an acting agent.

    Attributes:
        agent: State of the network.
        previous_action: Last action of each episode; -1 before the first one.
        return_to_go: Target return before the last action, from which its reward follows.
    """

    agent: State
    previous_action: Int[Array, " batch"]
    return_to_go: Float[Array, " batch"]


@dataclasses.dataclass(frozen=True)
class MemoryPolicy:
    """Acts in rollouts (`evaluation.rollout`), with target returns of 0 at the first step.

    Attributes:
        config: Shape of the agent.
    """

    config: MemoryAgentConfig

    @property
    def max_steps(self) -> int:
        """Longest episode that the agent can act in, in steps."""
        return self.config.max_steps

    def prepare(self, params: Any) -> Any:
        """Returns the parameters: there are no constants to compute before acting."""
        return params

    def init(self, prepared: Any, num_envs: int) -> PolicyState:
        """Returns the state before the first step of `num_envs` episodes."""
        del prepared
        none = jnp.full((num_envs,), -1, jnp.int32)
        return PolicyState(init_state(self.config, num_envs), none, jnp.zeros(num_envs))

    def act(
        self,
        prepared: Any,
        state: PolicyState,
        observation: Float[Array, "batch O"],
        return_to_go: Float[Array, " batch"],
        greedy: Bool[Array, " batch"],
        key: PRNGKeyArray,
    ) -> tuple[Int[Array, " batch"], PolicyState]:
        """Chooses the next action of every episode.

        Args:
            prepared: Parameters that `prepare` returned.
            state: State that `init` or the previous step returned.
            observation: Observation of this step.
            return_to_go: Minus the rewards so far.
            greedy: True for the likeliest action, False for a drawn one.
            key: Typed random key for the draws.

        Returns:
            The actions, and the state after them.
        """
        # A target falls by each reward.
        inputs = Inputs(
            observation,
            jax.nn.one_hot(state.previous_action, self.config.num_actions),
            state.return_to_go - return_to_go,
        )
        found: Any = MemoryAgent(self.config).apply({"params": prepared}, state.agent, inputs)
        after, outputs = found
        drawn = jax.random.categorical(key, outputs.logits)
        action = jnp.where(greedy, jnp.argmax(outputs.logits, axis=-1), drawn).astype(jnp.int32)
        return action, PolicyState(after, action, return_to_go)


def _unit(vectors: Float[Array, "batch rows width"]) -> Float[Array, "batch rows width"]:
    """Scales vectors to length one; zeros stay."""
    lengths = jnp.sqrt(jnp.sum(jnp.square(vectors), axis=-1, keepdims=True) + 1e-12)
    return vectors / lengths
