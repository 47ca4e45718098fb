"""Trajectories as dictionaries of arrays.

There are two forms: D4RL's flat arrays, and the Decision Transformer's list of trajectories.
"""

import functools
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import gymnasium
import numpy as np

from jax_s4rl.data import (
    _episode_ends,
    _narrowing,
    _values,
    actions,
    atomic_files,
    observations,
    trajectories,
    untrusted,
)

REQUIRED = ("observations", "actions", "rewards")
EPISODE_IDS, EPISODE_SEEDS = "infos/episode_ids", "infos/episode_seeds"
ALIASES = {
    "obs": "observations",
    "states": "observations",
    "observation": "observations",
    "action": "actions",
    "reward": "rewards",
    "terminations": "terminals",
    "terminated": "terminals",
    "truncations": "timeouts",
    "truncated": "timeouts",
    "done": "dones",
    "next_obs": "next_observations",
    "next_states": "next_observations",
    "episode_ids": EPISODE_IDS,
}
"""Other names of the arrays, by Gymnasium and by common libraries."""
FLAGS, BREAKS = _episode_ends.FLAGS, _episode_ends.BREAKS


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
    dictionary: Mapping[str, Any],
    *,
    last_observation: str = "required",
    observation_space: gymnasium.Space | None = None,
    action_space: gymnasium.Space | None = None,
    max_episode_steps: int | None = None,
    split: str = FLAGS,
) -> trajectories.Trajectories:
    """Converts D4RL's dictionary of flat arrays to a record.

    Episodes end where `terminals` or `timeouts` is set and, if `infos/episode_ids` is given, where
    it changes. A last episode without a flag is kept; its recording was cut. Gymnasium's names
    (`terminations`, `truncations`) and other common ones (`ALIASES`) are understood. A single
    episode may have one observation more than steps: the one after its last action.

    Args:
        dictionary: Arrays `observations, actions, rewards` and, if known, `terminals`, `timeouts`
            and `next_observations`; one entry per step in each.
        last_observation: Rule for data without `next_observations`: "required" refuses them;
            "repeat" takes each episode's last observation also as its final observation, which was
            never recorded.
        observation_space: Observation space of the environment, by which observations are encoded
            (see `observations`); if None, arrays stay as they are.
        action_space: Action space of the environment, by which actions are encoded (see
            `actions`); by default whole numbers are discrete actions from 0, floats continuous.
        max_episode_steps: Longest episode, in steps; longer ones are cut, and truncated there.
        split: Where episodes end: at "flags", or at flags and "breaks", where `next_observations`
            are not the observations of the next step.

    Returns:
        The episodes; continuous actions and rewards are float32.

    Raises:
        ValueError: If an array is missing, has another length or does not fit its space, if
            `next_observations` are missing or are not the observations of the next steps, or if
            there is no such rule.

    Warns:
        UserWarning: If nothing says where episodes end, so that all steps are one episode.
    """
    return _convert(
        dictionary,
        last_observation,
        (observation_space, action_space),
        max_episode_steps=max_episode_steps,
        split=split,
        is_one_episode=False,
    )


def _convert(
    dictionary: Mapping[str, Any],
    last_observation: str,
    spaces: tuple[gymnasium.Space | None, gymnasium.Space | None],
    *,
    max_episode_steps: int | None = None,
    split: str = FLAGS,
    is_one_episode: bool,
) -> trajectories.Trajectories:
    _check_choice("last_observation", last_observation, ("required", "repeat"))
    _check_choice("split", split, (FLAGS, BREAKS))
    flat = known(dictionary)
    rewards = _values.per_step("rewards", flat["rewards"])
    steps = len(rewards)
    if not steps:
        raise ValueError("got no rewards, wanted at least one step; give the arrays of some steps")
    terminals, timeouts = (
        _episode_ends.flags(flat, name, steps) for name in ("terminals", "timeouts")
    )
    encode, encode_action = _encoders(flat, *spaces)
    actions = _of_length("actions", encode_action(flat["actions"]), steps)
    ends = terminals | timeouts
    if EPISODE_IDS in flat:
        ends |= _episode_ends.changes(EPISODE_IDS, flat[EPISODE_IDS], steps)
    observed, following = _observations(flat, encode, ends)
    if following is not None:
        ends |= _episode_ends.breaks(observed, following, ends, split)
    elif split == BREAKS:
        raise ValueError(
            f'got split="{BREAKS}" without next_observations, which would show the breaks; give '
            "them, or max_episode_steps"
        )
    if not is_one_episode:
        _episode_ends.warn_if_endless(ends, max_episode_steps)
    cuts = _episode_ends.cuts(ends, max_episode_steps)
    ends = ends | cuts
    ends[-1] = True
    last = np.flatnonzero(ends)
    starts = np.concatenate([[0], last[:-1] + 1])
    if following is not None:
        final = _values.cast("observation", following[last], observed.dtype)
    elif last_observation == "repeat":
        # Where an episode was cut, the next step shows what followed.
        final = observed[np.where(cuts[last], np.minimum(last + 1, steps - 1), last)]
    else:
        raise ValueError(
            "got no next_observations, so the final observation of each episode is unknown; "
            'pass last_observation="repeat" to repeat the last observation'
        )
    seeds = _values.per_step(EPISODE_SEEDS, flat.get(EPISODE_SEEDS, np.full(steps, -1)), steps)
    return trajectories.Trajectories(
        observations=observed,
        actions=actions,
        rewards=_narrowing.to_float("rewards", rewards),
        terminations=terminals,
        truncations=timeouts | (cuts & ~terminals),
        episode_lengths=(last - starts + 1).astype(np.int64),
        final_observations=final,
        episode_seeds=_values.cast("seed", seeds[starts], np.int64),
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
    episodes: Sequence[Mapping[str, Any]],
    *,
    last_observation: str = "required",
    observation_space: gymnasium.Space | None = None,
    action_space: gymnasium.Space | None = None,
) -> trajectories.Trajectories:
    """Converts one dictionary per episode to a record; each may end with a flag or without one.

    Args:
        episodes: Dictionaries as `from_d4rl` takes them, of one episode each.
        last_observation: Rule for data without `next_observations`; see `from_d4rl`.
        observation_space: Observation space of the environment; see `from_d4rl`.
        action_space: Action space of the environment; see `from_d4rl`.

    Returns:
        The episodes in the same order.

    Raises:
        ValueError: If there is no dictionary, or one does not hold exactly one episode.
    """
    parts = [
        _convert(episode, last_observation, (observation_space, action_space), is_one_episode=True)
        for episode in episodes
    ]
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
    untrusted.check_file(path)
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


