"""Trains decision transformers on offline datasets, and evaluates them in environments."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium
import jax
import numpy as np
import rich.console
from jaxtyping import Float

from jax_s4rl.agents import _programs, _statistics, contract, multi_seed, tasks
from jax_s4rl.data import learnable, regimes, windows
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import configs, decision_transformer, policy
from jax_s4rl.modules import tokens
from jax_s4rl.training import loop, losses, optimizer, update


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a model and its training."""

    model: configs.ModelConfig = dataclasses.field(default_factory=configs.ModelConfig)
    """Choices for the model: mixer, tokens, context, width, depth and losses."""
    regime: str = "windows"
    """Regime of training, which says what a row of a batch holds.

    A row is a slice of an episode (windows), a whole episode (episodes), several whole episodes
    (packed), or the first steps of an episode (openings).
    """
    weighting: str = "length"
    """Weighting of episodes in draws: length (by steps), uniform, or balanced (by returns)."""
    batch_size: int = 64
    """Number of rows in one update, over all devices."""
    num_updates: int = 1000
    """Number of updates, each a gradient step."""
    updates_per_dispatch: int = 50
    """Number of updates in one call of the compiled program."""
    num_micro_batches: int = 1
    """Number of parts in which a device computes its rows one after the other, to save memory."""
    optimization: optimizer.OptimizerConfig = dataclasses.field(
        default_factory=optimizer.OptimizerConfig
    )
    """Learning rates, weight decay and clipping of AdamW."""

    def with_mixer(self, name: str) -> "Settings":
        """Returns the settings with another sequence mixer; its options stay.

        Args:
            name: Name of the mixer, for instance "s4d".

        Raises:
            ValueError: If there is no such mixer, or it does not take the options.
        """
        mixer = dataclasses.replace(self.model.mixer, name=name)
        return dataclasses.replace(self, model=dataclasses.replace(self.model, mixer=mixer))


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        config: Shape of the model.
        memory: Treatment of the memory while acting, "restart" or "carry"; see `memory`.
        seed: Seed of the training.
        params: Parameters of the model.
        log: Losses, and an equal share of the time of all seeds that were trained together.
        compile_seconds: Seconds to compile the update, which all seeds share.
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


def resolve(settings: Settings | None, mixer: str | None, overrides: dict[str, Any]) -> Settings:
    """Replaces fields of settings, and of the model in them, by name.

    Args:
        settings: Settings; the default ones, around S4D, if None.
        mixer: Sequence mixer; that of the settings if None.
        overrides: New values by name.

    Returns:
        The settings.

    Raises:
        ValueError: If there is no such mixer or setting.
    """
    if settings is None:
        settings = Settings().with_mixer("s4d")
    if mixer is not None:
        settings = settings.with_mixer(mixer)
    own = {field.name for field in dataclasses.fields(settings)}
    of_model = {field.name for field in dataclasses.fields(settings.model)} - own
    if unknown := sorted(overrides.keys() - own - of_model):
        raise ValueError(
            f"got the settings {', '.join(unknown)}, which do not exist; "
            f"choose from {', '.join(sorted(own | of_model))}"
        )
    settings = dataclasses.replace(settings, **{k: v for k, v in overrides.items() if k in own})
    model = {k: v for k, v in overrides.items() if k in of_model}
    return dataclasses.replace(settings, model=dataclasses.replace(settings.model, **model))


def prepare(
    settings: Settings,
    task: tasks.Task,
    num_seeds: int = 1,
    devices: Sequence[Any] | None = None,
    loss_weights: Float[np.ndarray, " N"] | None = None,
) -> multi_seed.Program[configs.DecisionTransformerConfig]:
    """Builds model, optimizer and update, and puts the data on the devices.

    Args:
        settings: Settings of model and training.
        task: Task to learn, with its episodes.
        num_seeds: Number of models trained at once.
        devices: Devices to train on; all devices if None.
        loss_weights: Weight of each recorded action in the loss, see `train`.

    Returns:
        The program.

    Raises:
        ValueError: If settings cannot be built, do not fit the devices or the episodes, or need
            returns and a choice of actions that the episodes lack.
    """
    config = configure(settings, task)
    _check_conditioning(settings, task)
    if loss_weights is not None and not task.record.is_discrete:
        raise ValueError(
            "got loss weights for continuous actions, wanted discrete ones; bin the actions, or "
            "train without weights"
        )
    return _programs.build(
        decision_transformer,
        config,
        settings,
        _programs.rows_of(settings, task.record, loss_weights),
        loss_function,
        mixer_names=(settings.model.mixer.name,),
        num_seeds=num_seeds,
        devices=devices,
    )


