"""Recurrent PPO: an agent with a memory around any sequence mixer learns while it plays.

The memory is carried from step to step and from round to round, and cleared where an episode
starts. Whatever was played is kept as recorded episodes, in the order of their ends: a learning
history that other methods can learn from.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl import self_test
from jax_s4rl.agents import recurrent_update, tasks
from jax_s4rl.collection import recording
from jax_s4rl.collection.ppo import environments, objective
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.data import trajectories
from jax_s4rl.models import recurrent_actor_critic
from jax_s4rl.modules import block, mixers
from jax_s4rl.training import optimizer

# Streams of the seeds of episodes, of which a long training of short episodes needs several. The
# first one is that of `collection.ppo.training`, which no recorded behavior has.
STREAMS = (15, 14, *range(14))


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of networks and training, of a size for a few cores.

    Raises:
        ValueError: If numbers do not fit each other.
    """

    mixer: mixers.MixerConfig = dataclasses.field(
        default_factory=lambda: mixers.MixerConfig("s5", step_range=(1e-3, 1e-1))
    )
    """Sequence mixer and its options."""
    width: int = 64
    """Number of features of all layers."""
    num_blocks: int = 2
    """Number of residual blocks around a mixer."""
    norm: str = block.NONE
    """Position of the layer norm of a block: pre, post or none."""
    sees_action: bool = dataclasses.field(default=True, metadata={"added_in": "0.3"})
    """Whether the action of the step before is an input; it can carry a bit without a memory."""
    sees_reward: bool = False
    """Whether the reward of the step before is an input."""
    clears_at_start: bool = True
    """Whether the memory is cleared where an episode starts."""
    clear_flag: int | None = None
    """Number of the feature of the observation that clears the memory where it is positive."""
    total_steps: int = 1_500_000
    """Number of environment steps of the whole training."""
    num_envs: int = 16
    """Number of environments played side by side."""
    row_length: int = 256
    """Number of steps of each environment between two updates."""
    num_epochs: int = 4
    """Number of passes over each round."""
    num_minibatches: int = 4
    """Number of gradient steps in a pass; it divides `num_envs`."""
    discount: float = 0.99
    """Discount factor of rewards."""
    gae_lambda: float = 0.95
    """Decay factor lambda of generalized advantage estimation."""
    weights: objective.Weights = dataclasses.field(
        default_factory=lambda: objective.Weights(
            entropy_weight=0.01, value_weight=1.0, value_clip_range=0.2
        )
    )
    """Weights and ranges of the loss."""
    optimization: optimizer.OptimizerConfig = dataclasses.field(
        default_factory=lambda: optimizer.OptimizerConfig(
            learning_rate=3e-4,
            weight_decay=0.0,
            warmup_limit=0.0,
            final_fraction=1.0,
            clip=0.5,
            betas=(0.9, 0.999),
        )
    )
    """Learning rate and clipping of Adam."""

    def __post_init__(self) -> None:
        """Checks the numbers that do not depend on the environment."""
        for name in ("num_envs", "row_length", "num_epochs", "num_minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"got {name}={getattr(self, name)}; ask for 1 or more")
        if self.num_envs % self.num_minibatches:
            raise ValueError(
                f"got {self.num_minibatches} minibatches of whole environments for {self.num_envs} "
                "environments, wanted a number that divides them"
            )
        if self.num_updates < 1:
            raise ValueError(
                f"got total_steps={self.total_steps}, wanted at least one round of "
                f"{self.num_envs * self.row_length} steps"
            )

    @property
    def num_updates(self) -> int:
        """Number of rounds that fit into `total_steps`."""
        return self.total_steps // (self.num_envs * self.row_length)

    @property
    def rules(self) -> recurrent_update.Rules:
        """What an update depends on besides its data."""
        num_steps = self.num_updates * self.num_epochs * self.num_minibatches
        return recurrent_update.Rules(
            self.weights, self.discount, self.gae_lambda, self.optimization, num_steps, self.form
        )

    @property
    def form(self) -> recurrent_update.Form:
        """Kind of PPO."""
        return recurrent_update.Plain()

    def networks(self, **facts: int) -> recurrent_actor_critic.RecurrentConfig:
        """Returns the shape of the networks.

        Args:
            **facts: Facts of the environment, by the names of fields.

        Raises:
            ValueError: If they cannot be built.
        """
        return recurrent_actor_critic.RecurrentConfig(**facts, **self._choices())

    def _choices(self) -> dict[str, Any]:
        """Returns the choices for the networks, by the names of their fields."""
        names = {field.name for field in dataclasses.fields(recurrent_actor_critic.RecurrentConfig)}
        return {name: value for name, value in vars(self).items() if name in names}


class Round(NamedTuple):
    """What happened in one round.

    Attributes:
        num_steps: Number of environment steps of the training so far.
        episodes: Episodes that ended in the round, in the order of their ends; the observations are
            flat (`collection.ppo.policy.flatten`).
        metrics: Mean parts of the loss, and what the form of PPO measures of the rows.
        params: Parameters after the update.
    """

    num_steps: int
    episodes: list[trajectories.Episode]
    metrics: dict[str, float]
    params: Any


def train(make_env: recording.MakeEnv, settings: Settings, *, seed: int) -> Iterator[Round]:
    """Trains an agent online.

    Args:
        make_env: Function that makes an environment with discrete actions from 0.
        settings: Settings of networks and training.
        seed: Seed of parameters, environments and actions.

    Yields:
        What happened in each round.

    Raises:
        ValueError: If the spaces of the environment or the settings do not fit, the environment
            returns something else than its spaces say, or the installed JAX must not be used.
        FloatingPointError: If the loss or a parameter is no longer finite.
    """
    self_test.require()
    config, rules = configure(make_env, settings), settings.rules
    init_key, act_key = jax.random.split(jax.random.key(seed))
    state = recurrent_update.start(config, rules, init_key)
    rng = np.random.default_rng([seed, STREAMS[0]])
    with contextlib.closing(
        environments.Environments(make_env, settings.num_envs, seed=seed, streams=STREAMS)
    ) as envs:
        player = Player(config, envs)
        for number in range(settings.num_updates):
            key = jax.random.fold_in(act_key, number)
            rows, episodes = player.play(state.params, settings.row_length, key)
            order = recurrent_update.draw_order(
                rng, settings.num_envs, settings.num_epochs, settings.num_minibatches
            )
            progress = np.float32(number / settings.num_updates)
            state, metrics = recurrent_update.update(config, rules, state, rows, order, progress)
            num_steps = (number + 1) * settings.num_envs * settings.row_length
            parts = {name: float(value) for name, value in metrics.items()}
            _check_finite(num_steps, parts, state.params)
            yield Round(num_steps, episodes, parts, state.params)


def _check_finite(num_steps: int, metrics: dict[str, float], params: Any) -> None:
    """Checks that the training still makes sense.

    Raises:
        FloatingPointError: If a metric or a parameter is not finite.
    """
    leaves = [*metrics.values(), *jax.tree.leaves(params)]
    if not all(np.isfinite(leaf).all() for leaf in leaves):
        raise FloatingPointError(
            f"the loss or a parameter is no longer finite after {num_steps:,} steps; lower the "
            "learning rate, or weigh divergences more if latent variables see the future"
        )


def configure(
    make_env: recording.MakeEnv, settings: Settings
) -> recurrent_actor_critic.RecurrentConfig:
    """Computes the shape of the networks from an environment.

    Args:
        make_env: Function that makes the environment.
        settings: Settings of networks and training.

    Returns:
        The shape.

    Raises:
        ValueError: If actions are not discrete from 0, the networks cannot be built, or the memory
            is bounded and the environment does not say how long its episodes are.
    """
    with contextlib.closing(make_env()) as env:
        space, actions, limit = env.observation_space, env.action_space, tasks.max_steps_of(env)
    if not isinstance(actions, gymnasium.spaces.Discrete) or actions.start != 0:
        raise ValueError(
            f"got the action space {actions}, wanted Discrete from 0; wrap the environment with "
            "gymnasium.wrappers.TransformAction"
        )
    mixer = settings.mixer
    is_bounded = mixer.name == "attention" and mixer.window is None
    if is_bounded and (limit is None or not settings.clears_at_start):
        raise ValueError(
            "got attention without a window, whose memory ends, for memories that may never be "
            "cleared; give the mixer a window, or the environment a time limit"
        )
    return settings.networks(
        observation_size=gymnasium.spaces.flatdim(space),
        num_actions=int(actions.n),
        max_length=max(settings.row_length, limit or 1),
    )


class Player:
    """Plays rows in several environments, with a memory that is carried on.

    Args:
        config: Shape of the networks.
        envs: Environments, at the start of their episodes.
    """

    def __init__(
        self, config: recurrent_actor_critic.RecurrentConfig, envs: environments.Environments
    ):
        num_envs = len(envs.observations)
        self._config, self._envs = config, envs
        # Its shape follows from the parameters.
        self._memory: Any = None
        self._previous_action = np.full(num_envs, -1, np.int32)
        self._previous_reward = np.zeros(num_envs, np.float32)

    def play(
        self, params: Any, length: int, key: jax.Array
    ) -> tuple[recurrent_update.Rows, list[trajectories.Episode]]:
        """Plays one row in each environment.

        Args:
            params: Parameters of the networks.
            length: Number of steps of a row.
            key: Typed random key of the actions.

        Returns:
            The rows, and the episodes that ended in them.
        """
        config, constants = self._config, _prepare(self._config, params)
        if self._memory is None:
            self._memory = _init_state(config, params, len(self._previous_action))
        start, episodes = self._memory, []
        steps: list[_Step] = []
        draws = self._draws(length, key)
        for number in range(length):
            inputs = self._inputs(self._envs.observations, draws[number])
            self._memory, *chosen = _act(
                config, params, constants, self._memory, inputs, key, np.int32(number)
            )
            actions, log_probability, values = (np.asarray(array) for array in chosen)
            after = self._envs.step(actions)
            episodes += after.episodes
            self._previous_action, self._previous_reward = actions, after.rewards
            last_values = np.zeros_like(values)
            # The value of a last observation needs the memory of its episode, which the next step
            # clears. After a termination it counts nothing.
            if after.truncations.any() or number == length - 1:
                last = self._inputs(after.next_observations, draws[number])
                last_values = np.asarray(_value(config, params, constants, self._memory, last))
            ended = after.terminations | after.truncations
            self._previous_action = np.where(ended, np.int32(-1), actions)
            self._previous_reward = np.where(ended, np.float32(0), after.rewards)
            outcomes = objective.Outcomes(after.rewards, after.terminations, after.truncations)  # pyright: ignore[reportArgumentType]
            steps.append(_Step(inputs, actions, log_probability, values, last_values, outcomes))
        return _stack(start, steps), episodes

    def _draws(self, length: int, key: jax.Array) -> Any:
        """Draws the noise of latent variables of all steps, `[T, B, D]`, or none for each step."""
        if not self._config.num_draws:
            return [None] * length
        shape = (length, len(self._previous_action), self._config.num_draws)
        # The keys of actions have the numbers of their steps.
        return np.asarray(jax.random.normal(jax.random.fold_in(key, length), shape))

    def _inputs(
        self, observations: np.ndarray, draws: np.ndarray | None
    ) -> recurrent_actor_critic.Inputs:
        return recurrent_actor_critic.Inputs(
            observations,  # pyright: ignore[reportArgumentType]
            self._previous_action,  # pyright: ignore[reportArgumentType]
            self._previous_reward,  # pyright: ignore[reportArgumentType]
            self._previous_action < 0,  # pyright: ignore[reportArgumentType]
            draws,  # pyright: ignore[reportArgumentType]
        )


class _Step(NamedTuple):
    """One step of all environments; `last_values` hold where no step of the episode follows."""

    inputs: recurrent_actor_critic.Inputs
    actions: np.ndarray
    log_probability: np.ndarray
    values: np.ndarray
    last_values: np.ndarray
    outcomes: objective.Outcomes


def _stack(start: list[Any], steps: list[_Step]) -> recurrent_update.Rows:
    """Makes rows of steps: networks have time as the second axis, outcomes as the first."""
    over_time: _Step = jax.tree.map(lambda *arrays: np.stack(arrays), *steps)
    # Within an episode the next value is that of the next step.
    following = np.concatenate([over_time.values[1:], over_time.last_values[-1:]])
    cut = np.asarray(over_time.outcomes.truncations)
    next_values = np.where(cut, over_time.last_values, following)
    inputs, actions, chances, values, next_values = jax.tree.map(
        lambda array: np.swapaxes(array, 0, 1),
        (
            over_time.inputs,
            over_time.actions,
            over_time.log_probability,
            over_time.values,
            next_values,
        ),
    )
    return recurrent_update.Rows(
        start, inputs, actions, chances, values, next_values, over_time.outcomes
    )


_init_state = jax.jit(recurrent_actor_critic.init_state, static_argnums=(0, 2))
_prepare = jax.jit(recurrent_actor_critic.prepare, static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def _act(
    config: recurrent_actor_critic.RecurrentConfig,
    params: Any,
    constants: list[Any],
    memory: Any,
    inputs: recurrent_actor_critic.Inputs,
    key: jax.Array,
    number: Any,
) -> tuple[Any, ...]:
    """Samples actions, with a key for each step that is derived from the key of the row."""
    memory, found = recurrent_actor_critic.step(config, params, constants, memory, inputs)
    outputs = recurrent_update.outputs(found)
    actions = ppo_network.sample_actions(jax.random.fold_in(key, number), outputs, discrete=True)
    actions = actions.astype(jnp.int32)
    chance = ppo_network.log_probability(outputs, actions, discrete=True)
    return memory, actions, chance, found.value


@functools.partial(jax.jit, static_argnums=0)
def _value(
    config: recurrent_actor_critic.RecurrentConfig,
    params: Any,
    constants: list[Any],
    memory: Any,
    inputs: recurrent_actor_critic.Inputs,
) -> Any:
    """Computes the values of inputs, after which the memory stays as it was."""
    return recurrent_actor_critic.step(config, params, constants, memory, inputs)[1].value
