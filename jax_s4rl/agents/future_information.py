"""Measures what the latent variables of an online agent know of the future, in recorded episodes.

A latent variable that is ignored, or that tells the policy the action itself, gives training losses
that look well; these measures tell the cases apart. They are those of clones.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jax_s4rl.agents import future_update, recurrent_update
from jax_s4rl.agents.latent_information import Information
from jax_s4rl.collection.ppo import network as ppo_network
from jax_s4rl.data import returns, trajectories, windows
from jax_s4rl.models import future_actor_critic, latent_cloning, recurrent_actor_critic


class Known(NamedTuple):
    """What the two latent variables know.

    Attributes:
        actor: That of the actor; losses are minus log-probabilities of the actions, in nats.
        critic: That of the critic; losses are squared errors of the discounted return.
    """

    actor: Information
    critic: Information


def measure(
    config: future_actor_critic.FutureConfig,
    params: Any,
    record: trajectories.Trajectories,
    *,
    discount: float,
    seed: int = 0,
) -> Known:
    """Measures what the latent variables know at every step of whole episodes.

    Args:
        config: Shape of the networks.
        params: Parameters of the networks.
        record: At least two episodes of discrete actions, best those that the agent played itself.
            Each of them starts with an empty memory.
        discount: Discount factor of the returns that the value expects.
        seed: Seed of the latent variables.

    Returns:
        The measures.

    Raises:
        ValueError: If there are too few episodes, they are too long, or their observations do not
            fit.
    """
    length = int(record.episode_lengths.max())
    if record.observations.shape[1:] != (config.observation_size,):
        raise ValueError(
            f"got observations of the shape {record.observations.shape[1:]}, wanted "
            f"{config.observation_size} features each; take episodes of the agent's environment"
        )
    if record.num_episodes < 2 or length > config.max_length:
        raise ValueError(
            f"got {record.num_episodes} episodes of up to {length} steps, wanted at least 2 of at "
            f"most {config.max_length} steps; take more of them, or shorter ones"
        )
    store = windows.make_store(record)
    batch = windows.gather_windows(store, store.episode_starts, length)
    after = returns.values_after(record.rewards, record.episode_lengths, discount)
    targets = np.zeros(batch.mask.shape, np.float32)
    targets[np.asarray(batch.mask)] = record.rewards + discount * after
    by_future = _losses(config, params, batch, jnp.asarray(targets), jax.random.key(seed))
    own, real = by_future[latent_cloning.OWN], np.asarray(batch.mask)
    return Known(
        *(
            Information(
                kl=_mean(own.kl[part], real, axis=0),
                mean_kl=float(_mean(own.kl[part], real)),
                posterior_loss=float(_mean(own.loss[part], real)),
                prior_loss=float(_mean(by_future[latent_cloning.NONE].loss[part], real)),
                other_loss=float(_mean(by_future[latent_cloning.OTHER].loss[part], real)),
                decoder_error=float(_mean(own.decoder[part], real)),
            )
            for part in range(2)
        )
    )


def _mean(
    values: Float[Array, "E T"], real: Bool[np.ndarray, "E T"], axis: int | None = None
) -> Any:
    """Returns the mean over real steps."""
    return np.mean(np.asarray(values, np.float64), axis=axis, where=real)


class _Steps(NamedTuple):
    """Measures of each step of each episode, for actor and critic, `[2, E, T]`."""

    kl: Float[Array, "2 E T"]
    loss: Float[Array, "2 E T"]
    decoder: Float[Array, "2 E T"]


@functools.partial(jax.jit, static_argnums=0)
def _losses(
    config: future_actor_critic.FutureConfig,
    params: Any,
    batch: windows.Windows,
    targets: Float[Array, "E T"],
    key: Array,
) -> dict[str, _Steps]:
    """Measures steps with every future that the latent variables can read."""
    rewards = windows.rewards(batch)
    is_first = batch.mask & (batch.time_steps == 0)
    inputs = recurrent_actor_critic.Inputs(
        batch.observations,
        batch.previous_actions,
        jnp.where(batch.mask & ~is_first, jnp.roll(rewards, 1, axis=1), 0.0),
        is_first,
        jax.random.normal(key, (*batch.mask.shape, config.num_draws)),
    )
    own = future_actor_critic.Later(
        batch.observations, batch.actions, rewards, batch.mask, windows.has_next(batch.mask)
    )
    start = recurrent_actor_critic.init_state(config, params, len(batch.mask))
    futures = {
        latent_cloning.OWN: own,
        latent_cloning.OTHER: jax.tree.map(lambda array: jnp.roll(array, 1, axis=0), own),
        latent_cloning.NONE: None,
    }
    found = {}
    for name, later in futures.items():
        outputs = future_actor_critic.look_ahead(config, params, start, inputs, later)
        said = recurrent_update.outputs(outputs.said)
        chances = ppo_network.log_probability(said, batch.actions, discrete=True)
        latents = (outputs.actor, outputs.critic)
        found[name] = _Steps(
            jnp.stack([future_update.divergences(each) for each in latents]),
            jnp.stack([-chances, jnp.square(outputs.said.value - targets)]),
            jnp.stack(
                [jnp.mean(jnp.square(each.decoded - outputs.summary), axis=-1) for each in latents]
            ),
        )
    return found
