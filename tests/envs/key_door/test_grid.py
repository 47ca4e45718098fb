import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball

from jax_s4rl.envs.key_door import _grid
from jax_s4rl.envs.key_door import layout as key_door_layout
from jax_s4rl.envs.key_door.config import Settings


def things(grid):
    return sorted(
        thing.type
        for thing in grid.grid
        if thing is not None and thing.type not in ("wall", "floor")
    )


def built(settings):
    return _grid.build(
        settings, _grid.start(key_door_layout.fixed(settings), settings.n_rooms), set()
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ["ball"] * 10 + ["door"] * 2 + ["goal"] + ["key"] * 2),
        (Settings(n_rooms=2), ["ball"] * 10 + ["door", "key"]),
        (Settings(gate="timer", n_apples=3), ["ball"] * 3 + ["door", "key"]),
    ],
)
def test_everything_stands_in_the_grid(settings, expected):
    layout = key_door_layout.fixed(settings)
    grid = built(settings)
    assert (grid.width, grid.height) == (settings.n_rooms * 6 + 1, 7)
    assert things(grid) == expected
    for cell in layout.apples:
        assert isinstance(grid.get(*_grid.grid_position(5, 1, cell)), _grid.Apple)


def test_doors_are_locked_until_they_are_open():
    settings = Settings()
    for open_rooms in (set(), {0}, {0, 1}):
        grid = _grid.build(settings, _grid.start(key_door_layout.fixed(settings), 3), open_rooms)
        doors = [grid.get(*_grid.door_position(5, room)) for room in (0, 1)]
        assert (
            [door.is_open for door in doors]
            == [not door.is_locked for door in doors]
            == [r in open_rooms for r in (0, 1)]
        )


def test_what_was_taken_is_gone():
    items = _grid.start(key_door_layout.fixed(Settings()), 3)
    items[0].clear()
    items[1].popitem()
    grid = _grid.build(Settings(), items, set())
    assert things(grid) == ["ball"] * 9 + ["door"] * 2 + ["goal", "key"]


def test_an_apple_is_not_drawn_as_a_ball():
    # MiniGrid keeps drawn tiles by their code, in one store for all environments of a process.
    apple, ball = (
        Grid.render_tile(thing, tile_size=32) for thing in (_grid.Apple(), Ball("green"))
    )
    assert (apple != ball).any()


def test_the_picture_shows_the_rooms_and_the_bag():
    grid = built(Settings())
    empty = _grid.draw(grid, (1, 3), 0, 16, [], 0)
    full = _grid.draw(grid, (1, 3), 0, 16, [0, 1], 10)
    assert empty.shape == full.shape == (8 * 16, 19 * 16, 3)
    assert empty.dtype == np.uint8
    assert not empty[7 * 16 :].any()
    np.testing.assert_array_equal(empty[: 7 * 16], full[: 7 * 16])
    tiles = full[7 * 16 :].reshape(16, 19, 16, 3).any(axis=(0, 2, 3))
    assert np.flatnonzero(tiles).tolist() == [0, 1, *range(3, 13)]
