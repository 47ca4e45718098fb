"""Shortest tours through the rooms of the key-and-door worlds, by dynamic programming over what was visited."""

import functools
from typing import NamedTuple

import numpy as np

from jax_s4rl.envs.key_door import layout as key_door_layout
from jax_s4rl.envs.key_door.config import Settings
from jax_s4rl.envs.key_door.layout import Layout

FAR = 10**6
LEFT, RIGHT, UP, DOWN, PICK_UP, NEXT_ROOM = range(6)


class Tour(NamedTuple):
    """A way through a room."""

    length: int
    """Moves."""
    stops: tuple[int, ...]
    """The cells in the order of the visits."""


def shortest(size: int, start: int, stops: tuple[int, ...], end: int | None = None) -> Tour:
    """The shortest way from `start` over all of `stops` to `end` (anywhere if None).

    Source:
        Held and Karp 1962, A dynamic programming approach to sequencing problems.

    Example:
        >>> shortest(5, start=10, stops=(14, 0), end=12)  # up to the corner, then to the far side and back
        Tour(length=10, stops=(0, 14))
    """
    if not stops:
        return Tour(0 if end is None else key_door_layout.distance(size, start, end), ())
    lengths = _lengths(size, start, stops)
    finish = [0 if end is None else key_door_layout.distance(size, stop, end) for stop in stops]
    return _trace(size, stops, lengths, len(lengths) - 1, np.array(finish))


def most_within(size: int, start: int, stops: tuple[int, ...], num_steps: int, steps_per_stop: int = 0) -> Tour:
    """A way over as many of `stops` as fit into `num_steps` steps, the shortest of those.

    Args:
        size: of the room.
        start: first cell.
        stops: cells to visit.
        num_steps: steps that there are.
        steps_per_stop: steps that a stop takes beside the moves to it.

    Returns:
        The tour; its length counts moves alone.
    """
    if not stops:
        return Tour(0, ())
    lengths = _lengths(size, start, stops)
    counts = np.array([mask.bit_count() for mask in range(len(lengths))])
    best = np.where(counts == 0, 0, lengths.min(axis=1) + steps_per_stop * counts)
    mask = int(np.lexsort((best, -np.where(best <= num_steps, counts, -1)))[0])
    return _trace(size, stops, lengths, mask, np.zeros(len(stops), int)) if mask else Tour(0, ())


@functools.lru_cache(maxsize=64)
def _lengths(size: int, start: int, stops: tuple[int, ...]) -> np.ndarray:
    """Int[2**n, n]: the shortest way from `start` over a set of stops (bits) that ends at stop j of the set."""
    n = len(stops)
    between = _between(size, stops)
    lengths = np.full((2**n, n), FAR)
    lengths[1 << np.arange(n), np.arange(n)] = [key_door_layout.distance(size, start, stop) for stop in stops]
    masks = np.arange(2**n)
    counts = np.array([mask.bit_count() for mask in range(2**n)])
    for count in range(2, n + 1):
        for j in range(n):
            with_j = masks[(counts == count) & (masks >> j & 1 == 1)]
            lengths[with_j, j] = (lengths[with_j ^ (1 << j)] + between[:, j]).min(axis=1)
    return lengths


def _between(size: int, stops: tuple[int, ...]) -> np.ndarray:
    return np.array([[key_door_layout.distance(size, first, second) for second in stops] for first in stops])


def _trace(size: int, stops: tuple[int, ...], lengths: np.ndarray, mask: int, finish: np.ndarray) -> Tour:
    between = _between(size, stops)
    last = int((lengths[mask] + finish).argmin())
    length = int((lengths[mask] + finish)[last])
    order = [last]
    while mask := mask ^ (1 << order[-1]):
        order.append(int((lengths[mask] + between[:, order[-1]]).argmin()))
    return Tour(length, tuple(stops[index] for index in reversed(order)))


def plan(settings: Settings, layout: Layout) -> list[int]:
    """The actions of an optimal episode: every reward, in as few steps as can be.

    With `pickup="auto"` and doors, a tour that would touch the door too early goes round it; it may then be a few steps
    longer than the shortest. With the timer the list fills the whole episode.

    Args:
        settings: of the world.
        layout: what lies where.

    Returns:
        Actions from the first step on.

    Raises:
        ValueError: with doors, where the tour does not fit into `max_steps`.
    """
    return _plan_timer(settings, layout) if settings.gate == "timer" else _plan_door(settings, layout)


def _plan_door(settings: Settings, layout: Layout) -> list[int]:
    size = settings.size
    start, door = key_door_layout.spawn_cell(size), key_door_layout.door_cell(size)
    ends_at_door = settings.n_rooms == 3
    stops = layout.apples + layout.keys[1:]
    tour = shortest(size, start, stops, door if ends_at_door else None)
    steps = _visit(settings, start, layout.keys[:1], door) + _pass(settings)
    steps += _visit(settings, start, tour.stops, door if ends_at_door else None)
    steps += _pass(settings) if ends_at_door else []
    if len(steps) > (settings.max_steps or 0):
        raise ValueError(f"got max_steps={settings.max_steps}, but this layout's shortest tour has {len(steps)} steps")
    return steps


def _plan_timer(settings: Settings, layout: Layout) -> list[int]:
    size = settings.size
    first_steps, middle_steps, last_steps = settings.phase_steps or (0, 0, 0)
    start, door = key_door_layout.spawn_cell(size), key_door_layout.door_cell(size)
    steps_per_stop = 1 if settings.pickup == "action" else 0
    tour = most_within(size, start, layout.apples, middle_steps, steps_per_stop)
    middle = _visit(settings, start, tour.stops, None)
    first = _visit(settings, start, layout.keys, None)
    last = _visit(settings, start, (), door) + _pass(settings)
    return _fill(first, first_steps, LEFT) + _fill(middle, middle_steps, LEFT) + _fill(last, last_steps, RIGHT)


def _fill(steps: list[int], length: int, idle: int) -> list[int]:
    """Cut or filled up to a length."""
    return (steps + [idle] * length)[:length]


def _pass(settings: Settings) -> list[int]:
    return [NEXT_ROOM] if settings.pickup == "action" else []


def _visit(settings: Settings, start: int, stops: tuple[int, ...], end: int | None) -> list[int]:
    """Moves over the stops to the end, with the pick-ups where they are actions."""
    door = key_door_layout.door_cell(settings.size)
    blocked = door if settings.pickup == "auto" and settings.gate == "door" else None
    steps: list[int] = []
    for stop in stops:
        steps += path(settings.size, start, stop, blocked) + ([PICK_UP] if settings.pickup == "action" else [])
        start = stop
    return steps if end is None else steps + path(settings.size, start, end)


def path(size: int, start: int, end: int, blocked: int | None = None) -> list[int]:
    """Moves of a shortest path between two cells of a room, sideways first; round a blocked cell if there is one.

    Example:
        >>> path(5, 0, 7)
        [1, 1, 3]
        >>> len(path(5, 9, 19, blocked=14))
        4
    """
    neighbours = key_door_layout.neighbours(size)
    steps_left = {end: 0}
    waiting = [end]
    for cell in waiting:  # grows as it is read: breadth first
        fresh = {c for c in neighbours[cell] if c not in steps_left and c != blocked}
        steps_left.update(dict.fromkeys(fresh, steps_left[cell] + 1))
        waiting += fresh
    moves = []
    while start != end:
        move = next(m for m, c in enumerate(neighbours[start]) if steps_left.get(c, FAR) < steps_left.get(start, FAR))
        moves.append(move)
        start = neighbours[start][move]
    return moves
