"""Kind: images whose axes stand in another order.

Public reports: google/flax#1652, jax-ml/jax#8932, Minari#307, Gymnasium#1179.
"""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.agents import _statistics as statistics
from jax_s4rl.data import observations
from tests.cases import worlds

FIRST = [(3, 64, 64), (1, 84, 84), (4, 84, 84), (3, 210, 160), (1, 360, 640), (2, 64, 64)]


def space_of(shape):
    return gymnasium.spaces.Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize("shape", [*FIRST, (12, 96, 128), (3, 32, 32), (9, 84, 84)])
def test_channels_first_in_data_and_environment(shape):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, *shape)).astype(np.uint8)
    record = worlds.load(observations=frames, observation_space=space_of(shape))
    np.testing.assert_array_equal(record.observations, np.moveaxis(frames, 1, -1))

    class Camera(worlds.World):
        observation_space = space_of(shape)

        def look(self):
            return frames[self.clock % 6]

    _, seen = worlds.act(Camera, count=1)
    np.testing.assert_array_equal(seen[0, 1], np.moveaxis(frames[1], 0, -1))
    # A record that holds them the other way is refused before a model reads channels as height.
    if shape[0] > 1:
        with pytest.raises(ValueError, match=r"channels first, .* np.moveaxis"):
            statistics.describe(space_of(shape), frames)
    kind = statistics.describe(space_of(shape[1:] + shape[:1]), np.moveaxis(frames, 1, -1))
    assert kind == {"observation_kind": "image"}


@pytest.mark.parametrize(
    "shape", [(64, 64, 3), (84, 84, 4), (10, 10, 4), (7, 7, 3), (210, 160, 3), (8, 8, 111)]
)
def test_channels_last_stay_as_they_are(shape):
    frames = np.random.default_rng(0).integers(0, 256, (6, *shape)).astype(np.uint8)
    record = worlds.load(observations=frames, observation_space=space_of(shape))
    np.testing.assert_array_equal(record.observations, frames)


@pytest.mark.parametrize("make", [lambda frame: frame, np.asfortranarray, np.flip])
def test_views_of_frames(make):
    frame = make(np.random.default_rng(0).integers(0, 256, (3, 20, 20)).astype(np.uint8))
    found = observations.encoder(space_of((3, 20, 20))).encode(frame)
    np.testing.assert_array_equal(found, np.moveaxis(frame, 0, -1))


@pytest.mark.parametrize("frame", [(84, 84), (84, 84, 1), (84, 84, 3), (20, 24, 3)])
def test_stacks_of_frames(frame):
    class Camera(worlds.World):
        observation_space = space_of(frame)

        def look(self):
            return np.full(frame, self.clock, np.uint8)

    _, seen = worlds.act(lambda: gymnasium.wrappers.FrameStackObservation(Camera(), 4), count=1)
    channels = 4 * (frame[2] if len(frame) == 3 else 1)
    assert seen.shape[2:] == (*frame[:2], channels)
    # Every frame of the stack is there as often as it has channels.
    assert sorted(seen[0, 5, 0, 0].tolist()) == sorted([2, 3, 4, 5] * (channels // 4))


def test_gray_pictures_are_images_and_small_tables_are_vectors():
    assert observations.encoder(space_of((84, 84))).encoded_space.shape == (84, 84, 1)
    assert observations.encoder(space_of((9, 9))).encoded_space.shape == (81,)
