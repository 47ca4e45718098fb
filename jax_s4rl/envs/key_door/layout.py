"""Where things lie in the key-and-door worlds. A cell of a room is the number `y * size + x`."""

import functools
from typing import NamedTuple

import numpy as np

from jax_s4rl.envs.key_door import config

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # left, right, up, down
# With this salt the layout of seed 0 is a typical one: random play returns 0.56 with doors (0.56 over all layouts), and
# takes the key in 33 % of episodes and succeeds in 3.2 % with the timer (28 % and 2.7 %).
SALT = 209


class Layout(NamedTuple):
    """What lies where."""

    keys: tuple[int, ...]
    """The cell of key k, which lies in room k."""
    apples: tuple[int, ...]
    """The cells of the apples, in room 1."""


def spawn_cell(size: int) -> int:
    """Where a room is entered: the middle of its west side."""
    return (size // 2) * size


def door_cell(size: int) -> int:
    """Where a room is left: the middle of its east side."""
    return (size // 2) * size + size - 1


@functools.lru_cache(maxsize=32)
def free_cells(settings: config.Settings) -> np.ndarray:
    """Cells on which things may lie: all but the entrance, and but the way to the door where the room has one.

    With the timer the first two rooms have no door. (The chances that are published for these worlds follow only so.)

    Example:
        >>> len(free_cells(config.Settings())), len(free_cells(config.Settings(gate="timer")))
        (23, 24)
    """
    taken = [spawn_cell(settings.size)] + ([door_cell(settings.size)] if settings.gate == "door" else [])
    cells = np.delete(np.arange(settings.size**2), taken)
    cells.setflags(write=False)
    return cells


def sample(generator: np.random.Generator, settings: config.Settings) -> Layout:
    """Draws a layout: all things on cells of their own, every such layout equally likely."""
    cells = free_cells(settings)
    first_key = int(cells[generator.integers(len(cells))])
    second_room = generator.permutation(cells).tolist()
    keys = (first_key, second_room[settings.n_apples]) if settings.n_keys == 2 else (first_key,)
    return Layout(keys=keys, apples=tuple(second_room[: settings.n_apples]))


def check(settings: config.Settings, layout: Layout) -> Layout:
    """Returns a layout that can be.

    Raises:
        ValueError: the numbers of things are not those of the settings, or two lie on one cell, or one on no free cell.
    """
    layout = Layout(*map(tuple, layout))
    second_room = [*layout.apples, *layout.keys[1:]]
    are_free = set(layout.keys) | set(layout.apples) <= set(free_cells(settings).tolist())
    are_apart = len(set(second_room)) == len(second_room)
    are_all = len(layout.keys) == settings.n_keys and len(layout.apples) == settings.n_apples
    if not (are_free and are_apart and are_all):
        raise ValueError(
            f"got {layout}, wanted {settings.n_keys} keys and {settings.n_apples} apples on cells of their own, "
            f"each one of {free_cells(settings).tolist()}"
        )
    return layout


def fixed(settings: config.Settings) -> Layout:
    """The layout of `layout_seed`."""
    return sample(np.random.default_rng([SALT, settings.layout_seed]), settings)


@functools.lru_cache(maxsize=32)
def neighbours(size: int) -> tuple[tuple[int, ...], ...]:
    """The cell to which each move leads from each cell; a wall leaves it where it is.

    Returns:
        `neighbours(size)[cell][move]` for the moves left, right, up and down.

    Example:
        >>> neighbours(3)[0]
        (0, 1, 0, 3)
    """
    rows = []
    for cell in range(size * size):
        x, y = cell % size, cell // size
        targets = [(x + dx, y + dy) for dx, dy in MOVES]
        rows.append(tuple(j * size + i if 0 <= i < size and 0 <= j < size else cell for i, j in targets))
    return tuple(rows)


def distance(size: int, first: int, second: int) -> int:
    """Moves between two cells of one room."""
    return abs(first % size - second % size) + abs(first // size - second // size)
