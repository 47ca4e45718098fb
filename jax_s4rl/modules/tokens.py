"""Tokens: return-to-go, observation and action of each step, interleaved as three tokens or concatenated into one."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

INTERLEAVED = "interleaved"
CONCATENATED = "concatenated"
LAYOUTS = (INTERLEAVED, CONCATENATED)

# Order within a step when interleaved. The action comes last: the observation's token predicts it.
NUM_INTERLEAVED = 3
PREDICTS = 1


def interleave(
    first: Float[Array, "batch length width"],
    second: Float[Array, "batch length width"],
    third: Float[Array, "batch length width"],
) -> Float[Array, "batch tokens width"]:
    """Weaves three sequences into one: first, second, third of step 0, then of step 1, and so on.

    Example:
      >>> import jax.numpy as jnp
      >>> parts = [jnp.full((1, 2, 1), value) for value in (1.0, 2.0, 3.0)]
      >>> interleave(*parts)[0, :, 0].tolist()
      [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
    """
    woven = jnp.stack([first, second, third], axis=2)
    batch, length, count, width = woven.shape
    return woven.reshape(batch, length * count, width)


def split(tokens: Float[Array, "batch tokens width"]) -> tuple[Float[Array, "batch length width"], ...]:
    """The inverse of `interleave`."""
    return tuple(tokens[:, part::NUM_INTERLEAVED] for part in range(NUM_INTERLEAVED))


class Tokenizer(nn.Module):
    """Embeds the steps of trajectories as tokens, and knows at which token an action is predicted.

    Interleaved, step t gives the tokens (return-to-go, observation, action) and the observation's token predicts the
    action. Concatenated, step t gives one token of return-to-go, observation and the **previous** action; the action of
    step t is not in it. A linear map of a concatenation is the sum of linear maps of the parts, so both layouts share
    their embeddings.

    Attributes:
      layout: "interleaved" or "concatenated".
      width: features of a token.
      num_actions: of a discrete action space; None for a continuous one.
      return_scale: divides returns-to-go, so that they are near one.
      observation_mean, observation_std: standardize observations; statistics of the training data.
      horizon: number of time steps that have an embedding; None for tokens without a time embedding.
    """

    layout: str
    width: int
    num_actions: int | None
    return_scale: float
    observation_mean: tuple[float, ...]
    observation_std: tuple[float, ...]
    horizon: int | None

    def setup(self) -> None:
        """Makes the embeddings."""
        if self.layout not in LAYOUTS:
            raise ValueError(f"tokens are {self.layout!r}; choose one of {', '.join(LAYOUTS)}")
        self.embed_return = nn.Dense(self.width)
        self.embed_observation = nn.Dense(self.width)
        self.embed_action = nn.Dense(self.width)
        if self.horizon is not None:
            self.embed_time = nn.Embed(self.horizon, self.width)

    @property
    def tokens_per_step(self) -> int:
        """How many tokens a step of the environment becomes."""
        return NUM_INTERLEAVED if self.layout == INTERLEAVED else 1

    def __call__(
        self,
        returns_to_go: Float[Array, "batch length"],
        observations: Float[Array, "batch length features"],
        actions: Num[Array, "batch length *action"],
        previous_actions: Num[Array, "batch length *action"],
        time_steps: Int[Array, "batch length"],
    ) -> Float[Array, "batch tokens width"]:
        """Tokens of whole windows; `tokens = length * tokens_per_step`."""
        time = self._time(time_steps)
        returned = self._return(returns_to_go)
        observed = self._observation(observations)
        if self.layout == CONCATENATED:
            return returned + observed + self._action(previous_actions) + time
        return interleave(returned + time, observed + time, self._action(actions) + time)

    def step(
        self,
        return_to_go: Float[Array, " batch"],
        observation: Float[Array, "batch features"],
        previous_action: Num[Array, "batch *action"],
        time_step: Int[Array, " batch"],
    ) -> list[Float[Array, "batch width"]]:
        """The tokens that become known at one step, oldest first; the last one predicts the action.

        Interleaved, the previous action's token comes first, for it was not known a step ago. It belongs to the episode
        before if an episode starts here: see `starts`.
        """
        time = self._time(time_step)
        returned = self._return(return_to_go)
        observed = self._observation(observation)
        acted = self._action(previous_action)
        if self.layout == CONCATENATED:
            return [returned + observed + acted + time]
        return [acted + self._time(jnp.maximum(time_step - 1, 0)), returned + time, observed + time]

    def starts(self, reset: Bool[Array, " batch"]) -> list[Bool[Array, " batch"]]:
        """For each token of `step`, where the state has to be cleared before it, if `reset` asks for a start."""
        if self.layout == CONCATENATED:
            return [reset]
        never = jnp.zeros_like(reset)
        return [never, reset, never]

    def predictive(self, hidden: Float[Array, "batch tokens width"]) -> Float[Array, "batch length width"]:
        """Those outputs of a sequence model from which actions are predicted, one for each step."""
        return hidden if self.layout == CONCATENATED else split(hidden)[PREDICTS]

    def spread(self, flags: Bool[Array, "batch length"], *, first_only: bool) -> Bool[Array, "batch tokens"]:
        """Flags of steps as flags of tokens: on all tokens of the step (padding), or on its first (resets)."""
        if self.layout == CONCATENATED:
            return flags
        other = jnp.zeros_like(flags) if first_only else flags
        return jnp.stack([flags, other, other], axis=2).reshape(flags.shape[0], -1)

    def _return(self, returns_to_go: Float[Array, "*rows"]) -> Float[Array, "*rows width"]:
        return self.embed_return(returns_to_go[..., None] / self.return_scale)

    def _observation(self, observations: Float[Array, "*rows features"]) -> Float[Array, "*rows width"]:
        mean = jnp.asarray(self.observation_mean, observations.dtype)
        std = jnp.asarray(self.observation_std, observations.dtype)
        ones = (1,) * (observations.ndim - 1)
        return self.embed_observation((observations - mean.reshape(*ones, -1)) / std.reshape(*ones, -1))

    def _action(self, actions: Num[Array, "..."]) -> Float[Array, "... width"]:
        if self.num_actions is None:
            return self.embed_action(actions)
        # No action (-1, before the first one) has no hot entry: it is embedded as the bias alone.
        return self.embed_action(jax.nn.one_hot(actions, self.num_actions))

    def _time(self, time_steps: Int[Array, "*rows"]) -> Float[Array, "*rows width"]:
        if self.horizon is None:
            return jnp.zeros((*time_steps.shape, self.width))
        return self.embed_time(time_steps)
