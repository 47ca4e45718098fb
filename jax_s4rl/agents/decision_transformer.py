"""Where the wings meet: trains a decision model on recorded episodes, and lets it act."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import gymnasium
import jax
import numpy as np
import rich.console

from jax_s4rl.agents import tasks
from jax_s4rl.data import regimes, windows
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import configs, decision_transformer, policy
from jax_s4rl.modules import embeddings, groups
from jax_s4rl.training import loop, losses, optimizer, update

# A feature that changes less than this in the data carries nothing: it is centered and not blown up.
SMALLEST_STD = 1e-6


@dataclasses.dataclass(frozen=True)
class Settings:
    """How one model is built and trained."""

    model: configs.ModelConfig = dataclasses.field(default_factory=configs.ModelConfig)
    """Shape of the model."""
    regime: str = "windows"
    """What a row of a batch is: a slice of an episode (windows), a whole one (episodes), several (packed), or the first
    steps of one (openings)."""
    weighting: str = "length"
    """How often an episode is drawn: by its length, uniform, or balanced over returns."""
    batch_size: int = 64
    """Windows in one update, over all devices."""
    num_updates: int = 1000
    """Gradient steps."""
    updates_per_dispatch: int = 50
    """Gradient steps in one call of the compiled program."""
    num_micro_batches: int = 1
    """Parts in which a device takes its rows, one after the other, where memory is short."""
    optimization: optimizer.OptimizerConfig = dataclasses.field(default_factory=optimizer.OptimizerConfig)
    """Rates and bounds of AdamW."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
      config: shape of the model.
      memory: with which it acts, see `memory`.
      seed: of its training.
      params: its parameters.
      log: its losses, and its share of the time that the seeds trained with it took.
      compile_seconds: time to compile the update, which all seeds share.
    """

    config: configs.DecisionTransformerConfig
    memory: str
    seed: int
    params: Any
    log: loop.TrainingLog
    compile_seconds: float

    @property
    def num_parameters(self) -> int:
        """Number of trained scalars."""
        return decision_transformer.num_parameters(self.params)


Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True)
class Program(Generic[Config]):
    """What all seeds of a training share.

    Attributes:
      config: shape of the model.
      init: makes the states before the first update from the seeds, on the devices.
      draw: draws the rows of a batch from a store.
      store: the data, replicated over devices.
      update: the pmapped update of `num_seeds` models at once, not yet compiled.
    """

    config: Config
    init: Callable[[Sequence[int]], update.TrainState]
    draw: update.Draw
    store: Any
    update: loop.Update


class Fitted(NamedTuple):
    """What the training of one seed left.

    Attributes:
      seed: of its training.
      params: the last ones, as the update trains them.
      log: its losses, and its share of the time.
      compile_seconds: time to compile the update, which all seeds share.
    """

    seed: int
    params: Any
    log: loop.TrainingLog
    compile_seconds: float


def prepare(
    settings: Settings, task: tasks.Task, num_seeds: int = 1, devices: Sequence[Any] | None = None
) -> Program[configs.DecisionTransformerConfig]:
    """Builds model, optimizer and update, and puts the data on the devices.

    Args:
      settings: of model and training.
      task: the episodes to learn from.
      num_seeds: models trained at once.
      devices: to train on; all devices if None.

    Returns:
      The program.

    Raises:
      ValueError: settings that cannot be built or do not fit the devices or the episodes.
    """
    config = configure(settings, task)
    loop.check_dispatches(settings.num_updates, settings.updates_per_dispatch)
    boxed = jax.eval_shape(functools.partial(decision_transformer.init, config), jax.random.key(0))
    transformation = optimizer.make(settings.optimization, groups.labels(boxed), settings.num_updates)
    draw = regimes.make(settings.regime, task.record, context_length=settings.model.context_length)
    run_update = update.make(
        loss_function(config),
        draw,
        transformation,
        batch_size=settings.batch_size,
        updates_per_dispatch=settings.updates_per_dispatch,
        num_seeds=num_seeds,
        num_micro_batches=settings.num_micro_batches,
        devices=devices,
    )

    @jax.jit
    def init_one(key: jax.Array) -> update.TrainState:
        param_key, train_key = jax.random.split(key)
        return update.init(groups.strip(decision_transformer.init(config, param_key)), transformation, train_key)

    def init(seeds: Sequence[int]) -> update.TrainState:
        return update.place([init_one(jax.random.key(seed)) for seed in seeds], devices)

    store = windows.make_store(task.record, settings.weighting)
    return Program(config, init, draw, update.replicate(store, devices), run_update)


def train(
    settings: Settings,
    task: tasks.Task,
    *,
    seeds: Sequence[int],
    console: rich.console.Console | None = None,
    watch: Callable[[loop.Dispatch], None] | None = None,
    devices: Sequence[Any] | None = None,
) -> Iterator[Trained]:
    """Trains one model for each seed, all in one program.

    Args:
      settings: of model and training.
      task: the episodes to learn from.
      seeds: of parameters, windows and dropout.
      console: where progress is shown.
      watch: sees every dispatch (`loop.run`).
      devices: to train on; all devices if None.

    Yields:
      The trained models, in the order of the seeds.

    Raises:
      ValueError: settings that cannot be built or do not fit the devices or the episodes.
    """
    program = prepare(settings, task, len(seeds), devices)
    title = f"{task.dataset}: {settings.model.mixer.name}, {settings.model.tokens}, {len(seeds)} seeds"
    for fitted in fit(program, settings, seeds=seeds, title=title, console=console, watch=watch):
        yield Trained(program.config, memory(settings), *fitted)


class Schedule(Protocol):
    """How long is trained: what all settings have."""

    @property
    def num_updates(self) -> int:
        """Gradient steps."""
        ...

    @property
    def updates_per_dispatch(self) -> int:
        """Gradient steps in one call of the compiled program."""
        ...


def fit(
    program: Program[Any],
    schedule: Schedule,
    *,
    seeds: Sequence[int],
    title: str,
    console: rich.console.Console | None = None,
    watch: Callable[[loop.Dispatch], None] | None = None,
) -> Iterator[Fitted]:
    """Compiles a program and trains all its seeds to the end.

    Args:
      program: made for as many seeds.
      schedule: how long to train.
      seeds: of parameters and batches.
      title: stands before the progress bar.
      console: where progress is shown.
      watch: sees every dispatch (`loop.run`).

    Yields:
      What is left of each seed, in their order.
    """
    state = program.init(seeds)
    compiled, compile_seconds = loop.compile_update(program.update, state, program.store)
    state, log = loop.run(
        compiled,
        state,
        program.store,
        num_updates=schedule.num_updates,
        updates_per_dispatch=schedule.updates_per_dispatch,
        num_seeds=len(seeds),
        title=title,
        console=console,
        watch=watch,
    )
    params = update.collect(state.params, len(seeds))
    for number, seed in enumerate(seeds):
        own = jax.tree.map(lambda x, n=number: x[n], params)
        yield Fitted(seed, own, log.of_seed(number, len(seeds)), compile_seconds)


def configure(settings: Settings, task: tasks.Task) -> configs.DecisionTransformerConfig:
    """The model's shape and its scales, with statistics from the data it will be trained on."""
    record = task.record
    with contextlib.closing(task.make_env()) as env:
        seen = describe_observations(env.observation_space, record.observations)
    returned = np.abs(record.episode_returns).max()
    return configs.DecisionTransformerConfig(
        observation_shape=record.observations.shape[1:],
        **seen,
        num_actions=task.num_actions,
        action_size=None if task.num_actions is not None else record.actions.shape[1],
        horizon=task.max_steps,
        return_scale=float(returned) if returned > 0 else 1.0,
        model=settings.model,
    )


