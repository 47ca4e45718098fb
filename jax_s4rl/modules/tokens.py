"""Tokens: return-to-go, observation and action of each step, interleaved or concatenated into one."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from jax_s4rl.modules import embeddings

INTERLEAVED = "interleaved"
CONCATENATED = "concatenated"
LAYOUTS = (INTERLEAVED, CONCATENATED)

INSIDE = "inside"
OUTSIDE = "outside"
NONE = "none"
RETURNS = (INSIDE, OUTSIDE, NONE)

LEARNED = "learned"
SINUSOIDAL = "sinusoidal"
TIME_EMBEDDINGS = (LEARNED, SINUSOIDAL, NONE)


def per_step(layout: str, returns: str) -> int:
    """How many tokens a step of the environment becomes.

    Example:
      >>> per_step("interleaved", "inside"), per_step("interleaved", "outside"), per_step("concatenated", "inside")
      (3, 2, 1)
    """
    if layout == CONCATENATED:
        return 1
    return 3 if returns == INSIDE else 2


def interleave(*parts: Float[Array, "batch length width"]) -> Float[Array, "batch tokens width"]:
    """Weaves sequences into one: the first, second, ... part of step 0, then of step 1, and so on.

    Example:
      >>> import jax.numpy as jnp
      >>> parts = [jnp.full((1, 2, 1), value) for value in (1.0, 2.0, 3.0)]
      >>> interleave(*parts)[0, :, 0].tolist()
      [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
    """
    woven = jnp.stack(parts, axis=2)
    batch, length, count, width = woven.shape
    return woven.reshape(batch, length * count, width)


def split(tokens: Float[Array, "batch tokens width"], count: int) -> tuple[Float[Array, "batch length width"], ...]:
    """The inverse of `interleave` of `count` parts."""
    return tuple(tokens[:, part::count] for part in range(count))


class Tokenizer(nn.Module):
    """Embeds the steps of trajectories as tokens, and knows at which token an action is predicted.

    Interleaved, step t gives the tokens (return-to-go, observation, action) and the observation's token predicts the
    action. Concatenated, step t gives one token of return-to-go, observation and the **previous** action; the action of
    step t is not in it. A linear map of a concatenation is the sum of linear maps of the parts, so both layouts share
    their embeddings. Returns-to-go outside the stream leave the tokens (observation, action), or their sum.

    Attributes:
      layout: "interleaved" or "concatenated".
      returns: "inside", or where else returns-to-go are: then no token has them.
      time_embedding: "learned", "sinusoidal" or "none".
      width: features of a token.
      observation: encodes observations.
      num_actions: of a discrete action space; None for a continuous one.
      return_scale: divides returns-to-go, so that they are near one.
      horizon: number of time steps in a learned time embedding.
    """

    layout: str
    returns: str
    time_embedding: str
    width: int
    observation: embeddings.Observation
    num_actions: int | None
    return_scale: float
    horizon: int | None = None

    def setup(self) -> None:
        """Makes the embeddings."""
        self.action = embeddings.Action(self.num_actions, self.width)
        if self.returns == INSIDE:
            self.embed_return = nn.Dense(self.width)
        if self.time_embedding == LEARNED:
            self.embed_time = embeddings.table(self.horizon or 0, self.width)

    @property
    def tokens_per_step(self) -> int:
        """How many tokens a step of the environment becomes."""
        return per_step(self.layout, self.returns)

    def __call__(
        self,
        returns_to_go: Float[Array, "batch length"],
        observations: Num[Array, "batch length *shape"],
        actions: Num[Array, "batch length *action"],
        previous_actions: Num[Array, "batch length *action"],
        time_steps: Int[Array, "batch length"],
    ) -> Float[Array, "batch tokens width"]:
        """Tokens of whole windows; `tokens = length * tokens_per_step`."""
        time = self._time(time_steps)
        parts = [*self._returned(returns_to_go), self.observation(observations)]
        if self.layout == CONCATENATED:
            return sum(parts, self.action(previous_actions) + time)
        return interleave(*(part + time for part in [*parts, self.action(actions)]))

    def step(
        self,
        return_to_go: Float[Array, " batch"],
        observation: Num[Array, "batch *shape"],
        previous_action: Num[Array, "batch *action"],
        time_step: Int[Array, " batch"],
    ) -> list[Float[Array, "batch width"]]:
        """The tokens that become known at one step, oldest first; the last one predicts the action.

        Interleaved, the previous action's token comes first, for it was not known a step ago. It belongs to the episode
        before if an episode starts here: see `starts`.
        """
        time = self._time(time_step)
        parts = [*self._returned(return_to_go), self.observation(observation)]
        acted = self.action(previous_action)
        if self.layout == CONCATENATED:
            return [sum(parts, acted + time)]
        return [acted + self._time(jnp.maximum(time_step - 1, 0)), *(part + time for part in parts)]

    def starts(self, reset: Bool[Array, " batch"]) -> list[Bool[Array, " batch"]]:
        """For each token of `step`, where the state has to be cleared before it, if `reset` asks for a start."""
        if self.layout == CONCATENATED:
            return [reset]
        never = jnp.zeros_like(reset)
        return [never, reset, never][: self.tokens_per_step]

    def predictive(self, hidden: Float[Array, "batch tokens width"]) -> Float[Array, "batch length width"]:
        """Those outputs of a sequence model from which actions are predicted, one for each step."""
        # Interleaved, the action's token is the last of its step, and the observation's the one before.
        return hidden if self.layout == CONCATENATED else split(hidden, self.tokens_per_step)[-2]

    def spread(self, flags: Bool[Array, "batch length"], *, first_only: bool) -> Bool[Array, "batch tokens"]:
        """Flags of steps as flags of tokens: on all tokens of the step (padding), or on its first (resets)."""
        others = [jnp.zeros_like(flags) if first_only else flags] * (self.tokens_per_step - 1)
        return jnp.stack([flags, *others], axis=2).reshape(flags.shape[0], -1)

    def _returned(self, returns_to_go: Float[Array, "*rows"]) -> list[Any]:
        if self.returns != INSIDE:
            return []
        return [self.embed_return(returns_to_go[..., None] / self.return_scale)]

    def _time(self, time_steps: Int[Array, "*rows"]) -> Float[Array, "*rows width"] | float:
        if self.time_embedding == LEARNED:
            return self.embed_time(time_steps)
        return embeddings.sines(time_steps, self.width) if self.time_embedding == SINUSOIDAL else 0.0
