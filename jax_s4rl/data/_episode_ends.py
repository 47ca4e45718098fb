"""Where episodes end in flat arrays: at flags, changes of an id, breaks, or a longest length."""

import operator
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from jax_s4rl.data import _values

FLAGS, BREAKS = "flags", "breaks"
# Share of steps out of place from which data are shuffled, rather than made of short episodes.
SHUFFLED = 0.5


def flags(flat: Mapping[str, Any], name: str, steps: int) -> Bool[np.ndarray, " N"]:
    """Returns the flags of a name; none is set if there is no such array."""
    if name not in flat:
        return np.zeros(steps, bool)
    return _values.flags(name, flat[name], steps)


def changes(name: str, ids: Any, steps: int) -> Bool[np.ndarray, " N"]:
    """Finds the steps behind which the id of the episode changes.

    Args:
        name: Name of the ids, for the message of an error.
        ids: Id of the episode of each step, numbers or texts.
        steps: Number of steps.

    Returns:
        True at the last step of each id; False at the last step of all.

    Raises:
        ValueError: If the ids are not one for each step, or an episode's steps lie apart.
    """
    array = np.asarray(ids)
    if array.dtype.kind not in "USO":
        array = _values.per_step(name, array, steps)
    array = array.reshape(-1)
    if len(array) != steps or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        raise ValueError(
            f"got {name} of shape {np.shape(ids)}, wanted one id for each of {steps} steps; take "
            "all arrays from one record"
        )
    changed = np.append(array[1:] != array[:-1], False)
    runs, numbers = int(changed.sum()) + 1, len(set(array.tolist()))
    # Files that were joined may use ids again.
    if runs - numbers > SHUFFLED * steps:
        raise ValueError(
            f"got {name} with {numbers} ids that change {runs - 1} times, so the steps of an "
            "episode lie apart; sort all arrays by id and step, for instance with "
            'np.argsort(ids, kind="stable")'
        )
    return changed


def breaks(
    observed: Shaped[np.ndarray, "N *obs"],
    following: Shaped[np.ndarray, "N *obs"],
    ends: Bool[np.ndarray, " N"],
    split: str,
) -> Bool[np.ndarray, " N"]:
    """Finds the steps within episodes whose next observation is not that of the next step.

    Args:
        observed: Observations before all actions.
        following: Observations after them.
        ends: Steps that end an episode as far as flags and ids say.
        split: Whether breaks end episodes (`BREAKS`), or there may be none (`FLAGS`).

    Returns:
        True at the breaks.

    Raises:
        ValueError: If there are breaks that may not be, or so many that the steps are shuffled.
    """
    others = tuple(range(1, observed.ndim))
    if observed.dtype.kind == following.dtype.kind == "f":
        # Rounded alike, so that equal observations of two types are equal.
        narrow = min(observed.dtype, following.dtype, key=lambda dtype: dtype.itemsize)
        with np.errstate(over="ignore"):
            observed, following = (array.astype(narrow) for array in (observed, following))
    # Values that are not finite are refused later, by their name.
    unequal = (following[:-1] != observed[1:]) & (following[:-1] == following[:-1])
    found = np.append(unequal.any(axis=others) & ~ends[:-1], False)
    count, first = int(found.sum()), int(np.argmax(found))
    if count > SHUFFLED * len(found):
        raise ValueError(
            f"next_observations of {count} of {len(found)} steps are not the observations of the "
            "next step, so the steps are out of order; give them in the order of their recording, "
            "with `timeouts` where an episode ends"
        )
    if count and split == FLAGS:
        raise ValueError(
            f"next_observations of step {first} are not the observations of the next step, nor "
            f'those of {count - 1} other steps; order the steps, or pass split="{BREAKS}" if an '
            "episode ends at each of them"
        )
    return found


def cuts(ends: Bool[np.ndarray, " N"], longest: int | None) -> Bool[np.ndarray, " N"]:
    """Finds the steps at which episodes longer than `longest` are cut.

    Args:
        ends: Steps that end an episode.
        longest: Longest episode; None for any length.

    Returns:
        True at the cuts.

    Raises:
        ValueError: If the longest episode is not a whole number from 1 on.
    """
    if longest is None:
        return np.zeros(len(ends), bool)
    try:
        longest = operator.index(longest)
    except TypeError:
        raise ValueError(
            f"got max_episode_steps {longest!r}, wanted a whole number; give the longest episode "
            "in steps"
        ) from None
    if longest < 1:
        raise ValueError(
            f"got max_episode_steps {longest}, wanted at least 1; give the longest episode in steps"
        )
    starts = np.flatnonzero(np.concatenate([[True], ends[:-1]]))
    lengths = np.diff(np.append(starts, len(ends)))
    ages = np.arange(len(ends)) - np.repeat(starts, lengths)
    # The last step of an episode ends it anyway.
    is_last = np.append(ends[:-1], True)
    is_last[np.append(starts[1:], len(ends)) - 1] = True
    return ((ages + 1) % longest == 0) & ~is_last


def warn_if_endless(ends: Bool[np.ndarray, " N"], max_episode_steps: int | None) -> None:
    """Warns if all steps become one episode because nothing says where one ends."""
    if len(ends) > 1 and max_episode_steps is None and not ends.any():
        warnings.warn(
            f"no flag, id or break says where an episode ends, so all {len(ends)} steps become one "
            "episode; if they are several, pass max_episode_steps, or timeouts",
            stacklevel=4,
        )
