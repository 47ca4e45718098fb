"""Acting in environments and writing down what happened: every transition is the environment's own."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from jax_s4rl.collection import seeding
from jax_s4rl.data import episode_recorder, trajectories

MakeEnv = Callable[[], gymnasium.Env]


class BehaviorInput(NamedTuple):
    """What a behavior sees of several environments at once; one entry per environment.

    Only observations are recorded. The rest is for reference behaviors: infos (legal actions), the environments
    themselves, and how many steps their episodes are old, -1 where an environment waits for the others to finish.
    """

    observations: list[Any]
    infos: list[dict[str, Any]]
    envs: Sequence[gymnasium.Env] = ()
    ages: Sequence[int] = ()


Behavior = Callable[[BehaviorInput, np.random.Generator], np.ndarray]
"""Chooses one action per environment: [B] integers or [B, A] floats, all randomness from the generator."""


class _Slot:
    """One environment and the episode that it is in; `index` is None when no episode is left to begin."""

    def __init__(self, env: gymnasium.Env):
        self.env = env
        self.index: int | None = None

    def begin(self, index: int, seed: int) -> None:
        self.index = index
        self.observation, self.info = self.env.reset(seed=seed)
        self.notebook = episode_recorder.EpisodeRecorder(self.observation, seed)

    def step(self, action: Any) -> trajectories.Episode | None:
        self.observation, reward, terminated, truncated, self.info = self.env.step(action)
        self.notebook.write(action, reward, self.observation)
        return self.notebook.close(terminated, truncated) if terminated or truncated else None


def record_episodes(
    make_env: MakeEnv,
    behavior: Behavior,
    num_episodes: int,
    *,
    seed: int,
    stream: int = 0,
    num_envs: int = 16,
    advance: Callable[[int], None] | None = None,
) -> trajectories.Trajectories:
    """Records whole episodes of a behavior; the same arguments give the same bytes.

    Several environments are played side by side, so that a behavior decides for all of them at once. Each is reset
    by hand with the next seed, and every episode that begins is kept: neither autoresets nor a bias towards short
    episodes can enter.

    Args:
        make_env: Makes one environment.
        behavior: Chooses the actions.
        num_episodes: How many episodes to record.
        seed: Seed of the data set.
        stream: Which behavior of the data set this is; each has seeds of its own.
        num_envs: How many environments to play at once.
        advance: Called with 1 after each episode.

    Returns:
        The episodes in the order in which they began.

    Raises:
        ValueError: If `num_episodes` or `num_envs` is below 1, or the environment's spaces cannot be recorded.
    """
    if num_episodes < 1 or num_envs < 1:
        raise ValueError(f"got num_episodes={num_episodes} and num_envs={num_envs}, wanted at least 1 of each")
    rng = np.random.default_rng([seed, stream])
    seeds = seeding.episode_seeds(seed, stream)
    found: list[trajectories.Episode | None] = [None] * num_episodes
    with _open_envs(make_env, min(num_envs, num_episodes)) as envs:
        slots = [_Slot(env) for env in envs]
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
                found[slot.index] = episode
                if advance is not None:
                    advance(1)
                slot.index = None
                if next_index < num_episodes:
                    slot.begin(next_index, next(seeds))
                    next_index += 1
    return trajectories.from_episodes([episode for episode in found if episode is not None])


def reenact(make_env: MakeEnv, record: trajectories.Trajectories) -> trajectories.Trajectories:
    """Plays recorded seeds and actions again, and records what this environment shows.

    With the environment of the record this gives the record back, which proves that every transition in it is real.
    With the same world behind other eyes (another observation mode) it gives what that observer would have recorded.

    Args:
        make_env: Makes one environment.
        record: Episodes with known seeds.

    Returns:
        The same episodes, with this environment's observations.

    Raises:
        ValueError: If the environment earns or ends differently than the record says.
    """
    with _open_envs(make_env, 1) as envs:
        return trajectories.from_episodes(
            _reenact_episode(envs[0], episode, index) for index, episode in enumerate(record.episodes())
        )


def _reenact_episode(env: gymnasium.Env, episode: trajectories.Episode, index: int) -> trajectories.Episode:
    observation, _ = env.reset(seed=int(episode.seed))
    notes = episode_recorder.EpisodeRecorder(observation, episode.seed)
    terminated = truncated = False
    for action in _as_steps(episode.actions):
        if terminated or truncated:
            break
        observation, reward, terminated, truncated, _ = env.step(action)
        notes.write(action, reward, observation)
    again = notes.close(bool(terminated), bool(truncated))
    for name in ("rewards", "terminations", "truncations"):
        if not np.array_equal(getattr(again, name), getattr(episode, name)):
            raise ValueError(
                f"episode {index} (seed {episode.seed}) has other {name} when it is played again; give the environment "
                "id, arguments and versions that its side file names"
            )
    return again


def _choose(behavior: Behavior, slots: Sequence[_Slot], rng: np.random.Generator) -> Sequence[Any]:
    """Asks for all slots, idle ones too: a jitted behavior sees one batch size only."""
    ages = [-1 if slot.index is None else len(slot.notebook.rewards) for slot in slots]
    envs = [slot.env for slot in slots]
    sight = BehaviorInput([slot.observation for slot in slots], [slot.info for slot in slots], envs, ages)
    return _as_steps(behavior(sight, rng))


def _as_steps(actions: np.ndarray) -> Sequence[Any]:
    return actions.tolist() if actions.ndim == 1 else list(actions)


@contextlib.contextmanager
def _open_envs(make_env: MakeEnv, count: int) -> Iterator[list[gymnasium.Env]]:
    envs: list[gymnasium.Env] = []
    try:
        for _ in range(count):
            envs.append(make_env())
        check_spaces(envs[0])
        yield envs
    finally:
        for env in envs:
            env.close()


def check_spaces(env: gymnasium.Env) -> None:
    """Raises `ValueError` unless observations are one array, and actions an integer from 0 or a vector of floats."""
    spaces = gymnasium.spaces
    seen, done = env.observation_space, env.action_space
    if not isinstance(seen, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        raise ValueError(
            f"got the observation space {seen}, wanted one array (Box, Discrete, MultiDiscrete, MultiBinary); wrap the "
            "environment in gymnasium.wrappers.FlattenObservation"
        )
    if isinstance(done, spaces.Discrete) and done.start == 0:
        return
    if isinstance(done, spaces.Box) and len(done.shape) == 1 and done.dtype == np.float32:
        return
    raise ValueError(f"got the action space {done}, wanted Discrete from 0 or a Box of one axis in float32")
