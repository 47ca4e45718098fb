"""Measures what the latent variable of a clone knows of the future, and what acting loses without.

A latent variable that is ignored, or that tells the policy the action itself, gives training losses
that look well; these measures tell the cases apart.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_s4rl.agents import latent_cloning
from jax_s4rl.data import regimes, trajectories, windows
from jax_s4rl.models import latent_cloning as network
from jax_s4rl.training import losses

# Number of rows in one call of the compiled program.
ROWS = 64


class Information(NamedTuple):
    """Measures over recorded steps; losses are means over steps, in nats for discrete actions.

    Attributes:
        kl: Divergence of the posterior from the prior by time step of the episode, `[T]`, in nats;
            NaN where no episode had a step.
        mean_kl: Mean divergence over all steps, in nats.
        posterior_loss: Loss of the actions with latent variables that know the future.
        prior_loss: The same with those of acting. The gap is what acting cannot have.
        other_loss: The same with the future of another row; where it is below the prior's, the
            latent variable helps by something else than the future.
        decoder_error: Squared error of the decoded summary; 1 or more if the latent is ignored.
    """

    kl: Float[np.ndarray, " T"]
    mean_kl: float
    posterior_loss: float
    prior_loss: float
    other_loss: float
    decoder_error: float

    @property
    def gap(self) -> float:
        """Loss of the actions that training hides and acting has."""
        return self.prior_loss - self.posterior_loss


class _Sums(NamedTuple):
    """Sums over real steps, those of divergences by time step."""

    steps: Any
    kl: Any
    posterior: Any
    prior: Any
    other: Any
    decoder: Any


def measure(
    trained: latent_cloning.Trained,
    record: trajectories.Trajectories,
    *,
    num_rows: int = 256,
    seed: int = 0,
) -> Information:
    """Measures what the latent variable of a trained model knows.

    Rows are drawn as in its training, but all episodes equally often.

    Args:
        trained: Trained model.
        record: Episodes of its task, best those that it did not learn from.
        num_rows: Number of rows; rounded up to a multiple of 64.
        seed: Seed of rows and latent variables.

    Returns:
        The measures.

    Raises:
        ValueError: If the episodes do not fit the regime of the training.
    """
    settings = trained.settings
    draw = regimes.make(settings.regime, record, context_length=settings.model.context_length)
    store = windows.make_store(record, "uniform")
    horizon = int(record.episode_lengths.max())
    sums = None
    for part in range(-(-num_rows // ROWS)):
        key = jax.random.fold_in(jax.random.key(seed), part)
        found = _sums(trained.config, draw, horizon, trained.params, store, key)
        found = jax.tree.map(lambda x: np.asarray(x, np.float64), found)
        sums = found if sums is None else jax.tree.map(np.add, sums, found)
    assert sums is not None
    total = sums.steps.sum()
    with np.errstate(invalid="ignore"):
        by_step = sums.kl / sums.steps
    means = (float(each / total) for each in (sums.kl.sum(), *sums[2:]))
    return Information(by_step, *means)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _sums(
    config: latent_cloning.Config,
    draw: regimes.Draw,
    horizon: int,
    params: Any,
    store: windows.Store,
    key: Array,
) -> _Sums:
    draw_key, noise_key = jax.random.split(key)
    batch = draw(jax.random.split(draw_key, ROWS), store)
    noise = jax.random.split(noise_key, ROWS)
    by_future = {
        future: latent_cloning.evaluate(config, params, batch, noise, future=future)
        for future in network.FUTURES
    }
    own = by_future[network.OWN]
    real = batch.mask.astype(jnp.float32)
    divergences = losses.normal_kl(*own.posterior, *own.prior) * real
    nothing = jnp.zeros(horizon)
    loss_of = {
        future: latent_cloning.action_loss(config, outputs, batch)[0]
        for future, outputs in by_future.items()
    }
    return _Sums(
        steps=nothing.at[batch.time_steps].add(real),
        kl=nothing.at[batch.time_steps].add(divergences),
        posterior=loss_of[network.OWN],
        prior=loss_of[network.NONE],
        other=loss_of[network.OTHER],
        decoder=losses.squared_error(own.decoded, own.summary, batch.mask)[0],
    )
