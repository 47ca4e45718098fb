"""Trajectory Transformer: trains a model of whole trajectories on a task, and acts by planning."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import rich.console

from jax_s4rl.agents import _programs, _statistics, contract, multi_seed, planner, tasks
from jax_s4rl.data import discretizer as discretizers
from jax_s4rl.data import learnable, one_hot, returns, transition_rows
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import beam_search, decision_transformer, trajectory_transformer
from jax_s4rl.modules import embeddings, groups
from jax_s4rl.training import checkpoints, config_io, loop, losses, optimizer, update

Config = trajectory_transformer.TrajectoryTransformerConfig


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a trajectory transformer, its training and its plans."""

    model: trajectory_transformer.ModelConfig = dataclasses.field(
        default_factory=trajectory_transformer.ModelConfig
    )
    """Choices for the model: mixer, positions, length of a row, width, depth, dropout."""
    plan: planner.PlanConfig = dataclasses.field(default_factory=planner.PlanConfig)
    """Memory and size of the search while acting."""
    num_bins: int = 100
    """Largest number of bins of a dimension that is no finite space."""
    bins: str = discretizers.QUANTILE
    """Kind of bins: quantile, which hold as many numbers each, or uniform, of equal widths."""
    observation_parts: tuple[int, ...] = ()
    """Lengths of the consecutive parts of an observation, if some of them are one-hot vectors: a
    part of several numbers is one token then. None are given if every number is a token."""
    discount: float = 0.99
    """Weight of the next step's reward in values and plans, from 0 to 1."""
    terminal_reward: float | None = None
    """Reward that replaces that of a step that terminates an episode, as a penalty; None for none.

    The published one is -100, for robots that fall; it must not be given where goals terminate.
    """
    loss_weights: tuple[float, float, float, float] = (1.0, 5.0, 1.0, 1.0)
    """Weights of the losses on the tokens of observation, action, reward and value."""
    weighting: str = "length"
    """Weighting of episodes in draws: length (every step equally often), uniform, or balanced."""
    batch_size: int = 256
    """Number of rows in one update, over all devices."""
    num_updates: int = 1000
    """Number of updates, each a gradient step."""
    updates_per_dispatch: int = 50
    """Number of updates in one call of the compiled program."""
    num_micro_batches: int = 1
    """Number of parts in which a device computes its rows one after the other, to save memory."""
    optimization: optimizer.OptimizerConfig = dataclasses.field(
        default_factory=lambda: optimizer.OptimizerConfig(
            learning_rate=6e-4, weight_decay=0.0, betas=(0.9, 0.95)
        )
    )
    """Learning rates, weight decay and clipping of AdamW."""

    def __post_init__(self) -> None:
        """Checks the weights of the losses.

        Raises:
            ValueError: If there are not four weights of at least 0.
        """
        if len(self.loss_weights) != 4 or min(self.loss_weights) < 0:
            raise ValueError(
                f"loss_weights is {self.loss_weights}; give four numbers of at least 0: for "
                "observations, actions, rewards and values"
            )


@dataclasses.dataclass(frozen=True)
class Description:
    """All of a trained model that fixes how it acts, but for its parameters.

    Attributes:
        config: Shape of the model.
        discretizer: Bins of the dimensions of a transition.
        settings: Settings of the training and of plans.
        is_discrete: Whether an action is one integer.
        seed: Seed of the training.
    """

    config: Config
    discretizer: discretizers.Discretizer
    settings: Settings
    is_discrete: bool
    seed: int


@dataclasses.dataclass(frozen=True)
class Trained(Description):
    """A trained model.

    Attributes:
        params: Parameters of the model.
        log: Losses, and an equal share of the time of all seeds that were trained together; empty
            if the model was loaded.
        compile_seconds: Seconds to compile the update, which all seeds share.
    """

    params: Any
    log: loop.TrainingLog
    compile_seconds: float = 0.0

    @property
    def num_parameters(self) -> int:
        """Number of trained scalars."""
        return decision_transformer.num_parameters(self.params)

    def policy(self, max_steps: int, plan: planner.PlanConfig | None = None) -> planner.Planner:
        """Returns the policy, whose parameters are `params`.

        Args:
            max_steps: Longest episode to act in, in steps.
            plan: Memory and size of the search; those of the settings if None.

        Raises:
            ValueError: If the model cannot plan as far.
        """
        return planner.Planner(
            self.config,
            self.discretizer,
            plan or self.settings.plan,
            self.settings.discount,
            self.is_discrete,
            max_steps,
            self.settings.observation_parts,
        )


