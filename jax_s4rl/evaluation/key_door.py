"""Events of recorded key-and-door episodes: keys taken, doors reached, successes.

Everything is read from observations in the mode "full". Episodes recorded in other modes are
replayed first (`collection.recording.reenact` with `obs="full"`): the world is the same.
"""

from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from jax_s4rl.data import trajectories
from jax_s4rl.envs.key_door import config, layout, random_play

LAST_ROOM = 2
# Step index of an event that did not happen.
NEVER = -1


class ObservationEncoder(Protocol):
    """Layout of a full observation, as `env.unwrapped.encoder` of a key-and-door world has it.

    Attributes:
        mode: Mode of the observations.
        n_rooms: Number of rooms.
        area: Number of cells of a room.
        carried: Index of the first flag for carried keys; the one-hot position ends before it.
        opened: Index of the flag for the last door (timer only).
        key_maps: Index of the first key's map.
        apple_map: Index of the map of apples.
    """

    mode: str
    n_rooms: int
    area: int
    carried: int
    opened: int
    key_maps: int
    apple_map: int


class Events(NamedTuple):
    """Events of each of E episodes.

    Attributes:
        key_cell: Cell of the first key at the start; -1 if none was shown.
        key_step: Step whose action took the first key; -1 if it was not taken.
        rooms: Furthest room entered, counted from 0.
        door_step: First step whose action led onto the door cell of the last room, with or without
            the key; -1 if none did.
        apples: Number of apples eaten.
        success: Whether the last door was opened, or, with two rooms, all apples were eaten.
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
    """Shares of episodes, and means over episodes; NaN if there is no episode of that kind.

    Attributes:
        key: Share of episodes that took the first key.
        door: Share of episodes that came to the door of the last room, with or without the key.
        door_given_key: Share of episodes that came to that door, among those with the key.
        success: Share of episodes that succeeded.
        success_given_key: Share of episodes that succeeded, among those with the key.
        second_room: Share of episodes that came into the second room.
        last_room: Share of episodes that came into the last room.
        apples: Mean number of apples eaten.
        steps_to_key: Mean number of actions up to the one that took the key, among those with the
            key.
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


def events(
    record: trajectories.Trajectories, encoder: ObservationEncoder, *, door_cell: int
) -> Events:
    """Reads the events of episodes from full observations.

    Args:
        record: Episodes of a key-and-door world, observed in the mode "full".
        encoder: Observation encoder of that world, `env.unwrapped.encoder`.
        door_cell: Cell of the door of a room, `layout.door_cell(size)`.

    Returns:
        The events of each episode.

    Raises:
        ValueError: If the world is not observed in full.
    """
    if encoder.mode != "full":
        raise ValueError(
            f"got observations of mode {encoder.mode!r}, which do not show all events; "
            "play the episodes again with obs='full'"
        )
    starts, lengths = record.episode_starts, record.episode_lengths
    first, final = record.observations[starts], record.final_observations
    after = _after(record)
    has_key = after[:, encoder.carried] > 0
    # The position is one-hot over the cells of all rooms, one room after the other.
    cells = after[:, : encoder.carried].argmax(axis=1)
    rooms = cells // encoder.area
    at_door = (rooms == LAST_ROOM) & (cells % encoder.area == door_cell)
    key_map = first[:, encoder.key_maps : encoder.key_maps + encoder.area] > 0
    apples_before = (first[:, encoder.apple_map :] > 0).sum(axis=1)
    apples_after = (final[:, encoder.apple_map :] > 0).sum(axis=1)
    return Events(
        key_cell=np.where(key_map.any(axis=1), key_map.argmax(axis=1), NEVER),
        key_step=_first_step(has_key, starts, lengths),
        rooms=np.maximum.reduceat(rooms, starts),
        door_step=_first_step(at_door, starts, lengths),
        apples=apples_before - apples_after,
        success=_success(record, encoder, np.maximum.reduceat(rooms, starts)),
    )


