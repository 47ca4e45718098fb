"""Policy gradients with hindsight credit, online, in episodes that a program simulates.

One compiled program plays and learns: a batch of episodes, one step of the hindsight network, one
of the policy. With `credit="none"` it is REINFORCE, with `credit="value"` REINFORCE with a learned
value as baseline; all others are compared with these.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jax_s4rl import parameter_groups
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.models import decision_transformer, hindsight_network
from jax_s4rl.training import hindsight, losses, optimizer

NONE, VALUE, STATE, REWARD, RETURN = "none", "value", "state", "reward", "return"
CREDITS = (NONE, VALUE, STATE, REWARD, RETURN)
# Credits that need no hindsight.
PLAIN = (NONE, VALUE)


class Simulator(Protocol):
    """A decision problem with discrete actions and episodes of one length, as pure functions.

    It is static in compiled programs, so equal ones have to be equal and have one hash.
    """

    @property
    def num_actions(self) -> int:
        """Number of actions."""
        ...

    @property
    def num_steps(self) -> int:
        """Number of steps of every episode."""
        ...

    def reset(self, key: PRNGKeyArray) -> Any:
        """Returns the state before the first step."""
        ...

    def observe(self, state: Any) -> Float[Array, " O"]:
        """Returns the observation of a state."""
        ...

    def step(
        self, state: Any, action: Int[Array, ""], key: PRNGKeyArray
    ) -> tuple[Any, Float[Array, ""]]:
        """Returns the state after an action, and the reward of the action."""
        ...


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of the training."""

    credit: str = REWARD
    """Outcome that credit is conditioned on: state, reward or return; or no hindsight: none
    (REINFORCE), or value (REINFORCE with a learned baseline)."""
    num_updates: int = 1_250
    """Number of updates, each from a batch of new episodes."""
    batch_size: int = 8
    """Number of episodes of a batch."""
    width: int = 64
    """Number of units of the two hidden layers of the policy, and of its value."""
    hindsight_width: int = 256
    """Number of features of the hindsight network."""
    learning_rate: float = 3e-4
    """Learning rate of policy and value."""
    hindsight_learning_rate: float = 3e-3
    """Learning rate of the hindsight network."""
    entropy_weight: float = 0.01
    """Weight of the entropy bonus: an action that is never taken gets no credit."""
    uniform_share: float = 0.05
    """Share of uniformly random actions in the policy, from 0 to 1."""
    return_scale: float = 1.0
    """Divisor of the rewards and returns that the networks are given, above 0."""

    def __post_init__(self) -> None:
        """Checks the choices.

        Raises:
            ValueError: A choice does not exist or is out of range.
        """
        if self.credit not in CREDITS:
            raise ValueError(f"credit is {self.credit!r}; choose one of {', '.join(CREDITS)}")
        if not 0 <= self.uniform_share < 1:
            raise ValueError(
                f"uniform_share is {self.uniform_share}; choose a share of 0 or more, below 1"
            )
        for name in ("num_updates", "batch_size", "return_scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be above 0")


class Episodes(NamedTuple):
    """A batch of B episodes of T steps.

    Attributes:
        observations: Observation before each action.
        actions: Actions taken.
        rewards: Reward of each action.
    """

    observations: Float[Array, "B T O"]
    actions: Int[Array, "B T"]
    rewards: Float[Array, "B T"]


class Log(NamedTuple):
    """What happened in each update.

    Attributes:
        returns: Return of each episode, `[updates, batch]`.
        last_rewards: Last reward of each episode, `[updates, batch]`.
        hindsight_loss: Cross-entropy of the hindsight network, `[updates]`; 0 without one.
        largest_ratio: Largest `pi / h` of an action that was taken, `[updates]`; 1 without one.
    """

    returns: np.ndarray
    last_rewards: np.ndarray
    hindsight_loss: np.ndarray
    largest_ratio: np.ndarray


class Losses(NamedTuple):
    """Parts of the loss, each with parameters of its own.

    Attributes:
        policy: Loss of the policy, a mean over steps.
        entropy: Mean entropy of the policy, in nats.
        value: Half the mean squared error of the value; 0 without one.
        hindsight: Cross-entropy of the hindsight network; 0 without one.
        largest_ratio: Largest `pi / h` of an action that was taken; 1 if it is not used.
    """

    policy: Float[Array, ""]
    entropy: Float[Array, ""]
    value: Float[Array, ""]
    hindsight: Float[Array, ""]
    largest_ratio: Float[Array, ""]


class Params(NamedTuple):
    """Parameters of all networks.

    Attributes:
        policy: Those of policy and value.
        hindsight: Those of the hindsight network.
    """

    policy: Any
    hindsight: Any


class Trained(NamedTuple):
    """What a training gave.

    Attributes:
        log: What happened in each update.
        params: Parameters after the last one.
    """

    log: Log
    params: Params


