import json

import gymnasium
import numpy as np
import pytest

from jax_s4rl.data import spaces
from tests.data import records

Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete


@pytest.mark.parametrize(
    ("space", "wanted"),
    [
        (Discrete(3), {"kind": "Discrete", "n": 3}),
        (gymnasium.spaces.MultiDiscrete([3, 5, 5]), {"kind": "MultiDiscrete", "nvec": [3, 5, 5]}),
        (gymnasium.spaces.MultiBinary(4), {"kind": "MultiBinary", "shape": [4]}),
        (
            Box(np.array([-1, -np.inf], np.float32), np.array([1, 2], np.float32)),
            {
                "kind": "Box",
                "shape": [2],
                "dtype": "float32",
                "low": [-1.0, "-inf"],
                "high": [1.0, 2.0],
            },
        ),
        (
            Box(0, 255, (2, 2), np.uint8),
            {"kind": "Box", "shape": [2, 2], "dtype": "uint8", "low": 0, "high": 255},
        ),
    ],
)
def test_spaces_become_plain_json(space, wanted):
    assert spaces.describe(space) == wanted
    assert json.loads(json.dumps(spaces.describe(space), allow_nan=False)) == wanted


def test_spaces_without_a_plain_form_are_refused():
    with pytest.raises(ValueError, match="flatten it"):
        spaces.describe(gymnasium.spaces.Dict({"a": Discrete(2)}))
    with pytest.raises(ValueError, match="Discrete from 0"):
        spaces.describe(Discrete(2, start=1))


def test_a_record_fits_its_own_spaces():
    spaces.check_fit(records.make_record(num_actions=4), Box(-9, 9, (2,)), Discrete(4))
    spaces.check_fit(records.make_record(action_size=3), Box(-9, 9, (2,)), Box(-1, 1, (3,)))


@pytest.mark.parametrize(
    ("action_size", "observation_space", "action_space", "sentence"),
    [
        (
            None,
            Box(-9, 9, (3,)),
            Discrete(4),
            r"observations of shape \(2,\), the environment's have shape \(3,\)",
        ),
        (
            None,
            Box(-9, 9, (2,)),
            Box(-1, 1, (1,)),
            "the data have discrete actions, the environment's are continuous",
        ),
        (None, Box(-9, 9, (2,)), Discrete(2), "hold action 3, the environment's go from 0 to 1"),
        (3, Box(-9, 9, (2,)), Box(-1, 1, (1,)), r"actions of shape \(3,\)"),
    ],
)
def test_spaces_that_do_not_fit_are_named(action_size, observation_space, action_space, sentence):
    with pytest.raises(ValueError, match=sentence):
        spaces.check_fit(
            records.make_record(action_size=action_size), observation_space, action_space
        )
