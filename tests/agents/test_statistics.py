"""Kind and statistics of observations and actions come from the space and from the data."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.agents import _statistics
from jax_s4rl.models import configs


@pytest.mark.parametrize(
    ("space", "observations", "kind"),
    [
        (gymnasium.spaces.Discrete(5), np.array([0, 3]), "index"),
        (
            gymnasium.spaces.Box(0, 255, (4, 4, 3), np.uint8),
            np.zeros((2, 4, 4, 3), np.uint8),
            "image",
        ),
        (gymnasium.spaces.Box(0, 1, (3,)), np.eye(3, dtype=np.float32), "one_hot"),
        (gymnasium.spaces.MultiBinary(3), np.eye(3, dtype=np.int8), "one_hot"),
        (gymnasium.spaces.Box(0, 1, (3,)), np.eye(3, dtype=np.float32) / 2, "vector"),
        (gymnasium.spaces.Box(-1, 1, (3,)), np.eye(3, dtype=np.float32), "vector"),
    ],
)
def test_the_kind_of_statistics_comes_from_space_and_data(space, observations, kind):
    config = configs.DecisionTransformerConfig(
        observation_shape=space.shape,
        num_actions=2,
        horizon=5,
        **_statistics.describe(space, observations),
    )
    assert config.observation_kind == kind
    assert len(config.observation_mean) == (3 if kind == "vector" else 0)


def test_features_that_never_change_are_not_rescaled():
    space = gymnasium.spaces.Box(-9, 9, (2,))
    observations = np.array([[1.0, 3.0], [1.0, 5.0]], np.float32)
    fields = _statistics.describe(space, observations)
    assert fields["observation_mean"] == (1.0, 4.0)
    assert fields["observation_std"] == (1.0, 1.0)
    fields = _statistics.describe(space, 2 * observations)
    assert fields["observation_std"] == (1.0, 2.0)


@pytest.mark.parametrize("unit", [1e-30, 1e-8, 1.0, 1e6, 1e30])
@pytest.mark.parametrize("offset", [0.0, 3.0, -100.0])
def test_features_are_standardized_in_every_unit(unit, offset):
    values = ((np.random.default_rng(0).normal(size=(100, 1)) + offset) * unit).astype(np.float32)
    mean, std = _statistics.statistics(values)
    seen = (values - np.float32(mean)) / np.float32(std)
    assert np.std(seen) == pytest.approx(1, rel=1e-3)
    assert abs(np.mean(seen)) < 1e-3


@pytest.mark.parametrize("value", [0.0, 1e-20, 0.1, 12345.678, 1e20])
def test_a_constant_feature_of_any_size_is_only_centered(value):
    mean, std = _statistics.statistics(np.full((1000, 1), value, np.float32))
    assert std == (1.0,)
    assert mean[0] == pytest.approx(np.float32(value))


@pytest.mark.parametrize(
    "shape", [(3, 64, 64), (1, 84, 84), (4, 84, 84), (2, 64, 48), (3, 10, 10), (12, 32, 32)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_with_the_channels_first_are_refused_and_the_advice_works(shape, dtype):
    frames = np.zeros((2, *shape), dtype)
    space = gymnasium.spaces.Box(0, 1, shape, dtype)
    with pytest.raises(ValueError, match=r"channels first.*np\.moveaxis\(observations, 1, -1\)"):
        _statistics.describe(space, frames)
    moved = np.moveaxis(frames, 1, -1)
    space = gymnasium.spaces.Box(0, 1, moved.shape[1:], dtype)
    assert _statistics.describe(space, moved) == {"observation_kind": "image"}


def test_actions_far_from_unit_size_are_standardized():
    small = np.random.default_rng(0).uniform(-2, 2, (200, 2)).astype(np.float32)
    assert _statistics.describe_actions(small) == {}
    assert _statistics.describe_actions(np.arange(5)) == {}
    for factor, offset in ((100.0, 0.0), (1e-3, 0.0), (1.0, 50.0), (1.0, -7.0)):
        fields = _statistics.describe_actions(small * np.float32(factor) + np.float32(offset))
        np.testing.assert_allclose(
            fields["action_mean"], factor * small.mean(0) + offset, rtol=1e-3
        )
        np.testing.assert_allclose(fields["action_std"], factor * small.std(0), rtol=1e-3)