def train(simulator: Simulator, settings: Settings, seed: int) -> Trained:
    """Trains a policy from its first episode to its last update, in one compiled program.

    Args:
        simulator: Decision problem.
        settings: Settings of the training.
        seed: Seed of parameters, episodes and actions.

    Returns:
        What happened in each update, and the parameters.
    """
    log, params = _train(simulator, settings, jax.random.key(seed))
    return Trained(Log(*(np.asarray(values) for values in log)), params)


def num_parameters(simulator: Simulator, settings: Settings) -> int:
    """Returns the number of trained scalars of policy and value, and of hindsight if it has any.

    Args:
        simulator: Decision problem.
        settings: Settings of the training.
    """
    init = functools.partial(_init, simulator, settings)
    shapes = jax.eval_shape(init, jax.random.key(0))
    used = shapes.policy if settings.credit in PLAIN else shapes
    return decision_transformer.num_parameters(used)


def play(simulator: Simulator, settings: Settings, params: Any, key: PRNGKeyArray) -> Episodes:
    """Plays one batch of episodes with sampled actions.

    Args:
        simulator: Decision problem.
        settings: Settings, of which batch size, width and the share of random actions count.
        params: Parameters of the policy.
        key: Typed key of states and actions.

    Returns:
        The episodes.
    """
    start_key, play_key = jax.random.split(key)
    states = jax.vmap(simulator.reset)(jax.random.split(start_key, settings.batch_size))

    def body(states: Any, key: PRNGKeyArray) -> tuple[Any, tuple[Array, ...]]:
        act_key, step_key = jax.random.split(key)
        observations = jax.vmap(simulator.observe)(states)
        logits, _ = act(simulator, settings, params, observations)
        actions = jax.random.categorical(act_key, logits).astype(jnp.int32)
        keys = jax.random.split(step_key, settings.batch_size)
        states, rewards = jax.vmap(simulator.step)(states, actions, keys)
        return states, (observations, actions, rewards)

    _, rows = jax.lax.scan(body, states, jax.random.split(play_key, simulator.num_steps))
    # From time first to the batch first.
    return Episodes(*(jnp.swapaxes(row, 0, 1) for row in rows))


def act(
    simulator: Simulator, settings: Settings, params: Any, observations: Float[Array, "*batch O"]
) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch"]]:
    """Computes the policy, with its share of random actions, and the value.

    Args:
        simulator: Decision problem.
        settings: Settings, of which the width and the share of random actions count.
        params: Parameters of policy and value.
        observations: Observations.

    Returns:
        Log-probability of every action, and values in units of the scale of returns.
    """
    size = observations.shape[-1]
    plain = ppo_network.Normalizer(jnp.zeros(size), jnp.ones(size))
    outputs = ppo_network.apply(_network(simulator, settings), params, observations, plain)
    chosen = (1 - settings.uniform_share) * jax.nn.softmax(outputs.center)
    return jnp.log(chosen + settings.uniform_share / simulator.num_actions), outputs.value


