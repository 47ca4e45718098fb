"""Trains latent-conditioned clones, whose latent variable sees the future, and lets them act.

The offline form of policy gradients into the future: behavior cloning of actions given the past and
a latent variable. A decision transformer is the case in which that variable is the return-to-go.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium
import jax
import numpy as np
import rich.console

from jax_s4rl.agents import _programs, decision_transformer, multi_seed, tasks
from jax_s4rl.data import learnable, windows
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import configs, latent_cloning, latent_policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import tokens
from jax_s4rl.training import loop, losses, update

Config = latent_cloning.LatentCloningConfig


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weights of the losses beside that of the action, and the future that is read."""

    beta: float = 1.0
    """Weight of the divergence of the posterior from the prior, summed over dimensions.

    With less than 1, a nat about the action costs less than it gains: it pays to tell the policy
    the action that the next observation shows, which no prior can do while acting.
    """
    free_nats: float = 0.05
    """Divergence of a step that costs no more than less of it would."""
    decoder_weight: float = 1e-3
    """Weight of the error of the summary that is decoded from the latent variable."""
    value_weight: float = 10.0
    """Weight of the squared error of the value, in the unit of the largest recorded return.

    It has to be large enough for the latent variable to tell the return in spite of its price.
    """
    future: str = latent_cloning.OWN
    """Future that is read in training: own, that of another episode (other), or none."""

    def __post_init__(self) -> None:
        """Checks the choices.

        Raises:
            ValueError: A weight is below 0, or there is no such future.
        """
        for name in ("beta", "free_nats", "decoder_weight", "value_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least 0")
        if self.future not in latent_cloning.FUTURES:
            raise ValueError(
                f"future is {self.future!r}; choose one of {', '.join(latent_cloning.FUTURES)}"
            )


@dataclasses.dataclass(frozen=True)
class Settings(decision_transformer.Settings):
    """Settings of a latent-conditioned clone: those of its trunk, the latent, the objective."""

    model: configs.ModelConfig = dataclasses.field(
        default_factory=lambda: configs.ModelConfig(returns=tokens.NONE)
    )
    """Choices for the trunk; its tokens hold no returns."""
    latent: latent_cloning.LatentConfig = dataclasses.field(
        default_factory=latent_cloning.LatentConfig
    )
    """Choices for the latent variable and the backward model."""
    objective: Objective = dataclasses.field(default_factory=Objective)
    """Weights of the losses."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        config: Shape of the model.
        settings: Settings of the training.
        seed: Seed of the training.
        params: Parameters of the model.
        log: Losses, and an equal share of the time of all seeds that were trained together.
        compile_seconds: Seconds to compile the update, which all seeds share.
        latent: Choice of the latent variable while acting, one of `latent_policy.CHOICES`.
    """

    config: Config
    settings: Settings
    seed: int
    params: Any
    log: loop.TrainingLog
    compile_seconds: float
    latent: str = latent_policy.DRAWN

    @property
    def num_parameters(self) -> int:
        """Number of trained scalars, those that only training needs included."""
        return network.num_parameters(self.params)

    @property
    def memory(self) -> str:
        """Treatment of the memory while acting that fits the training."""
        return decision_transformer.memory(self.settings)


def configure(settings: Settings, task: tasks.Task) -> Config:
    """Computes the configuration of the model, with statistics of the training data.

    Args:
        settings: Settings of model and training.
        task: Task to learn, with its episodes.

    Returns:
        Shape and scales of the model.

    Raises:
        ValueError: If the model cannot be built, the parts of the task do not fit each other, or
            the data have one action only or rewards of 0 alone.
    """
    trunk = decision_transformer.configure(settings, task)
    learnable.check_actions(task.record, task.dataset)
    learnable.check_rewards(task.record, task.dataset, "the value of a latent variable is 0")
    largest = float(np.abs(task.record.rewards).max())
    return Config(**vars(trunk), latent=settings.latent, reward_scale=largest)


def prepare(
    settings: Settings, task: tasks.Task, num_seeds: int = 1, devices: Sequence[Any] | None = None
) -> multi_seed.Program[Config]:
    """Builds the program of a training, as `decision_transformer.prepare` does."""
    config = configure(settings, task)
    return _programs.build(
        latent_cloning,
        config,
        settings,
        _programs.rows_of(settings, task.record),
        loss_function,
        settings.objective,
        mixer_names=(settings.model.mixer.name, settings.latent.backward.name),
        num_seeds=num_seeds,
        devices=devices,
    )