def describe_observations(space: gymnasium.Space, observations: np.ndarray) -> dict[str, Any]:
    """Kind of the observations, and the statistics that standardize those that are vectors."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return {"observation_kind": embeddings.INDEX, "num_observations": int(space.n)}
    if observations.ndim == 4:
        return {"observation_kind": embeddings.IMAGE}
    if observations.ndim == 2 and np.isin(observations, (0, 1)).all() and _is_unit(space):
        return {"observation_kind": embeddings.ONE_HOT}
    numbers = observations.astype(np.float64)
    mean, std = numbers.mean(axis=0), numbers.std(axis=0)
    return {
        "observation_mean": tuple(mean.ravel().tolist()),
        "observation_std": tuple(np.where(std > SMALLEST_STD, std, 1.0).ravel().tolist()),
    }


def _is_unit(space: gymnasium.Space) -> bool:
    """Whether every number of an observation lies between zero and one."""
    if isinstance(space, gymnasium.spaces.Box):
        return bool((space.low >= 0).all() and (space.high <= 1).all())
    return isinstance(space, gymnasium.spaces.MultiBinary)


def loss_function(config: configs.DecisionTransformerConfig) -> update.LossFunction:
    """The loss of a batch of windows: how far predictions are from what was done, and seen, and earned."""
    model, chosen = decision_transformer.DecisionTransformer(config), config.model

    def loss(params: Any, batch: windows.Windows, noise: jax.Array) -> Any:
        predictions: Any = model.apply(
            {"params": params},
            batch.returns_to_go,
            batch.observations,
            batch.actions,
            batch.previous_actions,
            batch.time_steps,
            batch.mask,
            batch.resets,
            noise=noise if chosen.dropout else None,
        )
        total, weight = losses.action(predictions.action, predictions.log_std, batch.actions, batch.mask)
        if chosen.observation_loss:
            observations = decision_transformer.observation_targets(config, batch.observations)
            part, _ = losses.next_observation(predictions.observation, observations, batch.mask, batch.resets)
            total += chosen.observation_loss * part
        if chosen.return_loss:
            returned = (batch.returns_to_go / config.return_scale, batch.mask)
            part, _ = losses.scalar_error(predictions.return_to_go / config.return_scale, *returned)
            total += chosen.return_loss * part
        return total, weight

    return loss


def memory(settings: Settings) -> str:
    """A memory at acting time that training has seen (`policy.Policy`).

    Windows and openings have only known young memories: it is cleared on the way. Whole episodes and packed rows
    have it carried from an episode's first step to its last; attention without a window cannot go on past its context.
    """
    mixer = settings.model.mixer
    has_end = mixer.name == "attention" and mixer.window is None
    return policy.CARRY if settings.regime in regimes.WHOLE and not has_end else policy.RESTART


def act(
    trained: Trained,
    task: tasks.Task,
    targets: np.ndarray,
    *,
    greedy: np.ndarray,
    seed: int,
    make_env: Callable[[], gymnasium.Env] | None = None,
) -> rollout.Rollout:
    """Lets a trained model act one episode for each target.

    What is still asked for never falls below the lowest return-to-go in the data.

    Args:
      trained: the model.
      task: what it was trained on; its environment is acted in.
      targets: return asked for at the start of each episode.
      greedy: for each episode, whether the likeliest action is taken or one is sampled.
      seed: of environments and samples.
      make_env: makes another environment to act in, for instance one that hides something; None for the task's own.

    Returns:
      The episodes and times.
    """
    return rollout.rollout(
        make_env or task.make_env,
        policy.Policy(trained.config, task.max_steps, trained.memory),
        trained.params,
        targets,
        greedy=greedy,
        seed=seed,
        lowest_target=task.lowest_return_to_go,
    )
