"""Records episodes of a behavior; every recorded transition comes from the environment itself."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from jax_s4rl.collection import seeding
from jax_s4rl.data import episode_recorder, trajectories

MakeEnv = Callable[[], gymnasium.Env]
"""Makes one environment."""


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
"""Returns one action per environment: [B] integers or [B, A] floats.

All randomness comes from the generator.
"""


class _Slot:
    """One environment and its current episode; `index` is None if no episode is left to start."""

    def __init__(self, env: gymnasium.Env):
        self.env = env
        self.index: int | None = None

    def begin(self, index: int, seed: int) -> None:
        """Starts the episode with this index."""
        self.index = index
        self.observation, self.info = self.env.reset(seed=seed)
        self.recorder = episode_recorder.EpisodeRecorder(self.observation, seed)

    def step(self, action: Any) -> trajectories.Episode | None:
        """Plays and records one action; returns the episode if it is over."""
        self.observation, reward, terminated, truncated, self.info = self.env.step(action)
        self.recorder.write(action, reward, self.observation)
        return self.recorder.close(terminated, truncated) if terminated or truncated else None


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
        advance: Function that is called with 1 after each episode.

    Returns:
        The episodes in the order of their starts.

    Raises:
        ValueError: If `num_episodes` or `num_envs` is below 1, or the environment's spaces cannot
            be recorded.
    """
    if num_episodes < 1 or num_envs < 1:
        raise ValueError(
            f"got num_episodes={num_episodes} and num_envs={num_envs}, wanted at least 1 of each"
        )
    rng = np.random.default_rng([seed, stream])
    seeds = seeding.episode_seeds(seed, stream)
    # Episodes end in any order; their index keeps them in the order of their starts.
    episodes: list[trajectories.Episode | None] = [None] * num_episodes
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
    with _open_envs(make_env, 1) as envs:
        return trajectories.from_episodes(
            _reenact_episode(envs[0], episode, index)
            for index, episode in enumerate(record.episodes())
        )


def _reenact_episode(
    env: gymnasium.Env, episode: trajectories.Episode, index: int
) -> trajectories.Episode:
    observation, _ = env.reset(seed=int(episode.seed))
    recorder = episode_recorder.EpisodeRecorder(observation, episode.seed)
    terminated = truncated = False
    for action in _as_steps(episode.actions):
        if terminated or truncated:
            break
        observation, reward, terminated, truncated, _ = env.step(action)
        recorder.write(action, reward, observation)
    replayed = recorder.close(bool(terminated), bool(truncated))
    for name in ("rewards", "terminations", "truncations"):
        if not np.array_equal(getattr(replayed, name), getattr(episode, name)):
            raise ValueError(
                f"episode {index} (seed {episode.seed}) has other {name} when it is played again; "
                "use the environment id, arguments and versions in the metadata of the record"
            )
    return replayed


def _choose(behavior: Behavior, slots: Sequence[_Slot], rng: np.random.Generator) -> Sequence[Any]:
    """Chooses actions for all slots, idle ones too, so that jitted behaviors compile only once."""
    ages = [-1 if slot.index is None else len(slot.recorder.rewards) for slot in slots]
    envs = [slot.env for slot in slots]
    inputs = BehaviorInput(
        [slot.observation for slot in slots], [slot.info for slot in slots], envs, ages
    )
    return _as_steps(behavior(inputs, rng))


def _as_steps(actions: np.ndarray) -> Sequence[Any]:
    """Splits actions into one for each step: Python numbers, or arrays of one axis."""
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
    """Checks that an environment's observations and actions can be recorded.

    Args:
        env: Environment with any spaces.

    Raises:
        ValueError: If observations are not one array, or actions are neither an integer from 0 nor
            a float32 vector.
    """
    spaces = gymnasium.spaces
    observation_space, action_space = env.observation_space, env.action_space
    if not isinstance(
        observation_space,
        spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary,
    ):
        raise ValueError(
            f"got the observation space {observation_space}, wanted one array (Box, Discrete, "
            "MultiDiscrete, MultiBinary); wrap the environment in "
            "gymnasium.wrappers.FlattenObservation"
        )
    if isinstance(action_space, spaces.Discrete) and action_space.start == 0:
        return
    is_vector = isinstance(action_space, spaces.Box) and len(action_space.shape) == 1
    if is_vector and action_space.dtype == np.float32:
        return
    raise ValueError(
        f"got the action space {action_space}, wanted Discrete from 0 or a Box of one axis in "
        "float32; wrap the environment in a wrapper that converts its actions"
    )
