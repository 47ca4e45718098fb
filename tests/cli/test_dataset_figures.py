import base64
import dataclasses
import io
import os

import gymnasium
import numpy as np
import pytest
from PIL import Image

from jax_s4rl.cli import _dataset_figures
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from tests.data import records

spaces = gymnasium.spaces


def read(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


@pytest.mark.parametrize("lengths", [(3, 1, 5), (1,), (7, 7, 7)])
def test_histograms_are_pictures_with_ink(lengths):
    record = records.make_record(lengths)
    for draw in (
        lambda: _dataset_figures.returns_histogram(record, {"random": 0.0, "optimal": 2.0}),
        lambda: _dataset_figures.returns_histogram(record, None),
        lambda: _dataset_figures.lengths_histogram(record),
        lambda: _dataset_figures.action_histogram(record),
    ):
        assert len(np.unique(np.asarray(read(draw()).convert("L")))) > 10


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize(
    ("shape", "space", "meaning"),
    [
        ((), spaces.Discrete(9), "each index"),
        ((3,), spaces.MultiDiscrete([3, 4, 4]), "each cell"),
        ((4,), spaces.Box(-9, 9, (4,)), "Coordinates 0 and 1"),
        ((30,), spaces.Box(-9, 9, (30,)), "principal components of 30"),
        ((1,), spaces.Box(-9, 9, (1,)), "each value"),
    ],
)
def test_coverage_fits_the_kind_of_observation(shape, space, meaning):
    record = records.make_record((20, 30), observation_shape=shape)
    if not isinstance(space, spaces.Box):
        whole = {
            name: np.abs(getattr(record, name)).astype(int)
            for name in ("observations", "final_observations")
        }
        record = type(record)(**{**vars(record), **whole})
    picture, sentence = _dataset_figures.coverage_map(record, space)
    assert meaning in sentence
    assert read(picture).format == "PNG"


def test_bins_of_few_whole_numbers_are_centered_on_them():
    assert _dataset_figures._bins(np.array([2, 7])).tolist() == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]
    assert _dataset_figures._bins(np.array([2, 4, 4])).tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert _dataset_figures._bins(np.array([60, 60])).tolist() == [
        57.5,
        58.5,
        59.5,
        60.5,
        61.5,
        62.5,
    ]
    assert len(_dataset_figures._bins(np.array([0.0, 100.5]))) == 41
    coins = _dataset_figures._bins(np.arange(-34, 39, 2))
    assert (coins[0], coins[-1], coins[1] - coins[0]) == (-35, 39, 2)
    lengths = _dataset_figures._bins(np.arange(9, 501))
    assert (lengths[0], lengths[1] - lengths[0]) == (8.5, 9)
    assert 500 < lengths[-1] < 510
    assert np.all(np.diff(_dataset_figures._bins(np.array([0.5, 0.5]))) > 0)


def test_episodes_are_filmed_from_their_seeds_and_actions():
    make = lambda **kwargs: registry.make("jax_s4rl/KeyDoor-v0", max_steps=12, **kwargs)  # noqa: E731
    record = recording.record_episodes(make, behaviors.uniform(spaces.Discrete(6)), 3, seed=0)
    chosen = _dataset_figures.choose_episodes(record)
    assert list(chosen) == ["highest return", "middle", "lowest"]
    film = read(_dataset_figures.film(make, record.episode(0)))
    assert film.format == "GIF"
    # Frames that are alike may be merged by the GIF writer.
    assert 1 < film.n_frames <= 13


def test_a_film_keeps_the_colors_of_small_things():
    make = lambda **kwargs: registry.make("jax_s4rl/KeyDoor-v0", max_steps=2, **kwargs)  # noqa: E731
    record = recording.record_episodes(make, behaviors.uniform(spaces.Discrete(6)), 1, seed=0)
    frame = np.asarray(read(_dataset_figures.film(make, record.episode(0))).convert("RGB"), int)
    assert np.abs(frame - [255, 0, 0]).sum(axis=-1).min() < 30, "the agent is red"


def test_no_screen_is_needed_unless_one_is_asked_for(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    for name in ("SDL_VIDEODRIVER", "DISPLAY"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    _dataset_figures.need_no_screen()
    assert os.environ["SDL_VIDEODRIVER"] == "dummy"
    assert os.environ["MUJOCO_GL"] == "osmesa"


def test_what_cannot_be_filmed_is_not(monkeypatch):
    make = lambda **kwargs: registry.make("umbrella_length/2", **kwargs)  # noqa: E731
    record = recording.record_episodes(make, behaviors.uniform(spaces.Discrete(2)), 3, seed=0)
    assert _dataset_figures.film(make, record.episode(0)) is None
    unknown = type(record)(**{**vars(record), "episode_seeds": np.full(3, -1)})
    assert _dataset_figures.choose_episodes(unknown) == {}


@pytest.mark.parametrize("cell", [-1, 9])
def test_cells_that_the_environment_does_not_have_are_refused(cell):
    record = records.make_record((2,), observation_shape=(3,))
    cells = np.full((2, 3), cell), np.zeros((1, 3), int)
    record = dataclasses.replace(record, observations=cells[0], final_observations=cells[1])
    with pytest.raises(ValueError, match=r"environment's are below \[2 3 3\]"):
        _dataset_figures.coverage_map(record, gymnasium.spaces.MultiDiscrete([2, 3, 3]))