def tokenize(settings: Settings, task: tasks.Task) -> tuple[Config, discretizers.Discretizer, Any]:
    """Discretizes the transitions of a task, after a check of all that could fail later.

    Args:
        settings: Settings of model, training and plans.
        task: Task to learn, with its episodes.

    Returns:
        Shape of the model, bins, and tokens [N, D] of all transitions.

    Raises:
        ValueError: If observations are images or do not have the parts of the settings, the parts
            of the task do not fit each other, there is nothing to choose by or between, or plans
            are longer than the rows of the training.
    """
    planner.check(settings.model, settings.plan, task.max_steps)
    record = task.record
    num_observations = _check(settings, task)
    rewards = record.rewards
    if settings.terminal_reward is not None:
        rewards = np.where(
            record.terminations, np.float32(settings.terminal_reward), rewards
        ).astype(np.float32)
    values = returns.values_after(rewards, record.episode_lengths, settings.discount)
    numbers = transition_rows.columns(record, rewards, values)
    action_size = 1 if record.is_discrete else record.actions.shape[1]
    observation_size = numbers.shape[1] - action_size - 2
    of_observation = [num_observations] * observation_size
    if parts := settings.observation_parts:
        observations, rest = np.split(numbers, [observation_size], axis=1)
        one_hot.check(observations, parts)
        numbers = np.concatenate([one_hot.pack(observations, parts), rest], axis=1)
        observation_size, of_observation = len(parts), one_hot.categories(parts)
    categories = [*of_observation, *([task.num_actions] * action_size), None, None]
    bins = discretizers.fit(numbers, settings.num_bins, categories, settings.bins)
    config = Config(observation_size, action_size, bins.counts, settings.model)
    return config, bins, discretizers.encode(bins.edges, numbers)


def _check(settings: Settings, task: tasks.Task) -> int | None:
    """Checks that the data hold what planning needs; returns the number of index observations."""
    contract.check(task)
    record, space = task.record, task.encoders[0].encoded_space
    about = _statistics.describe(space, record.observations)
    if about.get("observation_kind") == embeddings.IMAGE:
        raise ValueError(
            f"{task.dataset} has images as observations, but a trajectory transformer predicts "
            "every number of an observation; choose another dataset, or train a decision "
            "transformer"
        )
    if settings.plan.search.rank_by == beam_search.RETURN:
        learnable.check_rewards(
            record,
            task.dataset,
            "no plan is better than another",
            "give its rewards, or set rank_by='likelihood'",
        )
    learnable.check_actions(record, task.dataset)
    return about.get("num_observations")


def prepare(
    settings: Settings,
    task: tasks.Task,
    config: Config,
    tokens: Any,
    num_seeds: int = 1,
    devices: Sequence[Any] | None = None,
) -> multi_seed.Program[Config]:
    """Builds model, optimizer and update, and puts the data on the devices.

    Args:
        settings: Settings of model and training.
        task: Task to learn, with its episodes.
        config: Shape of the model, from `tokenize`.
        tokens: Tokens [N, D] of all transitions, from `tokenize`.
        num_seeds: Number of models trained at once.
        devices: Devices to train on; all devices if None.

    Returns:
        The program.

    Raises:
        ValueError: If settings cannot be built, or do not fit the devices or the episodes.
    """
    rows = _programs.Rows(
        transition_rows.make_draw(settings.model.context_length, config.stop),
        transition_rows.make_store(tokens, task.record, settings.weighting),
    )
    return _programs.build(
        trajectory_transformer,
        config,
        settings,
        rows,
        loss_function,
        settings.loss_weights,
        mixer_names=(settings.model.mixer.name,),
        num_seeds=num_seeds,
        devices=devices,
    )


