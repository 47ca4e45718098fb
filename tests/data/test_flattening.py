"""Vectors of values in several parts equal those of Gymnasium, and no part is cast unseen."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.data import _flattening

spaces = gymnasium.spaces
BOX, DISCRETE = spaces.Box(-1, 1, (2,)), spaces.Discrete(3, start=-1)
SPACES = [
    BOX,
    DISCRETE,
    spaces.MultiDiscrete([2, 3], start=[1, -2]),
    spaces.MultiDiscrete([[2, 3], [4, 2]]),
    spaces.MultiBinary((2, 2)),
    spaces.Text(4),
    spaces.Dict(a=BOX, b=DISCRETE),
    spaces.Dict([("z", DISCRETE), ("a", spaces.Box(0, 9, (2, 2), np.int32))]),
    spaces.Tuple([spaces.Dict(a=spaces.Text(2), b=BOX), spaces.Box(0, 255, (), np.uint8)]),
    spaces.Dict(o=spaces.OneOf([DISCRETE, BOX])),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_vectors_are_those_of_gymnasium(space):
    space.seed(0)
    samples = [space.sample() for _ in range(7)]
    found = _flattening.flatten("x", space, samples)
    assert found.shape == (7, _flattening.size(space))
    for vector, sample in zip(found, samples, strict=True):
        np.testing.assert_array_equal(vector, spaces.flatten(space, sample))


def test_columns_and_rows_are_the_same():
    space = spaces.Dict(a=BOX, b=spaces.Tuple([DISCRETE, BOX]))
    rows = [space.sample() for _ in range(5)]
    columns = {
        "a": np.stack([row["a"] for row in rows]),
        "b": (np.array([row["b"][0] for row in rows]), np.stack([row["b"][1] for row in rows])),
    }
    np.testing.assert_array_equal(
        _flattening.flatten("x", space, rows), _flattening.flatten("x", space, columns)
    )


@pytest.mark.parametrize(
    ("space", "value", "sentence"),
    [
        (spaces.Box(0, 9, (2,), np.int32), [0.5, 1], r"x\['a'\] 0.5, wanted whole numbers"),
        (spaces.Box(0, 255, (1,), np.uint8), np.array([300]), "300, which does not fit into uint8"),
        (spaces.Box(-9, 9, (2, 3)), np.zeros((3, 2)), "order and length of all axes"),
        (spaces.Box(-9, 9, (1,)), [1e300], "does not fit into float32"),
        (spaces.Discrete(3), -1, "go from 0 to 2"),
        (spaces.Discrete(3), 3, "go from 0 to 2"),
        (spaces.MultiDiscrete([2, 3]), [1, -1], "go from 0 to 2"),
        (spaces.Text(2), "abcdef", "do not fit the space Text"),
        (spaces.Text(2), 7, "do not fit the space Text"),
        (spaces.Box(-9, 9, (1,)), "a", "wanted numbers"),
        (spaces.Box(-9, 9, (1,)), None, "wanted numbers"),
    ],
)
def test_a_part_that_does_not_fit_is_named(space, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        _flattening.flatten("x", spaces.Dict(a=space), [{"a": value}])


def test_parts_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="parts of different lengths"):
        _flattening.flatten("x", spaces.Dict(a=BOX, b=DISCRETE), {"a": np.zeros((3, 2)), "b": [0]})


@pytest.mark.parametrize(
    "space",
    [
        spaces.Dict({}),
        spaces.Tuple([]),
        spaces.Dict(a=spaces.Dict({}), b=BOX),
        spaces.Dict(a=spaces.Box(0, 1, (0,))),
        spaces.Dict(a=spaces.Sequence(DISCRETE)),
        spaces.Graph(BOX, None),
    ],
    ids=str,
)
def test_spaces_without_a_fixed_number_of_numbers_have_no_size(space):
    assert _flattening.size(space) is None


def test_the_type_of_a_space_must_tell_the_steps_apart():
    stamps = 1e12 + np.arange(5.0)[:, None]
    with pytest.raises(ValueError, match=r"x\['a'\] from 1e\+12"):
        _flattening.flatten("x", spaces.Dict(a=spaces.Box(-np.inf, np.inf, (1,))), {"a": stamps})
