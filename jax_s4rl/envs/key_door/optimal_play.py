"""Optimal play in the key-and-door environments: shortest tours by dynamic programming.

The programs run over sets of visited cells.
"""

import functools
from typing import NamedTuple

import numpy as np

from jax_s4rl.envs.key_door import layout as key_door_layout
from jax_s4rl.envs.key_door.config import Settings
from jax_s4rl.envs.key_door.layout import Layout

FAR = 10**6
LEFT, RIGHT, UP, DOWN, PICK_UP, NEXT_ROOM = range(6)


class Tour(NamedTuple):
    """A path through a room that visits given cells (stops)."""

    length: int
    """Number of moves."""
    stops: tuple[int, ...]
    """Stops in the order of the visits."""


def shortest(size: int, start: int, stops: tuple[int, ...], end: int | None = None) -> Tour:
    """Finds the shortest tour from a cell over all stops to an end.

    Args:
        size: Number of cells along a side of the room.
        start: First cell.
        stops: Cells to visit.
        end: Last cell; None ends at the last stop.

    Returns:
        The tour.

    Source:
        Held and Karp 1962, A dynamic programming approach to sequencing problems.

    Example:
        >>> # Up to the corner, then to the far side and back.
        >>> shortest(5, start=10, stops=(14, 0), end=12)
        Tour(length=10, stops=(0, 14))
    """
    if not stops:
        return Tour(0 if end is None else key_door_layout.distance(size, start, end), ())
    lengths = _lengths(size, start, stops)
    finish = [0 if end is None else key_door_layout.distance(size, stop, end) for stop in stops]
    return _trace(size, stops, lengths, len(lengths) - 1, np.array(finish))


def most_within(
    size: int, start: int, stops: tuple[int, ...], num_steps: int, steps_per_stop: int = 0
) -> Tour:
    """Finds the tour over as many stops as fit into a number of steps, and the shortest of those.

    Args:
        size: Number of cells along a side of the room.
        start: First cell.
        stops: Cells to choose from.
        num_steps: Number of steps that are available.
        steps_per_stop: Number of steps for each stop in addition to the moves.

    Returns:
        The tour; its length counts moves alone.
    """
    if not stops:
        return Tour(0, ())
    lengths = _lengths(size, start, stops)
    counts = np.array([mask.bit_count() for mask in range(len(lengths))])
    best = np.where(counts == 0, 0, lengths.min(axis=1) + steps_per_stop * counts)
    # lexsort takes its last key first: most stops among the sets that fit, then fewest steps.
    mask = int(np.lexsort((best, -np.where(best <= num_steps, counts, -1)))[0])
    return _trace(size, stops, lengths, mask, np.zeros(len(stops), int)) if mask else Tour(0, ())


@functools.lru_cache(maxsize=64)
def _lengths(size: int, start: int, stops: tuple[int, ...]) -> np.ndarray:
    """Computes the shortest lengths from `start` over each set of stops, by last stop.

    Returns:
        Lengths, Int[2**n, n]. Row: set of stops, one bit for each. Column: last stop, FAR if it is
        not in the set.
    """
    n = len(stops)
    between = _between(size, stops)
    lengths = np.full((2**n, n), FAR)
    lengths[1 << np.arange(n), np.arange(n)] = [
        key_door_layout.distance(size, start, stop) for stop in stops
    ]
    masks = np.arange(2**n)
    counts = np.array([mask.bit_count() for mask in range(2**n)])
    # Sets in the order of their sizes: each needs those with one stop less.
    for count in range(2, n + 1):
        for j in range(n):
            with_j = masks[(counts == count) & (masks >> j & 1 == 1)]
            lengths[with_j, j] = (lengths[with_j ^ (1 << j)] + between[:, j]).min(axis=1)
    return lengths


def _between(size: int, stops: tuple[int, ...]) -> np.ndarray:
    """Returns the number of moves between every two stops, Int[n, n]."""
    return np.array(
        [[key_door_layout.distance(size, first, second) for second in stops] for first in stops]
    )


def _trace(
    size: int, stops: tuple[int, ...], lengths: np.ndarray, mask: int, finish: np.ndarray
) -> Tour:
    """Follows the shortest lengths back from the last stop of the set `mask`.

    `finish` is the number of moves from each stop to the end.
    """
    between = _between(size, stops)
    last = int((lengths[mask] + finish).argmin())
    length = int((lengths[mask] + finish)[last])
    order = [last]
    while mask := mask ^ (1 << order[-1]):
        order.append(int((lengths[mask] + between[:, order[-1]]).argmin()))
    return Tour(length, tuple(stops[index] for index in reversed(order)))


def plan(settings: Settings, layout: Layout) -> list[int]:
    """Plans an optimal episode, which collects the largest possible reward in the fewest steps.

    With `pickup="auto"` and doors, a tour that would enter the door cell too early takes a detour
    around it; it may then be a few steps longer than the shortest. With the timer the plan fills
    the whole episode.

    Args:
        settings: Settings of the environment.
        layout: Cells of all items.

    Returns:
        Actions from the first step on.

    Raises:
        ValueError: If, with doors, the tour does not fit into `max_steps`.
    """
    return (
        _plan_timer(settings, layout) if settings.gate == "timer" else _plan_door(settings, layout)
    )


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
        raise ValueError(
            f"got max_steps={settings.max_steps}, but this layout's shortest tour has "
            f"{len(steps)} steps; wanted at least as many"
        )
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
    return (
        _fill(first, first_steps, LEFT)
        + _fill(middle, middle_steps, LEFT)
        + _fill(last, last_steps, RIGHT)
    )


def _fill(steps: list[int], length: int, idle: int) -> list[int]:
    """Cuts the steps to a length, or appends idle actions up to it."""
    return (steps + [idle] * length)[:length]


def _pass(settings: Settings) -> list[int]:
    return [NEXT_ROOM] if settings.pickup == "action" else []


def _visit(settings: Settings, start: int, stops: tuple[int, ...], end: int | None) -> list[int]:
    """Returns the moves over the stops to the end, with pick-ups if those are actions."""
    door = key_door_layout.door_cell(settings.size)
    blocked = door if settings.pickup == "auto" and settings.gate == "door" else None
    steps: list[int] = []
    for stop in stops:
        steps += path(settings.size, start, stop, blocked) + (
            [PICK_UP] if settings.pickup == "action" else []
        )
        start = stop
    return steps if end is None else steps + path(settings.size, start, end)


def path(size: int, start: int, end: int, blocked: int | None = None) -> list[int]:
    """Returns the moves of a shortest path between two cells of a room, sideways first.

    Args:
        size: Number of cells along a side of the room.
        start: First cell.
        end: Last cell.
        blocked: Cell that the path avoids; None for none.

    Returns:
        Moves: 0 left, 1 right, 2 up, 3 down.

    Example:
        >>> path(5, 0, 7)
        [1, 1, 3]
        >>> len(path(5, 9, 19, blocked=14))
        4
    """
    neighbours = key_door_layout.neighbours(size)
    steps_left = {end: 0}
    waiting = [end]
    # Breadth-first search from the end: the list grows while the loop reads it.
    for cell in waiting:
        fresh = {c for c in neighbours[cell] if c not in steps_left and c != blocked}
        steps_left.update(dict.fromkeys(fresh, steps_left[cell] + 1))
        waiting += fresh
    moves = []
    while start != end:
        move = next(
            m
            for m, c in enumerate(neighbours[start])
            if steps_left.get(c, FAR) < steps_left.get(start, FAR)
        )
        moves.append(move)
        start = neighbours[start][move]
    return moves
