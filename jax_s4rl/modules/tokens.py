"""Tokens of return-to-go, observation and action, interleaved or concatenated into one per step."""

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
    """Returns the number of tokens per step of the environment.

    Args:
        layout: Layout of the tokens, one of `LAYOUTS`.
        returns: Place of returns-to-go, one of `RETURNS`.

    Returns:
        The number of tokens.

    Example:
        >>> per_step("interleaved", "inside"), per_step("interleaved", "outside")
        (3, 2)
        >>> per_step("concatenated", "inside")
        1
    """
    if layout == CONCATENATED:
        return 1
    return 3 if returns == INSIDE else 2


def check_time_embedding(kind: str, width: int) -> None:
    """Checks that tokens of a width can have a kind of time embedding.

    Args:
        kind: Kind of time embedding, one of `TIME_EMBEDDINGS`.
        width: Number of features of a token.

    Raises:
        ValueError: An unknown kind, or an odd width for sines and cosines.

    Example:
        >>> check_time_embedding("sinusoidal", 8)
    """
    if kind not in TIME_EMBEDDINGS:
        raise ValueError(f"time_embedding is {kind!r}; choose one of {', '.join(TIME_EMBEDDINGS)}")
    if kind == SINUSOIDAL and width % 2:
        raise ValueError(f"width is {width}; a sinusoidal time embedding needs an even number")


def check_horizon(time_embedding: str, horizon: int | None) -> None:
    """Checks that the longest episode is known if the time embedding is a table.

    Args:
        time_embedding: Kind of time embedding, one of `TIME_EMBEDDINGS`.
        horizon: Longest episode, in steps.

    Raises:
        ValueError: A learned time embedding without a horizon.

    Example:
        >>> check_horizon("none", None)
    """
    if time_embedding == LEARNED and horizon is None:
        raise ValueError(
            "horizon is None, but a learned time embedding needs it; give the longest episode "
            "in steps, or choose time_embedding='sinusoidal' or 'none'"
        )


def interleave(*parts: Float[Array, "batch length width"]) -> Float[Array, "batch tokens width"]:
    """Interleaves sequences: all parts of step 0, then all parts of step 1, and so on.

    Example:
        >>> import jax.numpy as jnp
        >>> parts = [jnp.full((1, 2, 1), value) for value in (1.0, 2.0, 3.0)]
        >>> interleave(*parts)[0, :, 0].tolist()
        [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
    """
    # The new axis is behind time, so that flattening the two puts the parts of a step together.
    stacked = jnp.stack(parts, axis=2)
    batch, length, count, width = stacked.shape
    return stacked.reshape(batch, length * count, width)


def split(
    tokens: Float[Array, "batch tokens width"], count: int
) -> tuple[Float[Array, "batch length width"], ...]:
    """Splits tokens into `count` sequences; the inverse of `interleave`."""
    return tuple(tokens[:, part::count] for part in range(count))


