"""Plans by beam search over the tokens of a trajectory model, for several episodes at once.

A beam is an imagined continuation of an episode. Every beam is copied; each copy gets an action,
and the model predicts reward and value; the best beams of an episode are kept, and the model
predicts their next observations. The state of the model is forked by gathering its rows, whatever
the mixer.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

RETURN, LIKELIHOOD = "return", "likelihood"
RANKINGS = (RETURN, LIKELIHOOD)

Step = Callable[[Any, Int[Array, " rows"], int, bool], tuple[Float[Array, "rows classes"], Any]]
"""Function `step(memory, tokens, dimension, is_first)` that reads one token of each row.

It returns the logits of the next tokens, of which the last class is the stop token, and the memory
after the token: a tree of arrays with a leading axis of rows. With `is_first` a row begins anew.
"""


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Size of a search, and the actions that it tries."""

    horizon: int = 15
    """Number of imagined transitions."""
    beam_width: int = 128
    """Number of beams that are kept."""
    num_expansions: int = 2
    """Number of actions that are tried from each beam."""
    action_mass: float = 0.4
    """Share of the probability held by the most probable tokens that actions are drawn from."""
    most_actions: int | None = None
    """Largest number of tokens that each part of an action is drawn from, the most probable ones
    (top-k); None for no such limit."""
    distinct: bool = False
    """Whether the actions that are tried from a beam differ in their first token, and the search
    starts from one beam in place of copies of it; otherwise copies can take the place of others."""
    rank_by: str = RETURN
    """Score of a beam: its predicted return, or the log-likelihood of its tokens (imitation)."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: A number is out of its range, or there is no such ranking.
        """
        for name in ("horizon", "beam_width", "num_expansions", "most_actions"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} is {value}; it has to be at least 1")
        if not 0 < self.action_mass <= 1:
            raise ValueError(
                f"action_mass is {self.action_mass}; it is a share of the probability, above 0 and "
                "at most 1"
            )
        if self.rank_by not in RANKINGS:
            raise ValueError(f"rank_by is {self.rank_by!r}; choose one of {', '.join(RANKINGS)}")


class Layout(NamedTuple):
    """Tokens of a transition: observation, action, reward, value; and what the last two stand for.

    Attributes:
        observation_size: Number of tokens of an observation.
        action_size: Number of tokens of an action.
        rewards: Reward of each class but the stop token.
        values: Value of each class but the stop token.
        discount: Weight of the next step's reward, from 0 to 1.
        is_markov: Whether each transition is imagined from its own observation alone; otherwise
            from the whole row.
    """

    observation_size: int
    action_size: int
    rewards: Float[Array, " tokens"]
    values: Float[Array, " tokens"]
    discount: float
    is_markov: bool = False


class Plan(NamedTuple):
    """The beams at the end of a search.

    Attributes:
        actions: Tokens of the actions of each beam.
        scores: Score of each beam; minus infinity if there were fewer beams than places.
    """

    actions: Int[Array, "episodes beams horizon parts"]
    scores: Float[Array, "episodes beams"]

    def first_actions(self) -> Int[Array, "episodes parts"]:
        """Returns the first action of the best beam."""
        best = jnp.argmax(self.scores, axis=1)
        return self.actions[jnp.arange(len(best)), best, 0]

    def num_distinct(self) -> Int[Array, " episodes"]:
        """Returns the number of different sequences of actions among the beams."""
        rows = self.actions.reshape(*self.scores.shape, -1)
        is_equal = jnp.all(rows[:, :, None] == rows[:, None, :], axis=-1)
        # A beam counts if it is real and none before it is equal.
        before = jnp.tril(jnp.ones(is_equal.shape[1:], bool), -1)
        is_copy = jnp.any(is_equal & before[None], axis=-1)
        return jnp.sum(jnp.isfinite(self.scores) & ~is_copy, axis=1, dtype=jnp.int32)


class _Beams(NamedTuple):
    """Beams of all episodes; those of an episode are neighbors among the rows.

    Attributes:
        memory: State of the model.
        logits: Logits of the first token of the next action.
        actions: Tokens of the actions so far.
        returns: Discounted sum of the predicted rewards; minus infinity for places without a beam.
        log_likelihoods: Log-likelihood of all tokens; minus infinity for places without a beam.
        has_ended: Whether the episode is over: all that comes counts as zero.
    """

    memory: Any
    logits: Float[Array, "rows classes"]
    actions: Int[Array, "rows horizon parts"]
    returns: Float[Array, " rows"]
    log_likelihoods: Float[Array, " rows"]
    has_ended: Bool[Array, " rows"]


