"""Trajectories as dictionaries of arrays.

There are two forms: D4RL's flat arrays, and the Decision Transformer's list of trajectories.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from jax_s4rl.data import atomic_files, trajectories

REQUIRED = ("observations", "actions", "rewards", "terminals")
EPISODE_IDS, EPISODE_SEEDS = "infos/episode_ids", "infos/episode_seeds"


def to_d4rl(record: trajectories.Trajectories) -> dict[str, np.ndarray]:
    """Converts a record to D4RL's dictionary of flat arrays.

    Besides D4RL's own keys (`observations, actions, rewards, terminals, timeouts,
    next_observations`) the dictionary holds `infos/episode_ids` and `infos/episode_seeds`, one
    entry per step, so that nothing is lost.

    Args:
        record: The episodes.

    Returns:
        Arrays of N entries each; all but `next_observations` and the two infos are views.
    """
    last = record.episode_starts + record.episode_lengths - 1
    # Shifted by one step; at the end of each episode the final observation takes its place.
    following = np.roll(record.observations, -1, axis=0)
    following[last] = record.final_observations
    return {
        "observations": record.observations,
        "actions": record.actions,
        "rewards": record.rewards,
        "terminals": record.terminations,
        "timeouts": record.truncations,
        "next_observations": following,
        EPISODE_IDS: np.repeat(np.arange(record.num_episodes), record.episode_lengths),
        EPISODE_SEEDS: np.repeat(record.episode_seeds, record.episode_lengths),
    }


def from_d4rl(
    dictionary: Mapping[str, Any], *, last_observation: str = "required"
) -> trajectories.Trajectories:
    """Converts D4RL's dictionary of flat arrays to a record.

    Episodes end where `terminals` or `timeouts` is set and, if `infos/episode_ids` is given, where
    it changes. A last episode without a flag is kept; its recording was cut.

    Args:
        dictionary: Arrays `observations, actions, rewards, terminals` and, if known, `timeouts` and
            `next_observations`.
        last_observation: Rule for data without `next_observations`: "required" refuses them;
            "repeat" takes each episode's last observation also as its final observation, which was
            never recorded.

    Returns:
        The episodes; float actions and rewards become float32.

    Raises:
        ValueError: If an array is missing or has another length, if `next_observations` are missing
            or are not the observations of the next steps, or if there is no such rule.
    """
    missing = [name for name in REQUIRED if name not in dictionary]
    if missing:
        raise ValueError(
            f"got a dictionary without {', '.join(missing)}, wanted at least {', '.join(REQUIRED)}"
        )
    if last_observation not in ("required", "repeat"):
        raise ValueError(
            f'got last_observation={last_observation!r}, wanted "required" or "repeat"'
        )
    flat = {
        name: np.asarray(array)
        for name, array in dictionary.items()
        if name.split("/")[0] != "metadata"
    }
    steps = len(flat["rewards"])
    flat.setdefault("timeouts", np.zeros(steps, bool))
    wrong = {name: len(flat[name]) for name in (*REQUIRED, "timeouts") if len(flat[name]) != steps}
    if wrong or steps == 0:
        raise ValueError(
            f"got {steps} rewards and arrays of other lengths: {wrong or 'none'}, wanted one entry "
            "per step in every array, and at least one step; take all arrays from one file"
        )
    starts, ends = _boundaries(flat)
    observations = flat["observations"]
    if "next_observations" in flat:
        _check_following(observations, flat["next_observations"], ends)
        final = flat["next_observations"][ends]
    elif last_observation == "repeat":
        final = observations[ends]
    else:
        raise ValueError(
            "got no next_observations, so the final observation of each episode is unknown; "
            'pass last_observation="repeat" to repeat the last observation'
        )
    seeds = flat[EPISODE_SEEDS][starts] if EPISODE_SEEDS in flat else np.full(len(starts), -1)
    # Continuous actions of one number may come as [N]; a record has [N, A].
    actions = (
        flat["actions"].reshape(steps, -1) if flat["actions"].dtype.kind == "f" else flat["actions"]
    )
    return trajectories.Trajectories(
        observations=observations,
        actions=actions.astype(np.float32 if actions.dtype.kind == "f" else np.int32, copy=False),
        rewards=flat["rewards"].astype(np.float32, copy=False),
        terminations=flat["terminals"].astype(bool, copy=False),
        truncations=flat["timeouts"].astype(bool, copy=False),
        episode_lengths=(ends - starts + 1).astype(np.int64),
        final_observations=final.astype(observations.dtype, copy=False),
        episode_seeds=seeds.astype(np.int64),
    )


def to_list(record: trajectories.Trajectories) -> list[dict[str, np.ndarray]]:
    """Converts a record to the list that the Decision Transformer's own loader expects.

    Args:
        record: The episodes.

    Returns:
        One dictionary per episode, each the `to_d4rl` of that episode alone.
    """
    return [to_d4rl(record.select([index])) for index in range(record.num_episodes)]


def from_list(
    episodes: Sequence[Mapping[str, Any]], *, last_observation: str = "required"
) -> trajectories.Trajectories:
    """Converts one dictionary per episode to a record; each may end with a flag or without one.

    Args:
        episodes: Dictionaries as `from_d4rl` takes them, of one episode each.
        last_observation: Rule for data without `next_observations`; see `from_d4rl`.

    Returns:
        The episodes in the same order.

    Raises:
        ValueError: If there is no dictionary, or one does not hold exactly one episode.
    """
    parts = [from_d4rl(episode, last_observation=last_observation) for episode in episodes]
    for index, part in enumerate(parts):
        if part.num_episodes != 1:
            raise ValueError(
                f"entry {index} holds {part.num_episodes} episodes, wanted one each; "
                "use from_d4rl for it"
            )
    return trajectories.concatenate(parts)


def save_pickle(path: str | Path, record: trajectories.Trajectories) -> None:
    """Writes the pickled list of dictionaries that the Decision Transformer's own scripts read.

    Args:
        path: Path of the file; its folder is made.
        record: The episodes.

    Raises:
        OSError: If the disk refuses; no partly written file is left.
    """
    atomic_files.write_whole(Path(path), lambda file: pickle.dump(to_list(record), file))


def load_pickle(
    path: str | Path, *, allow_pickle: bool = False, last_observation: str = "required"
) -> trajectories.Trajectories:
    """Reads the Decision Transformer's pickled list of dictionaries.

    Args:
        path: Path of the file.
        allow_pickle: Permission to unpickle; it must be True. Unpickling runs whatever code the
            file holds, so give it only for files that you trust.
        last_observation: Rule for data without `next_observations`; see `from_d4rl`.

    Returns:
        The episodes.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If pickles are not allowed, or the file is damaged or holds something else.
    """
    if not allow_pickle:
        raise ValueError(
            f"{path} is a pickle, which can run any code when read; pass allow_pickle=True if you "
            "trust it"
        )
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}; check the name")
    try:
        with Path(path).open("rb") as file:
            episodes = pickle.load(cast(BinaryIO, file))
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise ValueError(
            f"{path} is empty, truncated or not a pickle ({error}); fetch it again"
        ) from None
    if not isinstance(episodes, list) or not episodes or not isinstance(episodes[0], Mapping):
        raise ValueError(
            f"{path} holds a {type(episodes).__name__}, wanted a list with one dictionary per "
            "episode; check the name"
        )
    return from_list(episodes, last_observation=last_observation)


def _boundaries(flat: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Finds the first and the last step of each episode."""
    ends = flat["terminals"].astype(bool) | flat["timeouts"].astype(bool)
    if EPISODE_IDS in flat:
        ends[:-1] |= np.diff(flat[EPISODE_IDS]) != 0
    ends[-1] = True
    last = np.flatnonzero(ends)
    return np.concatenate([[0], last[:-1] + 1]), last


def _check_following(observations: np.ndarray, following: np.ndarray, ends: np.ndarray) -> None:
    if following.shape != observations.shape:
        raise ValueError(
            f"got next_observations of shape {following.shape}, wanted {observations.shape}; give "
            "one for each step"
        )
    inside = np.ones(len(observations), bool)
    inside[ends] = False
    others = tuple(range(1, observations.ndim))
    differs = (following[:-1] != observations[1:]).any(axis=others) & inside[:-1]
    if differs.any():
        raise ValueError(
            f"next_observations of step {int(np.argmax(differs))} are not the observations of the "
            "next step; order the steps, or set a flag if an episode ends there"
        )