class Tokenizer(nn.Module):
    """Embeds the steps of trajectories as tokens, and selects the tokens that predict actions.

    Interleaved, step t gives the tokens (return-to-go, observation, action), and the token of the
    observation predicts the action. Concatenated, step t gives one token of return-to-go,
    observation and the **previous** action; it does not contain the action of step t. A linear map
    of a concatenation is the sum of linear maps of its parts, so both layouts share their
    embeddings. If returns-to-go are not inside the token stream, the tokens are (observation,
    action), or their sum.

    Attributes:
        layout: Layout of the tokens, "interleaved" or "concatenated".
        returns: Place of returns-to-go, "inside" the tokens; with "outside" or "none", no token
            contains them.
        time_embedding: Kind of time embedding, "learned", "sinusoidal" or "none".
        width: Number of features of a token.
        observation: Embedding of observations.
        num_actions: Size of a discrete action space; None for a continuous one.
        return_scale: Divisor of returns-to-go, which brings them close to one.
        horizon: Number of time steps in a learned time embedding.
        action_mean: Mean of each component of continuous actions; empty for zero.
        action_std: Standard deviation of each component; empty for one.
    """

    layout: str
    returns: str
    time_embedding: str
    width: int
    observation: embeddings.Observation
    num_actions: int | None
    return_scale: float
    horizon: int | None = None
    action_mean: tuple[float, ...] = ()
    action_std: tuple[float, ...] = ()

    def setup(self) -> None:
        """Creates the embeddings."""
        self.action = embeddings.Action(
            self.num_actions, self.width, self.action_mean, self.action_std
        )
        if self.returns == INSIDE:
            self.embed_return = nn.Dense(self.width)
        if self.time_embedding == LEARNED:
            self.embed_time = embeddings.table(self.horizon or 0, self.width)

    @property
    def tokens_per_step(self) -> int:
        """Number of tokens per step of the environment."""
        return per_step(self.layout, self.returns)

    def __call__(
        self,
        returns_to_go: Float[Array, "batch length"],
        observations: Num[Array, "batch length *shape"],
        actions: Num[Array, "batch length *action"],
        previous_actions: Num[Array, "batch length *action"],
        time_steps: Int[Array, "batch length"],
    ) -> Float[Array, "batch tokens width"]:
        """Embeds whole windows as tokens; `tokens = length * tokens_per_step`."""
        time = self._time_features(time_steps)
        parts = [*self._return_parts(returns_to_go), self.observation(observations)]
        if self.layout == CONCATENATED:
            return sum(parts, self.action(previous_actions, time_steps > 0) + time)
        return interleave(*(part + time for part in [*parts, self.action(actions)]))

    def step(
        self,
        return_to_go: Float[Array, " batch"],
        observation: Num[Array, "batch *shape"],
        previous_action: Num[Array, "batch *action"],
        time_step: Int[Array, " batch"],
    ) -> list[Float[Array, "batch width"]]:
        """Embeds one step as the tokens that become known at it, oldest first.

        The last token predicts the action. Interleaved, the token of the previous action comes
        first, because that action was not known one step ago. If an episode starts at this step,
        that token belongs to the episode before, see `starts`.
        """
        time = self._time_features(time_step)
        parts = [*self._return_parts(return_to_go), self.observation(observation)]
        previous = self.action(previous_action, time_step > 0)
        if self.layout == CONCATENATED:
            return [sum(parts, previous + time)]
        # The previous action has the time of its own step.
        previous_time = self._time_features(jnp.maximum(time_step - 1, 0))
        return [previous + previous_time, *(part + time for part in parts)]

    def starts(self, reset: Bool[Array, " batch"]) -> list[Bool[Array, " batch"]]:
        """Returns, for each token of `step`, whether the state is cleared before that token.

        Args:
            reset: True where an episode starts at this step.
        """
        if self.layout == CONCATENATED:
            return [reset]
        # The first token is the previous action, which still belongs to the episode before.
        never = jnp.zeros_like(reset)
        return [never, reset, never][: self.tokens_per_step]

    def predictive(
        self, hidden: Float[Array, "batch tokens width"]
    ) -> Float[Array, "batch length width"]:
        """Selects the outputs of a sequence model that predict actions, one for each step."""
        # Interleaved, the token of the action is the last of its step, and the token of the
        # observation is the one before.
        return hidden if self.layout == CONCATENATED else split(hidden, self.tokens_per_step)[-2]

    def spread(
        self, flags: Bool[Array, "batch length"], *, first_only: bool
    ) -> Bool[Array, "batch tokens"]:
        """Turns flags of steps into flags of tokens.

        Args:
            flags: Flags of steps.
            first_only: True sets the flag on the first token of a step alone (resets), False on all
                of its tokens (padding).
        """
        others = [jnp.zeros_like(flags) if first_only else flags] * (self.tokens_per_step - 1)
        return jnp.stack([flags, *others], axis=2).reshape(flags.shape[0], -1)

    def _return_parts(self, returns_to_go: Float[Array, "*rows"]) -> list[Any]:
        if self.returns != INSIDE:
            return []
        return [self.embed_return(returns_to_go[..., None] / self.return_scale)]

    def _time_features(
        self, time_steps: Int[Array, "*rows"]
    ) -> Float[Array, "*rows width"] | float:
        if self.time_embedding == LEARNED:
            return self.embed_time(time_steps)
        return (
            embeddings.sines(time_steps, self.width) if self.time_embedding == SINUSOIDAL else 0.0
        )
