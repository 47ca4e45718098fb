"""The key-and-door environments as a MiniGrid grid: objects, their positions, and the picture.

All rooms are side by side in one grid, so that one picture shows them all. Room r has the columns
`r * (size + 1) + 1` to `r * (size + 1) + size`, between walls.
"""

import numpy as np
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Door, Floor, Goal, Key, WorldObj
from minigrid.utils.rendering import (
    fill_coords,
    point_in_circle,
    point_in_rect,
    point_in_triangle,
    rotate_fn,
)

from jax_s4rl.envs.key_door import layout as key_door_layout
from jax_s4rl.envs.key_door.config import Settings
from jax_s4rl.envs.key_door.layout import Layout

KEY_COLORS = ("yellow", "blue")
EMPTY_CODE = (OBJECT_TO_IDX["empty"], 0, 0)
APPLE = -1  # items are numbers: this one for an apple, and k for key k
GREEN, BROWN, LEAF = (134, 201, 74), (121, 85, 61), (58, 140, 60)


class RoomKey(Key):
    """A key on whose cell the agent can stand."""

    def can_overlap(self) -> bool:
        """Returns True: the agent picks up items from its own cell."""
        return True


class Apple(Ball):
    """An apple on whose cell the agent can stand; its type in MiniGrid is that of a green ball."""

    def __init__(self):
        super().__init__("green")

    def can_overlap(self) -> bool:
        """Returns True: the agent picks up items from its own cell."""
        return True

    def encode(self) -> tuple[int, int, int]:
        """Returns the code of a green ball with state 1 in place of 0."""
        # MiniGrid caches drawn tiles by this code; with state 0 it would draw the tile of a ball.
        return (*super().encode()[:2], 1)

    def render(self, img: np.ndarray) -> None:
        """Draws body, stem and leaf of the apple into a tile."""
        fill_coords(img, point_in_circle(0.42, 0.57, 0.24), GREEN)
        fill_coords(img, point_in_circle(0.58, 0.57, 0.24), GREEN)
        fill_coords(img, point_in_rect(0.47, 0.53, 0.18, 0.40), BROWN)
        leaf = rotate_fn(
            point_in_triangle((0.53, 0.22), (0.78, 0.14), (0.66, 0.34)), cx=0.5, cy=0.3, theta=0.0
        )
        fill_coords(img, leaf, LEAF)


def make_item(item: int) -> WorldObj:
    """Makes the object of an item: an apple for `APPLE`, else the key of that number."""
    return Apple() if item == APPLE else RoomKey(KEY_COLORS[item])


def grid_position(size: int, room: int, cell: int) -> tuple[int, int]:
    """Returns column and row, in the grid, of a cell of a room."""
    return room * (size + 1) + 1 + cell % size, 1 + cell // size


def door_position(size: int, room: int) -> tuple[int, int]:
    """Returns column and row of the door, in the wall east of a room's door cell."""
    x, y = grid_position(size, room, key_door_layout.door_cell(size))
    return x + 1, y


def door_rooms(settings: Settings) -> tuple[int, ...]:
    """Returns the numbers of the rooms whose exit is a door."""
    return tuple(range(settings.n_keys)) if settings.gate == "door" else (2,)


def open_door_code(settings: Settings, room: int) -> tuple[int, int, int]:
    """Returns MiniGrid's code of a room's open door."""
    return Door(KEY_COLORS[door_rooms(settings).index(room)], is_open=True).encode()


def start(layout: Layout, n_rooms: int) -> list[dict[int, int]]:
    """Returns the items of each room at the start, by cell: `APPLE` or the number of a key."""
    items: list[dict[int, int]] = [{} for _ in range(n_rooms)]
    for room, cell in enumerate(layout.keys):
        items[room][cell] = room
    items[1].update(dict.fromkeys(layout.apples, APPLE))
    return items


def build(settings: Settings, items: list[dict[int, int]], open_rooms: set[int]) -> Grid:
    """Builds the grid of the current state.

    Args:
        settings: Settings of the environment.
        items: Items of each room by cell, as `start` returns them.
        open_rooms: Numbers of the rooms whose door is open.

    Returns:
        MiniGrid's grid, without the agent.
    """
    size = settings.size
    grid = Grid(settings.n_rooms * (size + 1) + 1, size + 2)
    for room in range(settings.n_rooms):
        grid.wall_rect(room * (size + 1), 0, size + 2, size + 2)
    for number, room in enumerate(door_rooms(settings)):
        color, is_open = KEY_COLORS[number], room in open_rooms
        grid.set(*door_position(size, room), Door(color, is_open=is_open, is_locked=not is_open))
        grid.set(*grid_position(size, room, key_door_layout.door_cell(size)), Floor(color))
    if settings.gate == "door" and settings.n_rooms == 3:
        grid.set(*grid_position(size, 2, key_door_layout.spawn_cell(size)), Goal())
    for room, item_of in enumerate(items):
        for cell, item in item_of.items():
            grid.set(*grid_position(size, room, cell), make_item(item))
    return grid


def draw(
    grid: Grid,
    agent_pos: tuple[int, int],
    agent_dir: int,
    tile_size: int,
    keys: list[int],
    apples: int,
) -> np.ndarray:
    """Draws the grid, and the agent's inventory below it: keys on the left, then eaten apples.

    Args:
        grid: Grid of the current state.
        agent_pos: Column and row of the agent.
        agent_dir: Direction in MiniGrid's order: 0 right, 1 down, 2 left, 3 up.
        tile_size: Side of a tile in pixels.
        keys: Numbers of the carried keys.
        apples: Number of apples eaten.

    Returns:
        The picture, uint8 [(height + 1) * tile_size, width * tile_size, 3].
    """
    picture = grid.render(tile_size, agent_pos, agent_dir)
    inventory = np.zeros((tile_size, picture.shape[1], 3), np.uint8)
    objects = [(number, make_item(number)) for number in keys]
    objects += [(3 + number, make_item(APPLE)) for number in range(apples)]
    for column, item in objects:
        if column < grid.width:
            tile = Grid.render_tile(item, tile_size=tile_size)
            inventory[:, column * tile_size : (column + 1) * tile_size] = tile
    return np.concatenate([picture, inventory])
