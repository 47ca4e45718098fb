"""Records episodes of a behavior; every recorded transition comes from the environment itself."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np

from jax_s4rl.collection import seeding
from jax_s4rl.data import player, trajectories

MakeEnv = Callable[[], gymnasium.Env]
"""Makes one environment."""


# Steps after which an episode without a limit counts as one that never ends.
ENDLESS = 1_000_000


class BehaviorInput(NamedTuple):
    """Input of a behavior: the state of several environments, one entry for each.

    Only observations are recorded. The rest is for reference behaviors.

    Attributes:
        observations: Current observations.
        infos: Current infos, which hold the legal actions, for instance.
        envs: The environments themselves.
        ages: Number of steps in the current episode; -1 if an environment has finished and waits
            for the others.
    """

    observations: list[Any]
    infos: list[dict[str, Any]]
    envs: Sequence[gymnasium.Env] = ()
    ages: Sequence[int] = ()


Behavior = Callable[[BehaviorInput, np.random.Generator], np.ndarray]
"""Returns one encoded action per environment: [B] integers from 0 or [B, A] floats.

All randomness comes from the generator.
"""


class _Slot:
    """One environment and its current episode; `index` is None if no episode is left to start."""

    def __init__(self, one: player.Player, max_steps: int | None):
        self.player, self.max_steps = one, max_steps
        self.index: int | None = None
        self.info: dict[str, Any] = {}

    def begin(self, index: int, seed: int) -> None:
        """Starts the episode with this index."""
        self.index = index
        self.player.reset(seed)
        self.info = _own(self.player.info)

    def step(self, action: Any) -> trajectories.Episode | None:
        """Plays and records one action; returns the episode if it is over."""
        _, _, is_over = self.player.step(action)
        self.info = _own(self.player.info)
        if is_over or self.player.age == self.max_steps:
            return self.player.episode(is_cut=not is_over)
        check_length(self.player)
        return None


def check_length(one: player.Player) -> None:
    """Checks that an episode that goes on is not one that never ends.

    Args:
        one: Player of the episode.

    Raises:
        ValueError: If it has `ENDLESS` steps.
    """
    if one.age >= ENDLESS:
        raise ValueError(
            f"environment {one.number}, seed {one.seed}: the episode did not end within "
            f"{ENDLESS:,} steps; give max_steps, or limit the episodes of the environment"
        )


def _own(info: Any) -> Any:
    """Copies the arrays of an info: several environments may write into one."""
    if not isinstance(info, dict):
        return info
    return {
        k: value.copy() if isinstance(value, np.ndarray) else value for k, value in info.items()
    }


def record_episodes(
    make_env: MakeEnv,
    behavior: Behavior,
    num_episodes: int,
    *,
    seed: int,
    stream: int = 0,
    num_envs: int = 16,
    max_steps: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> trajectories.Trajectories:
    """Records whole episodes of a behavior; the same arguments give the same bytes.

    Several environments are played side by side, so that a behavior chooses actions for all of them
    at once. Each reset is explicit and gets the next seed, and every started episode is kept, so
    that there are no autoresets and no bias towards short episodes.

    Args:
        make_env: Function that makes one environment.
        behavior: Behavior that chooses the actions.
        num_episodes: Number of episodes to record.
        seed: Seed of the dataset.
        stream: Number of the behavior within the dataset; each stream has its own seeds.
        num_envs: Number of environments that are played at once.
        max_steps: Number of steps after which an episode is truncated; None leaves the end to the
            environment.
        advance: Function that is called with 1 after each episode.

    Returns:
        The episodes in the order of their starts.

    Raises:
        ValueError: If a number is below 1, the environment's spaces cannot be recorded, it returns
            something else than they say, or an episode does not end.
    """
    _check_behavior(behavior)
    if num_episodes < 1 or num_envs < 1 or (max_steps is not None and max_steps < 1):
        raise ValueError(
            f"got num_episodes={num_episodes}, num_envs={num_envs} and max_steps={max_steps}, "
            "wanted at least 1 of each"
        )
    rng = np.random.default_rng([seed, stream])
    seeds = seeding.episode_seeds(seed, stream)
    # Episodes end in any order; their index keeps them in the order of their starts.
    episodes: list[trajectories.Episode | None] = [None] * num_episodes
    with player.open_players(make_env, min(num_envs, num_episodes)) as players:
        slots = [_Slot(one, max_steps) for one in players]
        for index, slot in enumerate(slots):
            slot.begin(index, next(seeds))
        next_index = len(slots)
        while any(slot.index is not None for slot in slots):
            actions = _choose(behavior, slots, rng)
            for slot, action in zip(slots, actions, strict=True):
                if slot.index is None:
                    continue
                episode = slot.step(action)
                if episode is None:
                    continue
                episodes[slot.index] = episode
                if advance is not None:
                    advance(1)
                slot.index = None
                if next_index < num_episodes:
                    slot.begin(next_index, next(seeds))
                    next_index += 1
    return trajectories.from_episodes([episode for episode in episodes if episode is not None])


def reenact(make_env: MakeEnv, record: trajectories.Trajectories) -> trajectories.Trajectories:
    """Plays recorded seeds and actions again, and records the observations of this environment.

    With the environment of the record the result equals the record, which proves that every
    transition in it is real. With the same environment in another observation mode, the result is
    the record that this mode would have given.

    Args:
        make_env: Function that makes one environment.
        record: Episodes with known seeds.

    Returns:
        The same episodes, with this environment's observations.

    Raises:
        ValueError: If rewards, terminations or truncations differ from the record.
    """
    with player.open_players(make_env, 1) as (one,):
        return trajectories.from_episodes(
            _reenact_episode(one, episode, index) for index, episode in enumerate(record.episodes())
        )


def _reenact_episode(
    one: player.Player, episode: trajectories.Episode, index: int
) -> trajectories.Episode:
    one.reset(int(episode.seed))
    for action in episode.actions:
        _, _, is_over = one.step(action)
        if is_over:
            break
    replayed = one.episode()
    for name in ("rewards", "terminations", "truncations"):
        recorded = getattr(episode, name)
        if not np.array_equal(getattr(replayed, name).astype(recorded.dtype), recorded):
            raise ValueError(
                f"episode {index} (seed {episode.seed}) has other {name} when it is played again; "
                "use the environment id, arguments and versions in the metadata of the record"
            )
    return replayed


def _check_behavior(behavior: Behavior) -> None:
    try:
        inspect.signature(behavior).bind("inputs", "rng")
    except TypeError as error:
        raise ValueError(
            f"got a behavior that takes other arguments ({error}), wanted one of (inputs, rng): "
            "inputs.observations has one observation for each environment, and it returns as many "
            "actions"
        ) from None
    except ValueError:
        # Some functions written in C do not say what they take.
        pass


def _choose(behavior: Behavior, slots: Sequence[_Slot], rng: np.random.Generator) -> Sequence[Any]:
    """Chooses actions for all slots, idle ones too, so that jitted behaviors compile only once."""
    ages = [-1 if slot.index is None else slot.player.age for slot in slots]
    inputs = BehaviorInput(
        [slot.player.raw_observation for slot in slots],
        [slot.info for slot in slots],
        [slot.player.env for slot in slots],
        ages,
    )
    chosen = behavior(inputs, rng)
    if not isinstance(chosen, Sequence | np.ndarray | jax.Array) or len(chosen) != len(slots):
        raise ValueError(
            f"got {type(chosen).__name__} of shape {np.shape(chosen)} from the behavior, wanted "
            f"{len(slots)} actions, one for each environment; return an array with a row for each"
        )
    return list(chosen)
