"""Linear key-to-door: which credit finds a small treasure behind a hundred noisy apples?

    python -m experiments.linear_key_to_door            # everything, resumable; --quick for a look
    python -m experiments.linear_key_to_door --lengths 103 --credits reward state

A walk along a line, one cell a step: a key, apples on the left or on the right, a door, a treasure.
The action that fits the cell takes its object. Apples pay 0.1 or 0.9 at random, so that the
treasure, which pays 0.2 and needs key and door, drowns in their noise: the deviation of the return
grows with the length of the line, the value of the key does not.

Policies learn online by the gradients of `jax_s4rl.agents.hindsight_policy`: REINFORCE, alone and
with a learned baseline, and hindsight credit given a later state, a later reward, or the return. A
later state shows the key in hand, and so the action itself; a later reward shows the treasure
alone. One action of twenty is random while they learn. The score is the share of new episodes that
find the treasure without random actions; beside it stand the share of the last episodes of the
training, and how much of the gradient at its end is signal. Rows go to
`experiments/results/linear_key_to_door.jsonl`.
"""

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from experiments import online
from jax_s4rl.agents import gradient_noise, hindsight_policy
from jax_s4rl.cli import entry_point

NAME = "linear_key_to_door"
LENGTHS = (23, 43, 63, 83, 103)
SHORTEST = 4
KEY, LEFT, RIGHT, EMPTY, DOOR, TREASURE = range(6)
TAKE_KEY, TAKE_LEFT, TAKE_RIGHT, OPEN = range(4)
# The action that takes the object of a cell; the last cells have none.
FITTING = (TAKE_KEY, TAKE_LEFT, TAKE_RIGHT, -1, OPEN, -1)
APPLE_REWARDS = (0.1, 0.9)
TREASURE_REWARD = 0.2
# Chances of an apple on the left, on the right, and of none.
KINDS = (0.4, 0.4, 0.2)
LAYOUT_SEED = 0
# Updates whose episodes are the last ones, and points of the curve over all of them.
LAST, CURVE = 50, 25
# New episodes that are judged, and estimates of the gradient.
JUDGED, ESTIMATES = 400, 64
# Published learning rates of policies.
RATE, RATE_WITH_VALUE = 3e-4, 1e-3
QUICK = {"lengths": (23,), "seeds": 1, "updates": 50}


class Walk(NamedTuple):
    """State of an episode.

    Attributes:
        position: Cell, from 0.
        has_key: Whether the key was taken.
        is_open: Whether the door was opened with it.
    """

    position: Int[Array, ""]
    has_key: Bool[Array, ""]
    is_open: Bool[Array, ""]


@dataclasses.dataclass(frozen=True)
class Line:
    """The walk along one line, a `hindsight_policy.Simulator`.

    Attributes:
        kinds: Kind of each cell.

    Source:
        Meulemans et al. (2023), "Would I have gotten that reward?", linear key-to-door.
    """

    kinds: tuple[int, ...]

    @property
    def num_actions(self) -> int:
        """Number of actions: take the key, the left or the right apple, open the door."""
        return 4

    @property
    def num_steps(self) -> int:
        """Number of steps, one for each cell."""
        return len(self.kinds)

    @property
    def scale(self) -> float:
        """Factor of all rewards, with which lines of all lengths pay about as much."""
        return LENGTHS[0] / self.num_steps

    def reset(self, key: PRNGKeyArray) -> Walk:
        """Returns the state at the key; nothing about it is random."""
        del key
        return Walk(jnp.zeros((), jnp.int32), jnp.zeros((), bool), jnp.zeros((), bool))

    def observe(self, state: Walk) -> Float[Array, " 9"]:
        """Returns the position, the kind of the cell, and whether the key was taken."""
        kind = jnp.asarray(self.kinds)[jnp.minimum(state.position, self.num_steps - 1)]
        # Without key and door the last cell is an empty one.
        kind = jnp.where((kind == TREASURE) & ~state.is_open, EMPTY, kind)
        return jnp.concatenate(
            [
                (state.position.astype(jnp.float32) / self.num_steps)[None],
                jax.nn.one_hot(kind, 6),
                jax.nn.one_hot(state.has_key.astype(jnp.int32), 2),
            ]
        )

    def step(
        self, state: Walk, action: Int[Array, ""], key: PRNGKeyArray
    ) -> tuple[Walk, Float[Array, ""]]:
        """Takes what fits the action, and goes on by one cell."""
        kind = jnp.asarray(self.kinds)[state.position]
        fits = action == jnp.asarray(FITTING)[kind]
        apple = jnp.where(jax.random.bernoulli(key), *map(jnp.float32, APPLE_REWARDS))
        is_apple = (kind == LEFT) | (kind == RIGHT)
        earned = jnp.where(is_apple & fits, apple, 0.0)
        found = (kind == TREASURE) & state.is_open
        earned = jnp.where(found, TREASURE_REWARD, earned)
        has_key = state.has_key | ((kind == KEY) & fits)
        is_open = state.is_open | ((kind == DOOR) & fits & state.has_key)
        return Walk(state.position + 1, has_key, is_open), self.scale * earned


