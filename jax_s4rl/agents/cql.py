"""Q-learning baseline: trains conservative Q-networks on the same tasks and evaluates them."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium
import jax
import numpy as np
import rich.console

from jax_s4rl import parameter_groups
from jax_s4rl.agents import _statistics, contract, multi_seed, tasks
from jax_s4rl.data import learnable, transitions
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import decision_transformer, q_network, q_policy
from jax_s4rl.training import cql_loss, loop, optimizer, target_network, update


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a Q-network and its training."""

    network: q_network.NetworkConfig = dataclasses.field(default_factory=q_network.NetworkConfig)
    """Width, depth and time embedding of the network."""
    loss: cql_loss.ConservativeConfig = dataclasses.field(
        default_factory=cql_loss.ConservativeConfig
    )
    """Discount and conservatism of the loss, and scale of the rewards."""
    target: target_network.TargetConfig = dataclasses.field(
        default_factory=target_network.TargetConfig
    )
    """Rate and period at which the target network follows."""
    weighting: str = "length"
    """Weighting of episodes in draws: length (every step equally often), uniform, or balanced.

    A balanced weighting draws every return equally often.
    """
    batch_size: int = 256
    """Number of transitions in one update, over all devices."""
    num_updates: int = 5000
    """Number of updates, each a gradient step."""
    updates_per_dispatch: int = 250
    """Number of updates in one call of the compiled program."""
    optimization: optimizer.OptimizerConfig = dataclasses.field(
        default_factory=lambda: optimizer.OptimizerConfig(
            learning_rate=3e-4, weight_decay=0.0, clip=10.0
        )
    )
    """Learning rates, weight decay and clipping of AdamW."""
    temperature: float = 1.0
    """Temperature of the softmax over values, in the unit of the scaled rewards."""
    epsilon: float | None = None
    """Share of uniformly random actions among sampled ones; None samples from the softmax."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained Q-network.

    Attributes:
        config: Shape of the network.
        settings: Settings of the training and of sampled actions.
        seed: Seed of the training.
        params: Parameters of the online network, which acts.
        log: Losses, and an equal share of the time of all seeds that were trained together.
        compile_seconds: Seconds to compile the update, which all seeds share.
    """

    config: q_network.QConfig
    settings: Settings
    seed: int
    params: Any
    log: loop.TrainingLog
    compile_seconds: float

    @property
    def num_parameters(self) -> int:
        """Number of trained scalars, those of the target network not included."""
        return decision_transformer.num_parameters(self.params)


def configure(settings: Settings, task: tasks.Task) -> q_network.QConfig:
    """Computes the configuration of the network, with statistics of the training data.

    Args:
        settings: Settings of network and training.
        task: Task to learn.

    Returns:
        Shape and scales of the network.

    Raises:
        ValueError: If the task has continuous actions, one action only or rewards of 0 alone, or
            its parts do not fit each other.
    """
    if task.num_actions is None:
        raise ValueError(
            f"{task.dataset} has continuous actions, but Q-learning needs discrete ones; "
            "choose another dataset, or train a decision transformer"
        )
    contract.check(task)
    learnable.check_actions(task.record, task.dataset)
    learnable.check_rewards(task.record, task.dataset, "all values are 0")
    space = task.encoders[0].encoded_space
    return q_network.QConfig(
        observation_shape=task.record.observations.shape[1:],
        num_actions=task.num_actions,
        **_statistics.describe(space, task.record.observations),
        horizon=task.max_steps,
        network=settings.network,
    )


def prepare(
    settings: Settings, task: tasks.Task, num_seeds: int = 1, devices: Sequence[Any] | None = None
) -> multi_seed.Program[q_network.QConfig]:
    """Builds network, optimizer and update, and puts the data on the devices.

    Args:
        settings: Settings of network and training.
        task: Task to learn, with its episodes.
        num_seeds: Number of networks trained at once.
        devices: Devices to train on; all devices if None.

    Returns:
        The program; the parameters that it trains are `target_network.Tracked`.

    Raises:
        ValueError: If settings cannot be built or do not fit the devices, or actions are
            continuous.
    """
    config = configure(settings, task)
    init_params, transformation, loss = _functions(config, settings)
    return multi_seed.build(
        config,
        settings,
        init_params=init_params,
        transformation=transformation,
        loss=loss,
        draw=transitions.draw,
        store=transitions.make_store(task.record, settings.weighting),
        num_seeds=num_seeds,
        devices=devices,
    )


# The same functions for equal settings, so that their trainings share a compiled program.
@multi_seed.shared
def _functions(
    config: q_network.QConfig, settings: Settings
) -> tuple[Callable[[jax.Array], Any], Any, update.LossFunction]:
    """Makes what draws the parameters of a network, their optimizer, and the loss."""
    online_optimizer = optimizer.make(
        settings.optimization, parameter_groups.DEFAULT, settings.num_updates
    )
    return (
        lambda key: target_network.start(q_network.init(config, key)),
        target_network.track(online_optimizer, settings.target),
        cql_loss.loss(functools.partial(q_network.values, config), settings.loss),
    )


def train(
    settings: Settings,
    task: tasks.Task,
    *,
    seeds: Sequence[int],
    console: rich.console.Console | None = None,
    devices: Sequence[Any] | None = None,
) -> Iterator[Trained]:
    """Trains one Q-network for each seed, all in one program.

    Args:
        settings: Settings of network and training.
        task: Task to learn, with its episodes.
        seeds: Seeds of parameters and drawn transitions.
        console: Console for the progress bar.
        devices: Devices to train on; all devices if None.

    Yields:
        The trained networks, in the order of the seeds.

    Raises:
        ValueError: If settings cannot be built or do not fit the devices, or actions are
            continuous.
        FloatingPointError: If the loss is no longer finite.
    """
    program = prepare(settings, task, len(seeds), devices)
    title = f"{task.dataset}: conservative Q-learning, {len(seeds)} seeds"
    for seed, params, log, compile_seconds in multi_seed.fit(
        program, settings, seeds=seeds, title=title, console=console
    ):
        yield Trained(program.config, settings, seed, params.online, log, compile_seconds)


def act(
    trained: Trained,
    task: tasks.Task,
    *,
    greedy: np.ndarray,
    seed: int,
    make_env: Callable[[], gymnasium.Env] | None = None,
) -> rollout.Rollout:
    """Runs one episode for each entry of `greedy` with a trained Q-network, without target returns.

    Args:
        trained: Trained network.
        task: Task of the training; the network acts in its environment.
        greedy: For each episode, True for the action of the highest value, False for a sampled one.
        seed: Seed of the environments and of sampled actions.
        make_env: Function that makes another environment to act in; None for that of the task.

    Returns:
        The episodes and the times; their targets are zero and have no meaning.
    """
    settings = trained.settings
    policy = q_policy.QPolicy(
        trained.config, task.max_steps, settings.temperature, settings.epsilon
    )
    # Q-networks ignore target returns; a rollout needs one for each episode all the same.
    targets = np.zeros(len(greedy), np.float32)
    return rollout.rollout(
        make_env or task.make_env, policy, trained.params, targets, greedy=greedy, seed=seed
    )
