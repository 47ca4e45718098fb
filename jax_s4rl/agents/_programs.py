"""Builds the training program of a model whose parameters name their optimizer groups.

Every agent that trains such a model on recorded steps builds its program here.
"""

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jaxtyping import Float

from jax_s4rl.agents import multi_seed
from jax_s4rl.data import regimes, trajectories, windows
from jax_s4rl.models import configs
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import optimizer, update


class Network(Protocol):
    """Module of `jax_s4rl.models` that draws the parameters of its model."""

    @property
    def init(self) -> Callable[[Any, jax.Array], Any]:
        """Function that draws boxed parameters from a configuration and a key."""
        ...

    @property
    def shapes(self) -> Callable[[Any], Any]:
        """Function that computes the shapes of the boxed parameters from a configuration."""
        ...


class Settings(multi_seed.Schedule, Protocol):
    """Settings of a training: its length, its parts of a batch and its optimizer."""

    @property
    def num_micro_batches(self) -> int:
        """Number of parts in which a device computes its rows."""
        ...

    @property
    def optimization(self) -> optimizer.OptimizerConfig:
        """Learning rates, weight decay and clipping of AdamW."""
        ...


class RowSettings(Protocol):
    """Settings of the rows of a batch."""

    @property
    def model(self) -> configs.ModelConfig:
        """Choices for the model, of which the context length counts."""
        ...

    @property
    def regime(self) -> str:
        """Regime of training, which says what a row holds, see `data.regimes`."""
        ...

    @property
    def weighting(self) -> str:
        """Weighting of episodes in draws, see `data.sampling`."""
        ...


class Rows(NamedTuple):
    """Data of a training.

    Attributes:
        draw: Function that draws the rows of a batch from the store.
        store: Recorded steps, on the host.
    """

    draw: update.Draw
    store: Any


def rows_of(
    settings: RowSettings,
    record: trajectories.Trajectories,
    loss_weights: Float[np.ndarray, " N"] | None = None,
) -> Rows:
    """Returns recorded episodes as rows of batches.

    Args:
        settings: Settings of the rows.
        record: Episodes.
        loss_weights: Weight of each step's action in the loss; None if all have the same.

    Raises:
        ValueError: If there is no such regime or weighting, or the episodes do not fit.
    """
    return Rows(
        regimes.make(settings.regime, record, context_length=settings.model.context_length),
        windows.make_store(record, settings.weighting, loss_weights),
    )


def build(
    network: Network,
    config: multi_seed.Config,
    settings: Settings,
    rows: Rows,
    loss_function: Callable[..., update.LossFunction],
    *loss_arguments: Hashable,
    mixer_names: tuple[str, ...],
    num_seeds: int = 1,
    devices: Sequence[Any] | None = None,
) -> multi_seed.Program[multi_seed.Config]:
    """Builds model, optimizer and update, and puts the data on the devices.

    Args:
        network: Module of the model.
        config: Shape of the model.
        settings: Settings of the training.
        rows: Data of the training.
        loss_function: Function that makes the loss of a batch from `config` and `loss_arguments`.
        *loss_arguments: What the loss depends on besides the shape of the model.
        mixer_names: Names of all sequence mixers of the model.
        num_seeds: Number of models trained at once.
        devices: Devices to train on; all devices if None.

    Returns:
        The program; trainings that are equal but for their data share what is compiled.

    Raises:
        ValueError: If settings cannot be built, or do not fit the devices.
    """
    functions = _functions(
        network,
        config,
        tuple(mixers.definition(name) for name in mixer_names),
        settings.optimization,
        settings.num_updates,
        loss_function,
        loss_arguments,
    )
    return multi_seed.build(
        config,
        settings,
        init_params=functions.init_params,
        transformation=functions.transformation,
        loss=functions.loss,
        draw=rows.draw,
        store=rows.store,
        num_seeds=num_seeds,
        num_micro_batches=settings.num_micro_batches,
        devices=devices,
    )


class _Functions(NamedTuple):
    """What draws the parameters of a model, their optimizer, and the loss."""

    init_params: Callable[[jax.Array], Any]
    transformation: Any
    loss: update.LossFunction


# The same functions for equal settings, so that their trainings share a compiled program.
@multi_seed.shared
def _functions(
    network: Network,
    config: Any,
    definitions: Any,  # of the mixers, which can be registered anew under their names
    optimization: optimizer.OptimizerConfig,
    num_updates: int,
    loss_function: Callable[..., update.LossFunction],
    loss_arguments: tuple[Hashable, ...],
) -> _Functions:
    """Makes the functions of a training."""
    init_boxed = functools.partial(network.init, config)
    # The boxes around the leaves name their groups.
    labels = groups.labels(network.shapes(config))
    return _Functions(
        lambda key: groups.strip(init_boxed(key)),
        optimizer.make(optimization, labels, num_updates),
        loss_function(config, *loss_arguments),
    )