def plan(
    step: Step,
    memory: Any,
    logits: Float[Array, "episodes classes"],
    key: PRNGKeyArray,
    *,
    layout: Layout,
    config: SearchConfig,
) -> Plan:
    """Searches for the best continuation of each episode.

    The score of a beam after transition t is `sum_{i <= t} d^i r_i + d^(t + 1) V_t`, with the
    discount d. Rewards and values are means over the predicted distribution. The stop token counts
    as zero in them: near the end of an episode, values shrink by its probability.

    Args:
        step: Function that reads one token of each row.
        memory: State of the model after the present observation of each episode.
        logits: Logits of the first token of the action.
        key: Typed random key of the actions that are tried.
        layout: Tokens of a transition.
        config: Size of the search.

    Returns:
        The beams of every episode.

    Source:
        Janner et al. (2021), "Offline Reinforcement Learning as One Big Sequence Modeling Problem",
        section 3.2 and Algorithm 1; `distinct` and `is_markov` are additions.
    """
    keys = jax.random.split(key, config.horizon)
    beams = _start(memory, logits, layout, config)

    def advance(beams: _Beams, inputs: tuple[Array, PRNGKeyArray]) -> tuple[_Beams, None]:
        beams, _ = _act(step, beams, *inputs, layout, config)
        return _observe(step, beams, layout), None

    # The last transition is apart: its next observation would not be used.
    numbers = jnp.arange(config.horizon, dtype=jnp.int32)
    beams, _ = jax.lax.scan(advance, beams, (numbers[:-1], keys[:-1]))
    beams, scores = _act(step, beams, numbers[-1], keys[-1], layout, config)
    return Plan(beams.actions.reshape(*scores.shape, *beams.actions.shape[1:]), scores)


def most_probable(
    logits: Float[Array, "*rows classes"], mass: float, most: int | None = None
) -> Float[Array, "*rows classes"]:
    """Keeps the most probable classes that hold a share of the probability.

    Args:
        logits: Unnormalized log-probabilities.
        mass: Share of the probability, above 0 and at most 1.
        most: Largest number of classes; None for no limit.

    Returns:
        The logits; minus infinity for all other classes.

    Source:
        Holtzman et al. (2020), "The Curious Case of Neural Text Degeneration", section 3.1.

    Example:
        >>> most_probable(jnp.log(jnp.array([0.5, 0.3, 0.2])), 0.6) > -jnp.inf
        Array([ True,  True, False], dtype=bool)
    """
    probabilities = jax.nn.softmax(logits)
    order = jnp.argsort(-probabilities, axis=-1)
    ranked = jnp.take_along_axis(probabilities, order, axis=-1)
    # A class is kept if those before it hold less than the share: so the first one always is.
    is_kept = jnp.cumsum(ranked, axis=-1) - ranked < mass
    places = jnp.argsort(order, axis=-1)
    is_kept = jnp.take_along_axis(is_kept, places, axis=-1)
    if most is not None:
        is_kept = is_kept & (places < most)
    return jnp.where(is_kept, logits, -jnp.inf)


def _start(
    memory: Any, logits: Float[Array, "episodes classes"], layout: Layout, config: SearchConfig
) -> _Beams:
    width = config.beam_width
    rows = len(logits) * width
    scores = jnp.zeros((len(logits), width))
    if config.distinct:
        scores = scores.at[:, 1:].set(-jnp.inf)
    return _Beams(
        memory=jax.tree.map(lambda x: jnp.repeat(x, width, axis=0), memory),
        logits=jnp.repeat(logits, width, axis=0),
        actions=jnp.zeros((rows, config.horizon, layout.action_size), jnp.int32),
        returns=scores.reshape(-1),
        log_likelihoods=scores.reshape(-1),
        has_ended=jnp.zeros(rows, bool),
    )


def _act(
    step: Step,
    beams: _Beams,
    number: Int[Array, ""],
    key: PRNGKeyArray,
    layout: Layout,
    config: SearchConfig,
) -> tuple[_Beams, Float[Array, "episodes beams"]]:
    """Copies every beam, gives each copy an action, and keeps the best; also returns the scores."""
    copies, first = config.num_expansions, layout.observation_size
    keys = jax.random.split(key, layout.action_size)
    tokens, is_possible = _propose(beams, keys[0], config)
    parents = jnp.repeat(jnp.arange(len(beams.returns)), copies)
    # The logits of the parents stay as they are; all else is a row for each copy.
    own = jax.tree.map(lambda x: x[parents], beams)
    likelihoods, memory, logits = own.log_likelihoods, own.memory, own.logits
    parts = []
    for part in range(layout.action_size):
        if part:
            likely = _likely_actions(logits, config)
            tokens = jax.random.categorical(keys[part], likely).astype(jnp.int32)
        likelihoods = likelihoods + _log_probability(logits, tokens, own.has_ended)
        parts.append(tokens)
        logits, memory = step(memory, tokens, first + part, False)
    reward, tokens = _expect(logits, layout.rewards, own.has_ended)
    likelihoods = likelihoods + _log_probability(logits, tokens, own.has_ended)
    logits, memory = step(memory, tokens, first + layout.action_size, False)
    value, tokens = _expect(logits, layout.values, own.has_ended)
    likelihoods = likelihoods + _log_probability(logits, tokens, own.has_ended)
    weight = jnp.power(jnp.float32(layout.discount), number.astype(jnp.float32))
    returns = jnp.where(is_possible, own.returns + weight * reward, -jnp.inf)
    likelihoods = jnp.where(is_possible, likelihoods, -jnp.inf)
    scores = returns + weight * layout.discount * value
    if config.rank_by == LIKELIHOOD:
        scores = likelihoods
    kept, rows = _best(scores, config)
    actions = own.actions[rows].at[:, number].set(jnp.stack(parts, axis=-1)[rows])
    return _Beams(
        memory=jax.tree.map(lambda x: x[rows], memory),
        logits=own.logits[rows],
        actions=actions,
        returns=returns[rows],
        log_likelihoods=likelihoods[rows],
        has_ended=own.has_ended[rows],
    ), kept


