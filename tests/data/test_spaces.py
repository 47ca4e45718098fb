import json
import tracemalloc

import gymnasium
import numpy as np
import pytest

from jax_s4rl.data import spaces
from tests.data import records
from tests.faults import mutations

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


MultiDiscrete, MultiBinary = gymnasium.spaces.MultiDiscrete, gymnasium.spaces.MultiBinary
Dict, Tuple, Text = gymnasium.spaces.Dict, gymnasium.spaces.Tuple, gymnasium.spaces.Text
LIMITS = np.iinfo(np.int64)


@pytest.mark.parametrize(
    "space",
    [
        Discrete(2, start=1),
        Discrete(3, start=-5, dtype=np.int32),
        MultiDiscrete([2, 3], start=[1, -2]),
        MultiDiscrete([[2, 3], [4, 5]], dtype=np.uint8),
        MultiBinary(3),
        MultiBinary((2, 2)),
        Box(-1, 1, ()),
        Box(-np.inf, 1, (2, 3, 4)),
        Box(LIMITS.min, LIMITS.max, (2,), np.int64),
        Box(0, 2**64 - 1, (2,), np.uint64),
        Box(-np.inf, np.inf, (2,), np.float16),
        Box(-1e300, 1e300, (1,), np.float64),
        Box(0, 1, (2,), bool),
        Text(5, min_length=2, charset="abc"),
        Tuple([Discrete(2), Tuple([Box(-1, 1, (2,))])]),
        # In this order the parts stand in a vector, whatever JSON does with names.
        Dict([("z", Discrete(2)), ("a", Dict(b=MultiBinary(2)))]),
    ],
    ids=str,
)
def test_a_space_comes_back_from_json_with_type_and_order(space):
    text = json.dumps(spaces.describe(space), allow_nan=False, sort_keys=True)
    found = spaces.make(json.loads(text))
    assert found == space
    assert found.dtype == space.dtype
    assert list(getattr(found, "spaces", [])) == list(getattr(space, "spaces", []))


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Sequence(Discrete(2)),
        gymnasium.spaces.Graph(Box(0, 1, (2,)), None),
        gymnasium.spaces.OneOf([Discrete(2), Discrete(3)]),
        Dict(a=gymnasium.spaces.Sequence(Discrete(2))),
        None,
        "Box",
    ],
    ids=str,
)
def test_spaces_without_a_plain_form_are_refused(space):
    with pytest.raises(ValueError, match="wrap the environment so that it has one"):
        spaces.describe(space)


@pytest.mark.parametrize(
    "description",
    [{}, None, [], "Box", {"kind": "Cube"}, {"kind": "Discrete"}, {"kind": "Discrete", "n": -1}],
    ids=str,
)
def test_descriptions_of_nothing_are_refused(description):
    with pytest.raises(ValueError, match="which describes no space"):
        spaces.make(description)


def test_fractions_do_not_fit_indices():
    record = records.make_record(observation_shape=())
    with pytest.raises(ValueError, match=r"observations of type float32, .* are indices"):
        spaces.check_fit(record, Discrete(9), Discrete(4))


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


DESCRIBED = [
    spaces.describe(one)
    for one in (
        Discrete(3, start=1),
        Box(-1, np.inf, (3, 2)),
        MultiDiscrete([3, 4]),
        MultiBinary((2, 3)),
        gymnasium.spaces.Text(5),
        gymnasium.spaces.Dict(a=Box(0, 1, (2,)), b=gymnasium.spaces.Tuple([Discrete(3)])),
    )
]


@pytest.mark.parametrize("description", DESCRIBED, ids=lambda one: one["kind"])
def test_damaged_descriptions_are_refused_or_make_a_space(description):
    content = json.dumps(description).encode()
    for way, damaged in mutations.mutations(content, "json", 0, 150):
        try:
            value = json.loads(damaged)
        except (ValueError, RecursionError):
            continue
        try:
            made = spaces.make(value)
        except ValueError:
            continue
        assert isinstance(made, gymnasium.Space), way


@pytest.mark.parametrize(
    "description",
    [
        {"kind": "Box", "shape": [10**9], "dtype": "float32", "low": 0, "high": 1},
        {"kind": "Box", "shape": [10**5, 10**5], "dtype": "float32", "low": 0, "high": 1},
        {"kind": "Box", "shape": [-1], "dtype": "float32", "low": 0, "high": 1},
        {"kind": "Box", "shape": [2], "dtype": "S1000000000", "low": 0, "high": 1},
        {"kind": "Box", "shape": [2], "dtype": "O", "low": 0, "high": 1},
        {"kind": "MultiBinary", "shape": [10**9]},
        {"kind": "Text", "max_length": 10**9, "min_length": 0, "characters": "ab"},
        {"kind": "Tuple", "spaces": [{"kind": "MultiBinary", "shape": [10**4, 400]}] * 2},
        {"kind": "Tuple", "spaces": [{"kind": "Discrete", "n": 2}] * 2_000},
    ],
    ids=range(9),
)
def test_descriptions_of_spaces_that_would_fill_the_memory_are_refused(description):
    tracemalloc.start()
    with pytest.raises(ValueError, match="describes no space"):
        spaces.make(description)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