def train(
    settings: Settings,
    task: tasks.Task,
    *,
    seeds: Sequence[int],
    console: rich.console.Console | None = None,
    watch: Callable[[loop.Dispatch], None] | None = None,
    devices: Sequence[Any] | None = None,
    loss_weights: Float[np.ndarray, " N"] | None = None,
) -> Iterator[Trained]:
    """Trains one model for each seed, all in one program.

    Args:
        settings: Settings of model and training.
        task: Task to learn, with its episodes.
        seeds: Seeds of parameters, drawn rows and dropout.
        console: Console for the progress bar.
        watch: Function that gets every dispatch, see `loop.run`.
        devices: Devices to train on; all devices if None.
        loss_weights: Weight of each recorded action in the loss, 0 or more and about 1; 0 leaves an
            action out. None if all have the same.

    Yields:
        The trained models, in the order of the seeds.

    Raises:
        ValueError: If settings cannot be built, or do not fit the devices or the episodes.
        FloatingPointError: If the loss is no longer finite.
    """
    program = prepare(settings, task, len(seeds), devices, loss_weights)
    title = (
        f"{task.dataset}: {settings.model.mixer.name}, {settings.model.tokens}, {len(seeds)} seeds"
    )
    for fitted in multi_seed.fit(
        program, settings, seeds=seeds, title=title, console=console, watch=watch
    ):
        yield Trained(program.config, memory(settings), *fitted)


def configure(settings: Settings, task: tasks.Task) -> configs.DecisionTransformerConfig:
    """Computes the configuration of the model, with statistics of the training data.

    Args:
        settings: Settings of model and training.
        task: Task to learn, with its episodes.

    Returns:
        Shape and scales of the model.

    Raises:
        ValueError: If the model cannot be built, or the parts of the task do not fit each other.
    """
    record = task.record
    contract.check(task)
    space = task.encoders[0].encoded_space
    largest_return = np.abs(record.episode_returns).max()
    return configs.DecisionTransformerConfig(
        observation_shape=record.observations.shape[1:],
        **_statistics.describe(space, record.observations),
        **_statistics.describe_actions(record.actions),
        num_actions=task.num_actions,
        action_size=None if task.num_actions is not None else record.actions.shape[1],
        horizon=task.max_steps,
        return_scale=float(largest_return) if largest_return > 0 else 1.0,
        model=settings.model,
    )


def _check_conditioning(settings: Settings, task: tasks.Task) -> None:
    """Checks that a return can tell actions apart; behavior cloning takes whatever was done."""
    if settings.model.returns == tokens.NONE:
        return
    remedy = "give its rewards, or set returns='none' to clone the behavior"
    learnable.check_rewards(task.record, task.dataset, "no return is better than another", remedy)
    learnable.check_actions(task.record, task.dataset)


def loss_function(
    config: configs.DecisionTransformerConfig, *, is_training: bool = True
) -> update.LossFunction:
    """Makes the loss of a batch of windows.

    It is the loss of the predicted actions, plus weighted losses of predicted next observations
    and returns-to-go if the model predicts them.

    Args:
        config: Shape of the model, with the weights of the losses.
        is_training: Whether features are dropped.

    Returns:
        A loss as `update.make` takes it, of batches of `windows.Windows`.
    """
    model, model_config = decision_transformer.DecisionTransformer(config), config.model

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
            noise=noise if is_training and model_config.dropout else None,
        )
        actions = decision_transformer.action_targets(config, batch.actions)
        if batch.loss_weights is None:
            total, weight = losses.action(
                predictions.action, predictions.log_std, actions, batch.mask
            )
        else:
            total, weight = losses.weighted_cross_entropy(
                predictions.action, actions, batch.loss_weights
            )
        # The other losses are divided by the weight of the actions too, so their own weights are
        # dropped.
        if model_config.observation_loss:
            observations = decision_transformer.observation_targets(config, batch.observations)
            error, _ = losses.next_observation(
                predictions.observation, observations, batch.mask, batch.resets
            )
            total += model_config.observation_loss * error
        if model_config.return_loss:
            # Both are scaled, so that the weight of this loss does not depend on the unit of the
            # rewards.
            predicted_returns = predictions.return_to_go / config.return_scale
            error, _ = losses.scalar_error(
                predicted_returns, batch.returns_to_go / config.return_scale, batch.mask
            )
            total += model_config.return_loss * error
        return total, weight

    return loss


def memory(settings: Settings) -> str:
    """Returns the treatment of the memory while acting that fits the training (`policy.Policy`).

    Models trained on windows or openings never saw a state older than the context, so the memory is
    reset while acting. Models trained on whole episodes or packed rows carry it from the first step
    of an episode to the last. Attention without a sliding window cannot continue past its context,
    so its memory is always reset.

    Args:
        settings: Settings of model and training.

    Returns:
        Either `policy.RESTART` or `policy.CARRY`.
    """
    mixer = settings.model.mixer
    is_bounded = mixer.name == "attention" and mixer.window is None
    return policy.CARRY if settings.regime in regimes.WHOLE and not is_bounded else policy.RESTART


def act(
    trained: Trained,
    task: tasks.Task,
    targets: np.ndarray,
    *,
    greedy: np.ndarray,
    seed: int,
    make_env: Callable[[], gymnasium.Env] | None = None,
) -> rollout.Rollout:
    """Runs one episode for each target return with a trained model.

    While acting, the return-to-go never falls below the lowest one in the data.

    Args:
        trained: Trained model.
        task: Task of the training; the model acts in its environment.
        targets: Target return at the start of each episode.
        greedy: For each episode, True for the likeliest action, False for a sampled one.
        seed: Seed of the environments and of sampled actions.
        make_env: Function that makes another environment to act in, for instance one that hides
            something; None for that of the task.

    Returns:
        The episodes and the times.
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