def _observe(step: Step, beams: _Beams, layout: Layout) -> _Beams:
    """Takes the most probable next observation of every beam."""
    # The token of the value is never read, so that any one will do.
    last = layout.observation_size + layout.action_size + 1
    logits, memory = step(beams.memory, jnp.zeros_like(beams.actions[:, 0, 0]), last, False)
    likelihoods, has_ended, tokens = beams.log_likelihoods, beams.has_ended, []
    for part in range(layout.observation_size):
        tokens.append(jnp.argmax(logits, axis=-1).astype(jnp.int32))
        likelihoods = likelihoods + _log_probability(logits, tokens[-1], beams.has_ended)
        has_ended = has_ended | (tokens[-1] == logits.shape[-1] - 1)
        # In a row of its own, the observation is read again below.
        if not layout.is_markov or part < layout.observation_size - 1:
            logits, memory = step(memory, tokens[-1], part, False)
    if layout.is_markov:
        for part, own in enumerate(tokens):
            logits, memory = step(memory, own, part, part == 0)
    return beams._replace(
        memory=memory, logits=logits, log_likelihoods=likelihoods, has_ended=has_ended
    )


def _propose(
    beams: _Beams, key: PRNGKeyArray, config: SearchConfig
) -> tuple[Int[Array, " copies"], Bool[Array, " copies"]]:
    """Draws the first token of the action of every copy; False where there is none to draw."""
    likely = _likely_actions(beams.logits, config)
    shape = (len(likely), config.num_expansions)
    if not config.distinct:
        tokens = jax.random.categorical(key, likely[:, None, :], shape=shape)
        return tokens.reshape(-1).astype(jnp.int32), jnp.ones(tokens.size, bool)
    # The largest sums with Gumbel noise are draws without replacement.
    noisy = likely + jax.random.gumbel(key, likely.shape)
    highest, tokens = jax.lax.top_k(noisy, config.num_expansions)
    # Whatever is done after the end makes no difference, so one copy of a beam goes on.
    is_first = (jnp.arange(config.num_expansions) == 0)[None]
    is_possible = jnp.isfinite(highest) & (is_first | ~beams.has_ended[:, None])
    return tokens.reshape(-1).astype(jnp.int32), is_possible.reshape(-1)


def _likely_actions(
    logits: Float[Array, "rows classes"], config: SearchConfig
) -> Float[Array, "rows tokens"]:
    # No action is the stop token, which could not be taken.
    return most_probable(logits[:, :-1], config.action_mass, config.most_actions)


def _expect(
    logits: Float[Array, "rows classes"],
    numbers: Float[Array, " tokens"],
    has_ended: Bool[Array, " rows"],
) -> tuple[Float[Array, " rows"], Int[Array, " rows"]]:
    """Returns the mean of the predicted number, and the most probable token."""
    # Not renormalized without the stop token, behind which nothing is earned.
    mean = jax.nn.softmax(logits)[:, :-1] @ numbers
    tokens = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    return jnp.where(has_ended, jnp.zeros_like(mean), mean), tokens


def _log_probability(
    logits: Float[Array, "rows classes"],
    tokens: Int[Array, " rows"],
    has_ended: Bool[Array, " rows"],
) -> Float[Array, " rows"]:
    own = jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[:, None], axis=-1)[:, 0]
    return jnp.where(has_ended, jnp.zeros_like(own), own)


def _best(
    scores: Float[Array, " copies"], config: SearchConfig
) -> tuple[Float[Array, "episodes beams"], Int[Array, " rows"]]:
    """Returns the best scores of each episode, and their rows among all copies."""
    each = config.beam_width * config.num_expansions
    by_episode = scores.reshape(-1, each)
    kept, places = jax.lax.top_k(by_episode, config.beam_width)
    rows = places.astype(jnp.int32) + each * jnp.arange(len(by_episode), dtype=jnp.int32)[:, None]
    return kept, rows.reshape(-1)
