"""Policy gradients into the future: recurrent PPO whose latent variables see what happens later.

    for each in recurrent_ppo.train(make_env, future_ppo.Settings(), seed=0):
        print(each.num_steps, each.metrics["actor_kl"])

While learning from a round, policy and value read a latent variable each that knows the later steps
of its row, at a price in nats. While playing, both are drawn from priors that know the past alone,
so that acting costs what it costs without.
"""

import dataclasses

from jax_s4rl.agents import future_update, recurrent_ppo
from jax_s4rl.models import future_actor_critic, latent_cloning


@dataclasses.dataclass(frozen=True)
class Settings(recurrent_ppo.Settings):
    """Settings of `recurrent_ppo.train`, for networks with latent variables of the future.

    A row of `row_length` steps is all that is known of the future: an action whose effect comes
    after the end of its row learns from it as in plain PPO.

    Raises:
        ValueError: If numbers do not fit each other.
    """

    latent: latent_cloning.LatentConfig = dataclasses.field(
        default_factory=latent_cloning.LatentConfig
    )
    """Choices for the latent variables and the backward model."""
    objective: future_update.Objective = dataclasses.field(default_factory=future_update.Objective)
    """Weights of the losses beside PPO's, and the future that is read."""

    def __post_init__(self) -> None:
        """Checks the numbers that do not depend on the environment."""
        super().__post_init__()
        if self.row_length < 2 and self.objective.future != latent_cloning.NONE:
            raise ValueError(
                f"got row_length={self.row_length}, wanted at least 2 steps: a row of one step has "
                "no future"
            )
        if self.num_envs < 2 and self.objective.future == latent_cloning.OTHER:
            raise ValueError(
                f"got num_envs={self.num_envs}, wanted at least 2: the future of another "
                "environment needs another one"
            )

    @property
    def form(self) -> future_update.IntoTheFuture:
        """Kind of PPO."""
        return future_update.IntoTheFuture(self.objective)

    def networks(self, **facts: int) -> future_actor_critic.FutureConfig:
        """Returns the shape of the networks, see `recurrent_ppo.Settings.networks`."""
        return future_actor_critic.FutureConfig(**facts, **self._choices(), latent=self.latent)
