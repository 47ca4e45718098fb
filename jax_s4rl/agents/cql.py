"""The Q-learning baseline: trains conservative Q-networks on the tasks of the decision models, and lets them act."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import gymnasium
import jax
import numpy as np
import rich.console

from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.data import transitions
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.models import q_network, q_policy
from jax_s4rl.training import cql_loss, loop, optimizer, target_network, update


@dataclasses.dataclass(frozen=True)
class Settings:
    """How one Q-network is built and trained."""

    network: q_network.NetworkConfig = dataclasses.field(default_factory=q_network.NetworkConfig)
    """Shape of the network."""
    loss: cql_loss.ConservativeConfig = dataclasses.field(default_factory=cql_loss.ConservativeConfig)
    """Discount and conservatism."""
    target: target_network.TargetConfig = dataclasses.field(default_factory=target_network.TargetConfig)
    """How the target network follows."""
    weighting: str = "length"
    """How often an episode is drawn: by its length (every step as often), uniform, or balanced over returns."""
    batch_size: int = 256
    """Transitions in one update, over all devices."""
    num_updates: int = 5000
    """Gradient steps."""
    updates_per_dispatch: int = 250
    """Gradient steps in one call of the compiled program."""
    optimization: optimizer.OptimizerConfig = dataclasses.field(
        default_factory=lambda: optimizer.OptimizerConfig(learning_rate=3e-4, weight_decay=0.0, clip=10.0)
    )
    """Rates and bounds of AdamW."""
    temperature: float = 1.0
    """Of the softmax over values from which actions are sampled."""
    epsilon: float | None = None
    """Share of uniformly random actions where actions are sampled; None samples from the softmax."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained Q-network.

    Attributes:
      config: shape of the network.
      settings: with which it was trained, and samples.
      seed: of its training.
      params: of the network that acts.
      log: its losses, and its share of the time that the seeds trained with it took.
      compile_seconds: time to compile the update, which all seeds share.
    """

    config: q_network.QConfig
    settings: Settings
    seed: int
    params: Any
    log: loop.TrainingLog
    compile_seconds: float

    @property
    def num_parameters(self) -> int:
        """Number of trained scalars; those of the target network are not counted."""
        return network.num_parameters(self.params)


def configure(settings: Settings, task: tasks.Task) -> q_network.QConfig:
    """The network's shape, with statistics from the data it will be trained on.

    Raises:
      ValueError: the task has continuous actions.
    """
    if task.num_actions is None:
        raise ValueError(f"{task.dataset} has continuous actions; this Q-learning values discrete ones only")
    with closing(task.make_env()) as env:
        seen = decision_transformer.describe_observations(env.observation_space, task.record.observations)
    return q_network.QConfig(
        observation_shape=task.record.observations.shape[1:],
        num_actions=task.num_actions,
        **seen,
        horizon=task.max_steps,
        network=settings.network,
    )


def prepare(
    settings: Settings, task: tasks.Task, num_seeds: int = 1, devices: Sequence[Any] | None = None
) -> decision_transformer.Program[q_network.QConfig]:
    """Builds network, optimizer and update, and puts the data on the devices.

    Args:
      settings: of network and training.
      task: the episodes to learn from.
      num_seeds: networks trained at once.
      devices: to train on; all devices if None.

    Returns:
      The program; the parameters that it trains are `targets.Tracked`.

    Raises:
      ValueError: settings that cannot be built or do not fit the devices, or continuous actions.
    """
    config = configure(settings, task)
    loop.check_dispatches(settings.num_updates, settings.updates_per_dispatch)
    descent = optimizer.make(settings.optimization, optimizer.DEFAULT, settings.num_updates)
    follower = target_network.track(descent, settings.target)
    run_update = update.make(
        cql_loss.loss(functools.partial(q_network.values, config), settings.loss),
        transitions.draw,
        follower,
        batch_size=settings.batch_size,
        updates_per_dispatch=settings.updates_per_dispatch,
        num_seeds=num_seeds,
        devices=devices,
    )

    @jax.jit
    def init_one(key: jax.Array) -> update.TrainState:
        param_key, train_key = jax.random.split(key)
        return update.init(target_network.start(q_network.init(config, param_key)), follower, train_key)

    def init(seeds: Sequence[int]) -> update.TrainState:
        return update.place([init_one(jax.random.key(seed)) for seed in seeds], devices)

    store = update.replicate(transitions.make_store(task.record, settings.weighting), devices)
    return decision_transformer.Program(config, init, transitions.draw, store, run_update)


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
      settings: of network and training.
      task: the episodes to learn from.
      seeds: of parameters and transitions.
      console: where progress is shown.
      devices: to train on; all devices if None.

    Yields:
      The trained networks, in the order of the seeds.

    Raises:
      ValueError: as `prepare`.
    """
    program = prepare(settings, task, len(seeds), devices)
    title = f"{task.dataset}: conservative Q-learning, {len(seeds)} seeds"
    for seed, params, log, compile_seconds in decision_transformer.fit(
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
    """Lets a trained Q-network act one episode for each entry of `greedy`; no return is asked for.

    Args:
      trained: the network.
      task: what it was trained on; its environment is acted in.
      greedy: for each episode, whether the action of the highest value is taken or one is sampled.
      seed: of environments and samples.
      make_env: makes another environment to act in; None for the task's own.

    Returns:
      The episodes and times; their targets are zero and mean nothing.
    """
    chosen = trained.settings
    policy = q_policy.QPolicy(trained.config, task.max_steps, chosen.temperature, chosen.epsilon)
    nothing = np.zeros(len(greedy), np.float32)
    return rollout.rollout(make_env or task.make_env, policy, trained.params, nothing, greedy=greedy, seed=seed)
