"""Where things lie in the key-and-door worlds. A cell of a room is the number `y * size + x`."""

import functools
from typing import NamedTuple

import numpy as np

from jax_s4rl.envs import key_door_settings

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # left, right, up, down
SALT = 0


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


def free_cells(size: int) -> np.ndarray:
    """All cells of a room but entrance and door. Int[size * size - 2]."""
    return np.delete(np.arange(size * size), [spawn_cell(size), door_cell(size)])


def sample(generator: np.random.Generator, settings: key_door_settings.Settings) -> Layout:
    """Draws a layout: all things on cells of their own, every such layout equally likely."""
    cells = free_cells(settings.size)
    first_key = int(generator.choice(cells))
    second_room = [int(cell) for cell in generator.permutation(cells)]
    keys = (first_key, second_room[settings.n_apples]) if settings.n_keys == 2 else (first_key,)
    return Layout(keys=keys, apples=tuple(second_room[: settings.n_apples]))


def fixed(settings: key_door_settings.Settings) -> Layout:
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
