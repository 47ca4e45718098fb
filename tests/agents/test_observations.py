"""Kind and statistics of observations come from the space and from the data."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.agents import _observations
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
def test_the_kind_of_observations_comes_from_space_and_data(space, observations, kind):
    config = configs.DecisionTransformerConfig(
        observation_shape=space.shape,
        num_actions=2,
        horizon=5,
        **_observations.describe(space, observations),
    )
    assert config.observation_kind == kind
    assert len(config.observation_mean) == (3 if kind == "vector" else 0)


def test_features_that_never_change_are_not_rescaled():
    space = gymnasium.spaces.Box(-9, 9, (2,))
    observations = np.array([[1.0, 3.0], [1.0, 5.0]], np.float32)
    fields = _observations.describe(space, observations)
    assert fields["observation_mean"] == (1.0, 4.0)
    assert fields["observation_std"] == (1.0, 1.0)
    fields = _observations.describe(space, 2 * observations)
    assert fields["observation_std"] == (1.0, 2.0)
