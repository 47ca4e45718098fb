import numpy as np
import pytest

from jax_s4rl.envs.key_door import layout as key_door_layout
from jax_s4rl.envs.key_door.config import Settings


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(size=4),
        Settings(gate="timer"),
        Settings(n_rooms=2),
        Settings(size=4, n_apples=13),
    ],
)
def test_drawn_layouts_can_be(settings):
    generator = np.random.default_rng(0)
    for _ in range(50):
        layout = key_door_layout.sample(generator, settings)
        assert key_door_layout.check(settings, layout) == layout


def test_every_cell_is_as_likely_as_any_other():
    settings, generator = Settings(layout="random"), np.random.default_rng(0)
    layouts = [key_door_layout.sample(generator, settings) for _ in range(5000)]
    for cells in ([layout.keys[0] for layout in layouts], [layout.keys[1] for layout in layouts]):
        counts = np.bincount(cells, minlength=25)
        assert set(np.flatnonzero(counts)) == set(key_door_layout.free_cells(settings))
        error = np.sqrt(5000 / 23)
        assert np.abs(counts[counts > 0] - 5000 / 23).max() < 4 * error, (
            "23 cells are compared: four standard errors"
        )


def test_the_fixed_layout_depends_on_its_seed_alone():
    assert key_door_layout.fixed(Settings()) == key_door_layout.fixed(Settings(max_steps=7))
    assert key_door_layout.fixed(Settings()) != key_door_layout.fixed(Settings(layout_seed=1))


def test_neighbours_are_symmetric_inside_and_stop_at_walls():
    neighbours = key_door_layout.neighbours(4)
    for cell, (left, right, up, down) in enumerate(neighbours):
        assert left == (cell if cell % 4 == 0 else cell - 1)
        assert right == (cell if cell % 4 == 3 else cell + 1)
        assert up == (cell if cell < 4 else cell - 4)
        assert down == (cell if cell >= 12 else cell + 4)


def test_entrance_and_door_face_each_other():
    assert key_door_layout.spawn_cell(5) == 10
    assert key_door_layout.door_cell(5) == 14
    assert key_door_layout.distance(5, 10, 14) == 4


@pytest.mark.parametrize(
    "layout",
    [
        ((0,), ()),
        ((0, 0), (0,)),
        ((10, 1), (2,)),
        ((0, 14), (2,)),
        ((0, 99), (2,)),
        ((0, 1), (2, 3)),
    ],
)
def test_impossible_layouts_are_refused(layout):
    with pytest.raises(ValueError, match="wanted 2 keys and 1 apples on cells of their own"):
        key_door_layout.check(Settings(n_apples=1), key_door_layout.Layout(*layout))