def loss_function(
    config: Config, weights: Sequence[float], *, is_training: bool = True
) -> update.LossFunction:
    """Makes the loss of a batch of rows: the weighted cross-entropy of every token but the first.

    Args:
        config: Shape of the model.
        weights: Weights of the tokens of observation, action, reward and value.
        is_training: Whether features are dropped.

    Returns:
        A loss as `update.make` takes it, of batches of `transition_rows.Rows`.
    """
    model = trajectory_transformer.TrajectoryTransformer(config)
    sizes = (config.observation_size, config.action_size, 1, 1)
    of_dimensions = np.repeat(np.asarray(weights, np.float32), sizes)[None, None]
    drops = is_training and config.model.dropout > 0

    def loss(params: Any, batch: transition_rows.Rows, noise: jax.Array) -> Any:
        rows = len(batch.tokens)
        tokens = batch.tokens.reshape(rows, -1)
        logits: Any = model.apply(
            {"params": params}, tokens[:, :-1], noise=noise if drops else None
        )
        of_tokens = jnp.where(batch.mask[..., None], of_dimensions, 0.0).reshape(rows, -1)
        return losses.weighted_cross_entropy(logits, tokens[:, 1:], of_tokens[:, 1:])

    return loss


def train(
    settings: Settings,
    task: tasks.Task,
    *,
    seeds: Sequence[int],
    console: rich.console.Console | None = None,
    devices: Sequence[Any] | None = None,
) -> Iterator[Trained]:
    """Trains one model for each seed, all in one program.

    Args:
        settings: Settings of model, training and plans.
        task: Task to learn, with its episodes.
        seeds: Seeds of parameters, drawn rows and dropout.
        console: Console for the progress bar.
        devices: Devices to train on; all devices if None.

    Yields:
        The trained models, in the order of the seeds.

    Raises:
        ValueError: If settings cannot be built, or do not fit the devices or the episodes.
        FloatingPointError: If the loss is no longer finite.
    """
    config, bins, tokens = tokenize(settings, task)
    program = prepare(settings, task, config, tokens, len(seeds), devices)
    title = f"{task.dataset}: trajectory transformer, {settings.model.mixer.name}"
    about = (config, bins, settings, task.record.is_discrete)
    for fitted in multi_seed.fit(program, settings, seeds=seeds, title=title, console=console):
        yield Trained(*about, *fitted)


def act(
    trained: Trained,
    task: tasks.Task,
    num_episodes: int,
    *,
    seed: int,
    make_env: Callable[[], gymnasium.Env] | None = None,
) -> rollout.Rollout:
    """Runs episodes in which a trained model plans every action, all at once.

    Args:
        trained: Trained model.
        task: Task of the training; the model acts in its environment.
        num_episodes: Number of episodes.
        seed: Seed of the environments and of the actions that plans try.
        make_env: Function that makes another environment to act in; None for that of the task.

    Returns:
        The episodes and the times; their targets are zero and have no meaning.

    Raises:
        ValueError: If the model cannot plan as far as its settings say.
    """
    # From targets of zero, the planner reads off the rewards; they change nothing else.
    targets = np.zeros(num_episodes, np.float32)
    policy = trained.policy(task.max_steps)
    make_env = make_env or task.make_env
    return rollout.rollout(make_env, policy, trained.params, targets, greedy=True, seed=seed)


def save(trained: Trained, folder: Path) -> None:
    """Saves a trained model as a checkpoint that holds its configuration too.

    Args:
        trained: Trained model.
        folder: Folder that holds no model yet; made if it is missing.

    Raises:
        ValueError: If the folder holds a model.
        OSError: If the disk refuses.
    """
    if checkpoints.configuration(folder) is not None:
        raise ValueError(f"{folder} holds a model already; name another folder")
    names = [field.name for field in dataclasses.fields(Description)]
    description = Description(**{name: getattr(trained, name) for name in names})
    with checkpoints.Checkpoints(folder, description) as saved:
        losses = trained.log.losses or [checkpoints.NEVER_BEST]
        saved.save(trained.settings.num_updates, trained.params, losses[-1])


def load(folder: Path) -> Trained:
    """Loads a model that `save` saved.

    Args:
        folder: Folder of the model.

    Returns:
        The model.

    Raises:
        FileNotFoundError: If there is no model.
        ValueError: If it is damaged, or the folder holds something else.
    """
    configuration = checkpoints.configuration(folder)
    if configuration is None:
        raise FileNotFoundError(f"there is no model in {folder}; save one, or check the name")
    description = config_io.from_json(configuration)
    if not isinstance(description, Description):
        raise ValueError(f"{folder} holds no trajectory transformer; name another folder")
    like = groups.strip(trajectory_transformer.shapes(description.config))
    params, log = checkpoints.load(folder, like).state, loop.TrainingLog([], [], [], 0.0)
    return Trained(**vars(description), params=params, log=log)
