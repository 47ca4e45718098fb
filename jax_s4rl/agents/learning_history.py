"""Learning histories as datasets: the episodes of an online training in the order of their ends."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import gymnasium

from jax_s4rl.agents import recurrent_ppo
from jax_s4rl.data import spaces, storage, trajectories
from jax_s4rl.envs import registry
from jax_s4rl.training import config_io


def collect(
    rounds: Iterable[recurrent_ppo.Round],
) -> tuple[trajectories.Trajectories, list[int]]:
    """Plays a training to its end and keeps its episodes.

    Args:
        rounds: Rounds of the training, see `recurrent_ppo.train`.

    Returns:
        The episodes, and how many of them ended in each round.

    Raises:
        ValueError: If no episode ended.
    """
    episodes, counts = [], []
    for each in rounds:
        episodes += each.episodes
        counts.append(len(each.episodes))
    return trajectories.from_episodes(episodes), counts


def load(
    path: Path,
    env_id: str,
    env_kwargs: Mapping[str, Any],
    settings: recurrent_ppo.Settings,
    *,
    seed: int,
) -> tuple[trajectories.Trajectories, dict[str, Any]]:
    """Loads the history of a training; trains and stores it if it is not stored yet.

    Args:
        path: Path of the `.npz` file.
        env_id: Id of the environment, as `envs.registry.make` takes it.
        env_kwargs: Arguments of the environment.
        settings: Settings of the training.
        seed: Seed of the training.

    Returns:
        The episodes in the order of their ends, and their metadata: the environment, the settings
        and the seed, and under `episodes_by_round` how many episodes ended in each round.

    Raises:
        ValueError: If environment or settings do not fit, or the file is damaged or holds the
            history of another training.
    """
    training = {"settings": config_io.identity(settings), "seed": seed}
    environment = {"id": env_id, "kwargs": dict(env_kwargs)}
    if path.exists():
        record, metadata = storage.load_trajectories(path)
        if metadata.get("training") != training or metadata.get("env") != environment:
            raise ValueError(
                f"{path} holds the history of another training; delete it, or name another file"
            )
        return record, metadata

    def make_env() -> Any:
        return registry.make(env_id, disable_env_checker=True, **env_kwargs)

    with contextlib.closing(make_env()) as env:
        observed, actions = env.observation_space, env.action_space
    # Online agents see flat observations, and those are what their rounds hold.
    if not isinstance(observed, gymnasium.spaces.Box) or len(observed.shape) != 1:
        raise ValueError(
            f"got the observation space {observed}, wanted a Box of one axis; wrap the environment "
            "with gymnasium.wrappers.FlattenObservation"
        )
    record, counts = collect(recurrent_ppo.train(make_env, settings, seed=seed))
    metadata = {
        "env": environment,
        "training": training,
        "episodes_by_round": counts,
        "observation_space": spaces.describe(observed),
        "action_space": spaces.describe(actions),
    }
    return record, storage.save_trajectories(path, record, metadata)