def evaluate(
    simulator: Simulator, settings: Settings, params: Params, episodes: Episodes
) -> Losses:
    """Computes the parts of the loss of a batch of episodes.

    Args:
        simulator: Decision problem.
        settings: Settings of the training.
        params: Parameters of all networks.
        episodes: Episodes that the policy played.

    Returns:
        The parts.
    """
    observations, actions, rewards = episodes
    logits, values = act(simulator, settings, params.policy, observations)
    to_go = jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]
    real = jnp.ones_like(actions, bool)
    value_loss, hindsight_loss, ratio = jnp.zeros(()), jnp.zeros(()), jnp.ones(())
    if settings.credit in PLAIN:
        gains = to_go
        if settings.credit == VALUE:
            gains = to_go - settings.return_scale * values
            value_loss = 0.5 * jnp.mean(jnp.square(values - to_go / settings.return_scale))
        policy_loss, count = hindsight.taken_action_loss(logits, actions, gains, real)
    else:
        own = _hindsight_logits(simulator, settings, params.hindsight, logits, episodes)
        hindsight_loss = _fit(settings, own, episodes)
        given = own.reshape(*own.shape[:2], -1, own.shape[-1])
        plain = jnp.broadcast_to(logits[:, :, None], given.shape)
        ratios = jax.lax.stop_gradient(hindsight.log_ratios(given, plain))
        if settings.credit == RETURN:
            taken = hindsight.taken(ratios[:, :, 0], actions)
            ratio = jnp.exp(jnp.max(-taken))
            gains = hindsight.return_weights(taken, to_go)
            policy_loss, count = hindsight.taken_action_loss(logits, actions, gains, real)
        else:
            gains = hindsight.all_action_advantages(ratios, logits, actions, rewards)
            policy_loss, count = hindsight.all_action_loss(logits, gains, real)
    chosen = jax.nn.softmax(logits)
    entropy = -jnp.mean(jnp.sum(chosen * jax.nn.log_softmax(logits), axis=-1))
    return Losses(policy_loss / count, entropy, value_loss, hindsight_loss, ratio)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _train(simulator: Simulator, settings: Settings, key: PRNGKeyArray) -> tuple[Log, Params]:
    init_key, loop_key = jax.random.split(key)
    params = _init(simulator, settings, init_key)
    optimizers = Params(
        _optimizer(settings.learning_rate, settings.num_updates),
        _optimizer(settings.hindsight_learning_rate, settings.num_updates),
    )
    states = Params(*(o.init(p) for o, p in zip(optimizers, params, strict=True)))

    def update(carry: Any, key: PRNGKeyArray) -> tuple[Any, Log]:
        params, states = carry
        episodes = play(simulator, settings, params.policy, key)

        def loss(params: Params) -> tuple[Array, Losses]:
            parts = evaluate(simulator, settings, params, episodes)
            total = parts.policy - settings.entropy_weight * parts.entropy
            return total + parts.value + parts.hindsight, parts

        gradients, parts = jax.grad(loss, has_aux=True)(params)
        found = []
        for rule, own, state, old in zip(optimizers, gradients, states, params, strict=True):
            changes, state = rule.update(own, state, old)
            found.append((jax.tree.map(jnp.add, old, changes), state))
        params, states = (Params(*column) for column in zip(*found, strict=True))
        returns = jnp.sum(episodes.rewards, axis=1)
        log = Log(returns, episodes.rewards[:, -1], parts.hindsight, parts.largest_ratio)  # pyright: ignore[reportArgumentType]
        return (params, states), log

    keys = jax.random.split(loop_key, settings.num_updates)
    (params, _), log = jax.lax.scan(update, (params, states), keys)
    return log, params


def _hindsight_logits(
    simulator: Simulator,
    settings: Settings,
    params: Any,
    logits: Float[Array, "B T A"],
    episodes: Episodes,
) -> Array:
    """Returns logits of h: `[B, T, A]` given returns, `[B, T, K, A]` given outcomes of steps k."""
    observations, _, rewards = episodes
    if settings.credit == RETURN:
        to_go = jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]
        outcomes, here, plain = to_go[..., None] / settings.return_scale, observations, logits
    else:
        later = (
            observations
            if settings.credit == STATE
            else hindsight_network.describe(rewards / settings.return_scale)
        )
        outcomes, here, plain = later[:, None], observations[:, :, None], logits[:, :, None]
    network = hindsight_network.HindsightNetwork(simulator.num_actions, settings.hindsight_width)
    change: Any = network.apply({"params": params}, here, outcomes)
    return hindsight.modulate(jnp.broadcast_to(plain, change.shape), change)


def _fit(settings: Settings, own: Array, episodes: Episodes) -> Array:
    """Computes the mean cross-entropy of the actions given what came later."""
    if settings.credit == RETURN:
        real = jnp.ones_like(episodes.actions, bool)
        total, count = losses.cross_entropy(own, episodes.actions, real)
    else:
        # Outcomes without a reward change no advantage, so nothing is learned for them.
        total, count = hindsight.later_cross_entropy(own, episodes.actions, episodes.rewards != 0)
    return total / jnp.maximum(count, 1.0)


def _network(simulator: Simulator, settings: Settings) -> ppo_network.ActorCritic:
    return ppo_network.ActorCritic(
        simulator.num_actions, discrete=True, width=settings.width, activation=nn.relu
    )


def _init(simulator: Simulator, settings: Settings, key: PRNGKeyArray) -> Params:
    policy_key, hindsight_key, state_key = jax.random.split(key, 3)
    observation = simulator.observe(simulator.reset(state_key))
    size = len(observation)
    plain = ppo_network.Normalizer(jnp.zeros(size), jnp.ones(size))
    outcome = {STATE: size, REWARD: 3}.get(settings.credit, 1)
    network = hindsight_network.HindsightNetwork(simulator.num_actions, settings.hindsight_width)
    return Params(
        _network(simulator, settings).init(policy_key, observation[None], plain),
        network.init(hindsight_key, observation, jnp.zeros(outcome))["params"],
    )


def _optimizer(rate: float, num_updates: int) -> Any:
    """Makes AdamW with the default numbers of Optax and a constant rate, as published."""
    config = optimizer.OptimizerConfig(
        learning_rate=rate,
        weight_decay=1e-4,
        warmup_limit=0.0,
        final_fraction=1.0,
        clip=math.inf,
        betas=(0.9, 0.999),
    )
    return optimizer.make(config, parameter_groups.DEFAULT, num_updates)