def rates(happened: Events) -> Rates:
    """Averages the events of episodes.

    Args:
        happened: Events of each episode.

    Returns:
        Shares of episodes and means over them.

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
    """Computes P(key | highest target returns) - P(key | lowest target returns).

    Zero means that no credit for the late reward has reached the key.

    Args:
        happened: Events of episodes with different target returns, for instance quantiles of the
            data.
        targets: Target return of each episode; the top and bottom tenth of them are compared, ties
            included.

    Returns:
        Between -1 and 1.

    Raises:
        ValueError: If the top and the bottom tenth have the same target.

    Example:
        >>> key, none = np.array([-1, -1, 4, 4]), np.full(4, -1)
        >>> key_lift(Events(key, key, key, none, none, key > 0), np.array([0.0, 0.0, 1.0, 1.0]))
        1.0
    """
    targets = np.asarray(targets, np.float64)
    low, high = np.quantile(targets, [0.1, 0.9])
    if low == high:
        raise ValueError(
            f"got {low} for both the top and the bottom tenth of {len(targets)} targets; "
            "give at least two target returns, each equally often"
        )
    return _mean(happened.has_key[targets >= high]) - _mean(happened.has_key[targets <= low])


def random_play_credit(
    record: trajectories.Trajectories, encoder: ObservationEncoder, settings: config.Settings
) -> Float[np.ndarray, " N"]:
    """Computes the exact hindsight credit of every action of random play, with the timer.

    The credit is `log P(a | state, success) - log P(a | state)` in episodes that succeeded, and the
    same given failure in the others. By Bayes' rule it is the logarithm of how much the action
    changed the chance of the outcome. Moves that cannot change it have credit 0: those after the
    key was taken, of the middle phase, and in the last room without the key or after the door.

    Args:
        record: Episodes of uniformly random play, observed in the mode "full".
        encoder: Observation encoder of their world, `env.unwrapped.encoder`.
        settings: Settings of their world, with the timer and without apples.

    Returns:
        Credits in nats, in the order of the record.

    Raises:
        ValueError: If the world has doors for a gate or apples, or is not observed in full.
    """
    if settings.gate != "timer" or settings.n_apples:
        raise ValueError(
            f"got gate={settings.gate!r} and {settings.n_apples} apples, wanted the timer and no "
            "apples, with which the return is the success alone; take episodes of the preset 'dt'"
        )
    door = layout.door_cell(settings.size)
    happened = events(record, encoder, door_cell=door)
    first, _, last = settings.phase_steps or (0, 0, 0)
    reach = random_play.reach(settings, max(first, last))
    to_open = reach[door, last, layout.spawn_cell(settings.size)]

    episode = np.repeat(np.arange(record.num_episodes), record.episode_lengths)
    step = np.arange(record.num_steps) - record.episode_starts[episode]
    place = record.observations[:, : encoder.carried].argmax(axis=1)
    rooms, cells = place // encoder.area, place % encoder.area
    after = np.array(layout.neighbours(settings.size))[cells]
    key_cell, key_step, door_step = (
        of_episode[episode]
        for of_episode in (happened.key_cell, happened.key_step, happened.door_step)
    )
    has_key = (key_step != NEVER) & (step > key_step)
    is_open = has_key & (door_step != NEVER) & (step > door_step)

    # Chance of success after each move, where a move can change it.
    chances = np.full(after.shape, np.nan)
    for seeks, target, left, rest in (
        ((rooms == 0) & ~has_key, key_cell, first - 1 - step, to_open),
        (
            (rooms == LAST_ROOM) & has_key & ~is_open,
            np.full_like(key_cell, door),
            record.episode_lengths[episode] - 1 - step,
            1.0,
        ),
    ):
        goal = target[seeks, None]
        later = reach[goal, left[seeks, None], after[seeks]]
        chances[seeks] = np.where(after[seeks] == goal, 1.0, later) * rest
    outcome = np.where(happened.success[episode][:, None], chances, 1 - chances)
    taken = np.take_along_axis(outcome, record.actions[:, None], axis=1)[:, 0]
    return np.where(np.isnan(taken), 0.0, np.log(taken) - np.log(outcome.mean(axis=1)))


def key_coverage(happened: Events) -> int:
    """Counts the different cells of the key in successful episodes.

    A model can have observed successes with the key in these cells only.

    Args:
        happened: Events of each episode.

    Returns:
        Number of cells.

    Example:
        >>> cells, success = np.array([7, 7, 9, 3]), np.array([True, True, True, False])
        >>> key_coverage(Events(cells, cells, cells, cells, cells, success))
        2
    """
    return len(np.unique(happened.key_cell[happened.success]))


def _after(record: trajectories.Trajectories) -> np.ndarray:
    """Returns the observation after each action."""
    # The next row, except at the last step of an episode.
    after = np.roll(record.observations, -1, axis=0)
    after[record.episode_starts + record.episode_lengths - 1] = record.final_observations
    return after


def _first_step(
    happens: Bool[np.ndarray, " N"], starts: Int[np.ndarray, " E"], lengths: Int[np.ndarray, " E"]
) -> Int[np.ndarray, " E"]:
    """Returns the index in each episode of its first step with the event, -1 if there is none."""
    steps = np.arange(len(happens)) - np.repeat(starts, lengths)
    # Steps without the event get an index above all others, so the minimum leaves them out.
    first = np.minimum.reduceat(np.where(happens, steps, len(happens)), starts)
    return np.where(first < len(happens), first, NEVER)


def _success(
    record: trajectories.Trajectories, encoder: ObservationEncoder, rooms: Int[np.ndarray, " E"]
) -> Bool[np.ndarray, " E"]:
    # With the timer, a flag before the key maps says that the door was opened.
    if encoder.key_maps > encoder.opened:
        return record.final_observations[:, encoder.opened] > 0
    if encoder.n_rooms > LAST_ROOM:
        return rooms == LAST_ROOM
    return np.all(record.final_observations[:, encoder.apple_map :] <= 0, axis=1)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