def known(dictionary: Any) -> dict[str, Any]:
    """Returns the arrays of a dictionary under D4RL's names (see `ALIASES`).

    Args:
        dictionary: Arrays by name, of any known library.

    Returns:
        The same arrays by D4RL's names; `terminals` are found from `dones` if need be.

    Raises:
        ValueError: If an array that every record needs is missing.
    """
    if not isinstance(dictionary, Mapping):
        raise ValueError(
            f"got a {type(dictionary).__name__}, wanted a dictionary with the arrays "
            f"{', '.join(REQUIRED)}; give one, of a table for instance dict(table)"
        )
    flat = {name: values for name, values in dictionary.items() if name not in ALIASES}
    for name, values in dictionary.items():
        usual = ALIASES.get(name)
        # Beside the usual name another one means something else, a simulator's states for instance.
        if usual is None or usual in dictionary:
            continue
        if usual in flat:
            raise ValueError(
                f"got {usual} under several names, {name!r} among them; rename the right one to "
                f"{usual!r}"
            )
        flat[usual] = values
    missing = [name for name in REQUIRED if name not in flat]
    if missing:
        found = ", ".join(map(str, list(dictionary)[:8])) or "nothing"
        raise ValueError(
            f"got a dictionary with {found}{', ...' if len(dictionary) > 8 else ''} and without "
            f"{', '.join(missing)}, wanted at least {', '.join(REQUIRED)}; rename the arrays"
        )
    if "dones" in flat:
        # "Done" is said of both ends: what one array tells apart, the other one need not say.
        done = _values.flags("dones", flat["dones"])
        names = {"terminals": "timeouts", "timeouts": "terminals"}
        known_ends = {name: _episode_ends.flags(flat, name, len(done)) for name in names}
        for name, other in names.items():
            if name not in flat:
                flat[name] = done & ~known_ends[other]
                break
    return flat


def _encoders(
    flat: Mapping[str, Any],
    observation_space: gymnasium.Space | None,
    action_space: gymnasium.Space | None,
) -> tuple[Callable[[Any], np.ndarray], Callable[[Any], np.ndarray]]:
    """Makes the functions that convert observations and actions to arrays."""
    action = actions.encoder(action_space or actions.infer_space(flat["actions"])).encode_all
    if observation_space is None:
        return functools.partial(_values.numeric, "observations"), action
    return observations.encoder(observation_space).encode_all, action


def _of_length(name: str, array: np.ndarray, steps: int) -> np.ndarray:
    if array.ndim == 0 or len(array) != steps:
        is_row = array.shape[:2] == (1, steps)
        remedy = f"use {name}[0]" if is_row else "take all arrays from one record"
        raise ValueError(
            f"got {steps} rewards and {name} of shape {array.shape}, wanted one entry per step in "
            f"every array; {remedy}"
        )
    return array


def _observations(
    flat: Mapping[str, Any], encode: Callable[[Any], np.ndarray], ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the observations before and, if they are known, after all steps."""
    steps, observed = len(ends), encode(flat["observations"])
    if "next_observations" in flat:
        following = encode(flat["next_observations"])
    elif observed.ndim and len(observed) == steps + 1 and not ends[:-1].any():
        # One episode with its final observation, as loops over an environment collect it.
        return observed[:-1], observed[1:]
    else:
        return _of_length("observations", observed, steps), None
    observed = _of_length("observations", observed, steps)
    if following.shape != observed.shape:
        raise ValueError(
            f"got next_observations of shape {following.shape}, wanted {observed.shape}; give one "
            "for each step"
        )
    return observed, following


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        wanted = " or ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"got {name}={value!r}, wanted {wanted}")