def loss_function(
    config: Config, objective: Objective, *, is_training: bool = True
) -> update.LossFunction:
    """Makes the loss of a batch of rows.

    It is the loss of the actions with latent variables of the posterior, plus the weighted
    divergence from the prior, error of the decoded summary, and error of the value.

    Args:
        config: Shape of the model.
        objective: Weights of the losses.
        is_training: Whether features are dropped; latent variables are drawn in any case.

    Returns:
        A loss as `update.make` takes it, of batches of `windows.Windows`.
    """

    def loss(params: Any, batch: windows.Windows, noise: jax.Array) -> Any:
        outputs = evaluate(
            config, params, batch, noise, future=objective.future, is_training=is_training
        )
        total, weight = action_loss(config, outputs, batch)
        divergence, _ = losses.kl(
            losses.normal_kl(*outputs.posterior, *outputs.prior), batch.mask, objective.free_nats
        )
        # The summary is a fixed target: it must not become simple to be decoded.
        summary = jax.lax.stop_gradient(outputs.summary)
        decoder_error, _ = losses.squared_error(outputs.decoded, summary, batch.mask)
        value = outputs.predicted.return_to_go
        assert value is not None
        value_error, _ = losses.scalar_error(
            value / config.return_scale,
            batch.returns_to_go / config.return_scale,
            batch.mask,
        )
        # All losses are sums over the same steps, so one weight divides them all.
        total += objective.beta * divergence
        total += objective.decoder_weight * decoder_error
        return total + objective.value_weight * value_error, weight

    return loss


def evaluate(
    config: Config,
    params: Any,
    batch: windows.Windows,
    noise: jax.Array,
    *,
    future: str = latent_cloning.OWN,
    is_training: bool = False,
) -> latent_cloning.Outputs:
    """Runs a model over rows of recorded steps.

    Args:
        config: Shape of the model.
        params: Parameters of the model.
        batch: Rows of steps.
        noise: Typed random key of each row, for latent variables and dropout.
        future: Future that is read, one of `latent_cloning.FUTURES`.
        is_training: Whether features are dropped.

    Returns:
        The outputs for every step.
    """
    keys = jax.vmap(jax.random.split)(noise)
    shape = (batch.mask.shape[1], config.latent.size)
    draws = jax.vmap(lambda key: jax.random.normal(key, shape))(keys[:, 0])
    outputs: Any = latent_cloning.LatentCloning(config).apply(
        {"params": params},
        batch.observations,
        batch.actions,
        windows.rewards(batch),
        batch.previous_actions,
        batch.time_steps,
        batch.mask,
        windows.has_next(batch.mask, batch.resets),
        batch.resets,
        draws=draws,
        noise=keys[:, 1] if is_training and config.model.dropout else None,
        future=future,
    )
    return outputs


def action_loss(config: Config, outputs: latent_cloning.Outputs, batch: windows.Windows) -> Any:
    """Returns the sum of the losses of the actions over real steps, and their number."""
    targets = network.action_targets(config, batch.actions)
    predicted = outputs.predicted
    return losses.action(predicted.action, predicted.log_std, targets, batch.mask)


def train(
    settings: Settings,
    task: tasks.Task,
    *,
    seeds: Sequence[int],
    console: rich.console.Console | None = None,
    devices: Sequence[Any] | None = None,
) -> Iterator[Trained]:
    """Trains one model for each seed, all in one program.

    It takes, yields and raises what `decision_transformer.train` does; seeds are also those of the
    latent variables.
    """
    program = prepare(settings, task, len(seeds), devices)
    title = f"{task.dataset}: latent cloning, {settings.model.mixer.name}, {len(seeds)} seeds"
    for fitted in multi_seed.fit(program, settings, seeds=seeds, title=title, console=console):
        yield Trained(program.config, settings, *fitted)


def act(
    trained: Trained,
    task: tasks.Task,
    *,
    greedy: np.ndarray,
    seed: int,
    make_env: Callable[[], gymnasium.Env] | None = None,
) -> rollout.Rollout:
    """Runs one episode for each entry of `greedy` with a trained model, without target returns.

    Args:
        trained: Trained model.
        task: Task of the training; the model acts in its environment.
        greedy: For each episode, True for the likeliest action given the latent variable, False
            for a sampled one.
        seed: Seed of the environments, of latent variables and of sampled actions.
        make_env: Function that makes another environment to act in; None for that of the task.

    Returns:
        The episodes and the times; their targets are zero and have no meaning.

    Raises:
        ValueError: If there is no such choice.
    """
    policy = latent_policy.LatentPolicy(
        trained.config, task.max_steps, trained.memory, trained.latent
    )
    targets = np.zeros(len(greedy), np.float32)
    return rollout.rollout(
        make_env or task.make_env, policy, trained.params, targets, greedy=greedy, seed=seed
    )
