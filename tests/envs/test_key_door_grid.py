import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball

from jax_s4rl.envs import key_door_grid, key_door_layout
from jax_s4rl.envs.key_door_settings import Settings


def things(grid):
    return sorted(thing.type for thing in grid.grid if thing is not None and thing.type not in ("wall", "floor"))


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
    grid = key_door_grid.build(settings, layout)
    assert (grid.width, grid.height) == (settings.n_rooms * 6 + 1, 7)
    assert things(grid) == expected
    for cell in layout.apples:
        assert isinstance(grid.get(*key_door_grid.grid_position(5, 1, cell)), key_door_grid.Apple)


def test_a_door_opens():
    settings = Settings()
    grid = key_door_grid.build(settings, key_door_layout.fixed(settings))
    key_door_grid.open_door(grid, 5, 0)
    assert [grid.get(*key_door_grid.door_position(5, room)).is_open for room in (0, 1)] == [True, False]


def test_an_apple_is_not_drawn_as_a_ball():
    # MiniGrid keeps drawn tiles by their code, in one store for all environments of a process.
    apple, ball = (Grid.render_tile(thing, tile_size=32) for thing in (key_door_grid.Apple(), Ball("green")))
    assert (apple != ball).any()


def test_the_picture_shows_the_rooms_and_the_bag():
    settings = Settings()
    grid = key_door_grid.build(settings, key_door_layout.fixed(settings))
    empty = key_door_grid.draw(grid, (1, 3), 0, 16, [], 0)
    full = key_door_grid.draw(grid, (1, 3), 0, 16, [0, 1], 10)
    assert empty.shape == full.shape == (8 * 16, 19 * 16, 3)
    assert empty.dtype == np.uint8
    assert not empty[7 * 16 :].any()
    np.testing.assert_array_equal(empty[: 7 * 16], full[: 7 * 16])
    tiles = full[7 * 16 :].reshape(16, 19, 16, 3).any(axis=(0, 2, 3))
    assert np.flatnonzero(tiles).tolist() == [0, 1, *range(3, 13)]
