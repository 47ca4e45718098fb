"""Positions of items in the key-and-door environments; cell (x, y) has number `y * size + x`."""

import functools
from typing import NamedTuple

import numpy as np

from jax_s4rl.envs.key_door import config

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # left, right, up, down
# With this salt the layout of seed 0 is a typical one. With doors, random play returns 0.56 (0.56
# over all layouts); with the timer, it takes the key in 33 % of episodes and succeeds in 3.2 %
# (28 % and 2.7 % over all layouts).
SALT = 209


class Layout(NamedTuple):
    """Cells of all items."""

    keys: tuple[int, ...]
    """Cell of each key; key k lies in room k."""
    apples: tuple[int, ...]
    """Cells of the apples, in room 1."""


def spawn_cell(size: int) -> int:
    """Returns the cell at which the agent enters a room: the middle of its west side."""
    return (size // 2) * size


def door_cell(size: int) -> int:
    """Returns the cell from which the agent leaves a room: the middle of its east side."""
    return (size // 2) * size + size - 1


@functools.lru_cache(maxsize=32)
def free_cells(settings: config.Settings) -> np.ndarray:
    """Returns the cells on which items may lie.

    These are all cells but the entrance and, with `gate="door"`, the cell in front of the door.
    With the timer the first two rooms have no door. (Only with this choice do the chances of random
    play agree with the published ones.)

    Args:
        settings: Settings of the environment.

    Returns:
        Numbers of the cells, read-only Int[cells].

    Example:
        >>> len(free_cells(config.Settings())), len(free_cells(config.Settings(gate="timer")))
        (23, 24)
    """
    taken = [spawn_cell(settings.size)] + (
        [door_cell(settings.size)] if settings.gate == "door" else []
    )
    cells = np.delete(np.arange(settings.size**2), taken)
    # The cache gives the same array to all callers.
    cells.setflags(write=False)
    return cells


def sample(generator: np.random.Generator, settings: config.Settings) -> Layout:
    """Draws a layout uniformly from those with every item on its own cell."""
    cells = free_cells(settings)
    first_key = int(cells[generator.integers(len(cells))])
    second_room = generator.permutation(cells).tolist()
    keys = (first_key, second_room[settings.n_apples]) if settings.n_keys == 2 else (first_key,)
    return Layout(keys=keys, apples=tuple(second_room[: settings.n_apples]))


def check(settings: config.Settings, layout: Layout) -> Layout:
    """Checks a layout.

    Args:
        settings: Settings of the environment.
        layout: Cells of all items.

    Returns:
        The same layout, with tuples as fields.

    Raises:
        ValueError: If the numbers of items differ from the settings, two items of a room share a
            cell, or a cell is not free.
    """
    layout = Layout(*map(tuple, layout))
    second_room = [*layout.apples, *layout.keys[1:]]
    are_free = set(layout.keys) | set(layout.apples) <= set(free_cells(settings).tolist())
    are_apart = len(set(second_room)) == len(second_room)
    are_all = len(layout.keys) == settings.n_keys and len(layout.apples) == settings.n_apples
    if not (are_free and are_apart and are_all):
        raise ValueError(
            f"got {layout}, wanted {settings.n_keys} keys and {settings.n_apples} apples on cells "
            f"of their own, each one of {free_cells(settings).tolist()}"
        )
    return layout


def fixed(settings: config.Settings) -> Layout:
    """Returns the fixed layout, which `layout_seed` determines."""
    return sample(np.random.default_rng([SALT, settings.layout_seed]), settings)


@functools.lru_cache(maxsize=32)
def neighbours(size: int) -> tuple[tuple[int, ...], ...]:
    """Returns the cell to which each move leads from each cell; moves into a wall stay.

    Args:
        size: Number of cells along a side of the room.

    Returns:
        Table `neighbours(size)[cell][move]`, for the moves left, right, up and down.

    Example:
        >>> neighbours(3)[0]
        (0, 1, 0, 3)
    """
    rows = []
    for cell in range(size * size):
        x, y = cell % size, cell // size
        targets = [(x + dx, y + dy) for dx, dy in MOVES]
        rows.append(
            tuple(j * size + i if 0 <= i < size and 0 <= j < size else cell for i, j in targets)
        )
    return tuple(rows)


def distance(size: int, first: int, second: int) -> int:
    """Counts the moves between two cells of one room."""
    return abs(first % size - second % size) + abs(first // size - second // size)