def make_line(length: int) -> Line:
    """Makes the line of a length, with the same apples in every run.

    Args:
        length: Number of cells.

    Returns:
        The line.

    Raises:
        ValueError: If there is no place for key, door, treasure and an apple.
    """
    if length < SHORTEST:
        raise ValueError(f"got the length {length}, wanted {SHORTEST} cells or more; give another")
    rng = np.random.default_rng([LAYOUT_SEED, length])
    between = rng.choice([LEFT, RIGHT, EMPTY], length - 3, p=KINDS)
    return Line((KEY, *map(int, between), DOOR, TREASURE))


def expected_return(
    line: Line, act: Callable[[Float[Array, "S 9"]], Float[Array, "S 4"]]
) -> Float[Array, ""]:
    """Computes the expected return of a policy exactly, by the chances of key and door.

    Args:
        line: Line to walk along.
        act: Function that returns the probability of every action at some observations.

    Returns:
        The expected return, which can be differentiated.
    """
    shape = (line.num_steps, 2, 2)
    states = Walk(*(jnp.asarray(numbers.ravel(), jnp.int32) for numbers in np.indices(shape)))
    states = states._replace(has_key=states.has_key > 0, is_open=states.is_open > 0)
    chances = act(jax.vmap(line.observe)(states)).reshape(*shape, line.num_actions)
    # Chance of each state at a cell, by key and door.
    here = jnp.zeros((2, 2)).at[0, 0].set(1.0)
    total = jnp.zeros(())
    for position, kind in enumerate(line.kinds):
        taken = here * chances[position, :, :, FITTING[kind]]
        if kind == KEY:
            here = jnp.stack([here[0] - taken[0], here[1] + taken[0]])
        elif kind == DOOR:
            here = here.at[1, 0].add(-taken[1, 0]).at[1, 1].add(taken[1, 0])
        elif kind == TREASURE:
            total += TREASURE_REWARD * jnp.sum(here[:, 1])
        elif kind != EMPTY:
            total += sum(APPLE_REWARDS) / 2 * jnp.sum(taken)
    return line.scale * total


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the command line."""

    lengths: tuple[int, ...] = LENGTHS
    """Numbers of cells."""
    credits: tuple[str, ...] = hindsight_policy.CREDITS
    """Outcomes that credit is conditioned on; none for REINFORCE, value for a learned baseline."""
    seeds: int = 5
    """Training runs of each."""
    updates: int = 1_250
    """Updates of 8 episodes."""
    quick: bool = False
    """A look in a few minutes: the shortest line, few updates, one seed; rows go under runs/."""
    out: Path | None = None
    """File to which result rows are appended instead of experiments/results/."""


def settings(credit: str, line: Line, num_updates: int) -> hindsight_policy.Settings:
    """Returns the settings of a method.

    Learning rates, widths, batches, the entropy bonus and the share of random actions are those of
    the published runs, which have no form that is conditioned on returns. Scales of what networks
    are given, and all of AdamW but its rate, are choices of this project.

    Args:
        credit: Outcome that credit is conditioned on.
        line: Line to walk along.
        num_updates: Number of updates.
    """
    by_step = credit in (hindsight_policy.STATE, hindsight_policy.REWARD)
    return hindsight_policy.Settings(
        credit=credit,
        num_updates=num_updates,
        entropy_weight=0.03 * (20 / (line.num_steps - 3)) ** 0.683,
        learning_rate=RATE_WITH_VALUE if credit == hindsight_policy.VALUE else RATE,
        # Rewards of a step are up to 0.9 of the scale; returns are about ten of the first line's.
        return_scale=line.scale if by_step else 10.0,
    )


def planned(options: Options) -> list[online.Run]:
    """Returns every run."""
    return [
        online.Run(
            f"{NAME}/{length}",
            credit,
            settings(credit, make_line(length), options.updates),
            seed,
            measure,
        )
        for length, credit, seed in itertools.product(
            options.lengths, options.credits, range(options.seeds)
        )
    ]


def main(options: Options) -> None:
    """Trains what has no row yet, and appends a row for each run.

    Args:
        options: Options of the command line.

    Raises:
        ValueError: If there is no such credit, or a line is too short.
    """
    out = online.out_file(NAME, options.out, quick=options.quick)
    if options.quick:
        options = dataclasses.replace(options, **QUICK)
    online.run_missing(NAME, planned(options), out, "treasure")


def measure(run: online.Run) -> dict[str, Any]:
    """Trains one policy, and returns its metrics, parameters and seconds."""
    began = time.perf_counter()
    length = int(run.env.rpartition("/")[2])
    line = make_line(length)
    settings = run.settings
    log, params = hindsight_policy.train(line, settings, run.seed)
    found = log.last_rewards > 0
    play_key, noise_key = jax.random.split(jax.random.fold_in(jax.random.key(run.seed), JUDGED))
    chosen = dataclasses.replace(settings, uniform_share=0.0, batch_size=JUDGED)
    play = jax.jit(hindsight_policy.play, static_argnums=(0, 1))
    judged = np.asarray(play(line, chosen, params.policy, play_key).rewards)
    return {
        "parameters": hindsight_policy.num_parameters(line, settings),
        "length": length,
        "treasure": float((judged[:, -1] > 0).mean()),
        "treasure_last": float(found[-LAST:].mean()),
        "largest_treasure_last": most(settings.uniform_share, line.num_actions),
        "treasure_curve": [
            float(part.mean()) for part in np.array_split(found, min(CURVE, len(found)))
        ],
        "return": float(judged.sum(axis=1).mean()),
        "return_last": float(log.returns[-LAST:].mean()),
        "signal_to_noise": signal_to_noise(line, settings, params, noise_key),
        "hindsight_loss": float(log.hindsight_loss[-LAST:].mean()),
        "largest_ratio": float(log.largest_ratio.max()),
        "seconds": time.perf_counter() - began,
    }


def most(uniform_share: float, num_actions: int) -> float:
    """Returns the largest chance of the treasure, which takes two actions, some of them random."""
    return (1 - uniform_share + uniform_share / num_actions) ** 2


def signal_to_noise(
    line: Line,
    settings: hindsight_policy.Settings,
    params: hindsight_policy.Params,
    key: PRNGKeyArray,
) -> float:
    """Returns the signal-to-noise ratio of the gradient of a batch, in decibels."""

    def gain(policy: Any) -> Float[Array, ""]:
        act = functools.partial(hindsight_policy.act, line, settings, policy)
        return expected_return(line, lambda observations: jnp.exp(act(observations)[0]))

    found = gradient_noise.estimates(line, settings, params, key, count=ESTIMATES)
    return gradient_noise.signal_to_noise(found, jax.jit(jax.grad(gain))(params.policy))


if __name__ == "__main__":
    entry_point.run(main, Options, __doc__)
