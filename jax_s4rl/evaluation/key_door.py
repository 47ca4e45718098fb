"""What happened in recorded key-and-door episodes: who took the key, who came to the door, who was paid.

Everything is read from observations in the mode "full". Episodes recorded with other eyes are played again first
(`collection.rollouts.reenact` with `obs="full"`): the world is the same.
"""

from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from jax_s4rl.data import trajectories

LAST_ROOM = 2
NEVER = -1


class ObservationEncoder(Protocol):
    """Where things stand in a full observation; what `env.unwrapped.eyes` of a key-and-door world knows."""

    mode: str
    n_rooms: int
    area: int
    hand: int
    opened: int
    key_maps: int
    apple_map: int


class Events(NamedTuple):
    """What happened in each of E episodes.

    Attributes:
      key_cell: cell of the first key at the start; -1 where none was shown.
      key_step: step whose action took the first key; -1 where it was not taken.
      rooms: furthest room entered, from 0.
      door_step: step whose action led onto the door cell of the last room, first time, key or not; -1 for none.
      apples: eaten.
      success: whether the last door was opened, or, with two rooms, all apples were eaten.
    """

    key_cell: Int[np.ndarray, " E"]
    key_step: Int[np.ndarray, " E"]
    rooms: Int[np.ndarray, " E"]
    door_step: Int[np.ndarray, " E"]
    apples: Int[np.ndarray, " E"]
    success: Bool[np.ndarray, " E"]

    @property
    def has_key(self) -> Bool[np.ndarray, " E"]:
        """Whether the first key was taken."""
        return self.key_step != NEVER

    @property
    def at_door(self) -> Bool[np.ndarray, " E"]:
        """Whether the door cell of the last room was entered, key or not."""
        return self.door_step != NEVER


class Rates(NamedTuple):
    """Shares of episodes, and means over them; NaN where there is no episode to ask about.

    Attributes:
      key: took the first key.
      door: came to the door of the last room, key or not.
      door_given_key: of those with the key, came to that door.
      success: were paid for the door.
      success_given_key: of those with the key, were paid for the door.
      second_room: came into the second room.
      last_room: came into the last room.
      apples: mean number eaten.
      steps_to_key: mean number of actions up to the one that took the key, of those that did.
    """

    key: float
    door: float
    door_given_key: float
    success: float
    success_given_key: float
    second_room: float
    last_room: float
    apples: float
    steps_to_key: float


def events(record: trajectories.Trajectories, eyes: ObservationEncoder, *, door_cell: int) -> Events:
    """Reads what happened from full observations.

    Args:
      record: episodes of a key-and-door world, observed in the mode "full".
      eyes: of that world, `env.unwrapped.eyes`.
      door_cell: where a room is left, `key_door_layout.door_cell(size)`.

    Returns:
      The events of each episode.

    Raises:
      ValueError: the world is not observed in full.
    """
    if eyes.mode != "full":
        raise ValueError(
            f"got observations of mode {eyes.mode!r}, which hide what happened; play the episodes again with obs='full'"
        )
    starts, lengths = record.episode_starts, record.episode_lengths
    first, final = record.observations[starts], record.final_observations
    after = _after(record)
    has_key, places = after[:, eyes.hand] > 0, after[:, : eyes.hand].argmax(axis=1)
    rooms = places // eyes.area
    at_door = (rooms == LAST_ROOM) & (places % eyes.area == door_cell)
    key_map = first[:, eyes.key_maps : eyes.key_maps + eyes.area] > 0
    eaten = (first[:, eyes.apple_map :] > 0).sum(axis=1) - (final[:, eyes.apple_map :] > 0).sum(axis=1)
    return Events(
        key_cell=np.where(key_map.any(axis=1), key_map.argmax(axis=1), NEVER),
        key_step=_first_step(has_key, starts, lengths),
        rooms=np.maximum.reduceat(rooms, starts),
        door_step=_first_step(at_door, starts, lengths),
        apples=eaten,
        success=_success(record, eyes, np.maximum.reduceat(rooms, starts)),
    )


def rates(happened: Events) -> Rates:
    """Sums episodes up.

    Example:
      >>> none, yes = np.array([-1, -1]), np.array([3, -1])
      >>> found = rates(Events(yes, yes, yes, none, yes, yes > 0))
      >>> found.key, found.success, found.success_given_key, found.steps_to_key
      (0.5, 0.5, 1.0, 4.0)
    """
    has_key = happened.has_key
    return Rates(
        key=_mean(has_key),
        door=_mean(happened.at_door),
        door_given_key=_mean(happened.at_door[has_key]),
        success=_mean(happened.success),
        success_given_key=_mean(happened.success[has_key]),
        second_room=_mean(happened.rooms >= 1),
        last_room=_mean(happened.rooms >= LAST_ROOM),
        apples=_mean(happened.apples),
        steps_to_key=_mean(happened.key_step[has_key] + 1),
    )


def key_lift(happened: Events, targets: Float[np.ndarray, " E"]) -> float:
    """How much oftener the key is taken when much is asked for: P(key | best targets) - P(key | least targets).

    Zero means that no credit for the late reward has reached the key.

    Args:
      happened: in episodes asked for different returns, for instance quantiles of the data.
      targets: return asked for in each; the top and bottom tenth of them are compared, ties included.

    Returns:
      Between -1 and 1.

    Raises:
      ValueError: all episodes were asked for the same.

    Example:
      >>> key, none = np.array([-1, -1, 4, 4]), np.full(4, -1)
      >>> key_lift(Events(key, key, key, none, none, key > 0), np.array([0.0, 0.0, 1.0, 1.0]))
      1.0
    """
    targets = np.asarray(targets, np.float64)
    low, high = np.quantile(targets, [0.1, 0.9])
    if low == high:
        raise ValueError(
            f"the top and the bottom tenth of {len(targets)} targets are the same, {low}; "
            "ask for at least two returns, as often as each other"
        )
    return _mean(happened.has_key[targets >= high]) - _mean(happened.has_key[targets <= low])


def key_coverage(happened: Events) -> int:
    """How many different cells the key lay on in successful episodes: what a learner can have seen succeed.

    Example:
      >>> cells = np.array([7, 7, 9, 3])
      >>> key_coverage(Events(cells, cells, cells, cells, cells, np.array([True, True, True, False])))
      2
    """
    return len(np.unique(happened.key_cell[happened.success]))


def _after(record: trajectories.Trajectories) -> np.ndarray:
    """What was seen after each action."""
    after = np.roll(record.observations, -1, axis=0)
    after[record.episode_starts + record.episode_lengths - 1] = record.final_observations
    return after


def _first_step(
    happens: Bool[np.ndarray, " N"], starts: Int[np.ndarray, " E"], lengths: Int[np.ndarray, " E"]
) -> Int[np.ndarray, " E"]:
    """Index within each episode of the first step where it happens, -1 where it never does."""
    steps = np.arange(len(happens)) - np.repeat(starts, lengths)
    found = np.minimum.reduceat(np.where(happens, steps, len(happens)), starts)
    return np.where(found < len(happens), found, NEVER)


def _success(
    record: trajectories.Trajectories, eyes: ObservationEncoder, rooms: Int[np.ndarray, " E"]
) -> Bool[np.ndarray, " E"]:
    if eyes.key_maps > eyes.opened:  # with the timer a flag of its own says that the door was opened
        return record.final_observations[:, eyes.opened] > 0
    if eyes.n_rooms > LAST_ROOM:
        return rooms == LAST_ROOM
    return np.all(record.final_observations[:, eyes.apple_map :] <= 0, axis=1)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
