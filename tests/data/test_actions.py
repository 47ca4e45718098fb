"""Actions of every space become numbers or vectors and come back in the type of the space."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.data import actions

spaces = gymnasium.spaces
Box, Discrete = spaces.Box, spaces.Discrete
INT, UINT = np.iinfo(np.int64), np.iinfo(np.uint64)
BEYOND = Box(-1e300, 1e300, (2,), np.float64)

DISCRETE = {
    "Discrete": (Discrete(3), 3),
    "Discrete of one": (Discrete(1), 1),
    "Discrete from 1": (Discrete(3, start=1), 3),
    "Discrete below 0": (Discrete(3, start=-5, dtype=np.int32), 3),
    "MultiDiscrete": (spaces.MultiDiscrete([2, 3]), 6),
    "MultiDiscrete from 1": (spaces.MultiDiscrete([2, 3], start=[1, -2]), 6),
    "MultiDiscrete of bytes": (spaces.MultiDiscrete([2, 3], dtype=np.uint8), 6),
    "MultiDiscrete of two axes": (
        spaces.MultiDiscrete([[2, 3], [3, 4]], start=[[1, 2], [-3, 4]]),
        72,
    ),
    "MultiBinary": (spaces.MultiBinary(3), 8),
    "MultiBinary of two axes": (spaces.MultiBinary((2, 2)), 16),
    "Dict": (spaces.Dict(a=Discrete(2), b=Discrete(3, start=1)), 6),
    "Tuple": (spaces.Tuple([Discrete(2), spaces.Dict(a=spaces.MultiBinary(2))]), 8),
}
CONTINUOUS = {
    "Box": (Box(-1, 1, (3,)), 3),
    "Box without axes": (Box(-1, 1, ()), 1),
    "Box of two axes": (Box(-1, 1, (2, 3)), 6),
    "Box of four axes": (Box(-1, 1, (2, 2, 2, 2)), 16),
    "half-bounded": (Box(-np.inf, 1, (2,)), 2),
    "bounded below": (Box(0, np.inf, (2,)), 2),
    "unbounded": (Box(-np.inf, np.inf, (2,)), 2),
    "float64": (Box(-1, 1, (2,), np.float64), 2),
    "float64 beyond float32": (BEYOND, 2),
    "halves": (Box(-np.inf, np.inf, (2,), np.float16), 2),
    "whole numbers": (Box(0, 5, (2,), np.int32), 2),
    "whole numbers of 64 bits": (Box(INT.min, INT.max, (2,), np.int64), 2),
    "unsigned numbers of 64 bits": (Box(0, UINT.max, (2,), np.uint64), 2),
    "bytes": (Box(0, 255, (2,), np.uint8), 2),
    "flags": (Box(0, 1, (2,), bool), 2),
    "large units": (Box(0, 1e6, (2,)), 2),
    "Dict": (spaces.Dict(a=Box(-1, 1, (2,)), b=Box(0, 5, (2, 1), np.int32)), 4),
    "Tuple": (spaces.Tuple([Box(-1, 1, ()), spaces.Dict(a=Box(-1, 1, (1,), np.float64))]), 2),
}


def leaves(action):
    if isinstance(action, dict):
        return [leaf for part in action.values() for leaf in leaves(part)]
    return [leaf for part in action for leaf in leaves(part)] if type(action) is tuple else [action]


@pytest.mark.parametrize(("space", "count"), DISCRETE.values(), ids=DISCRETE)
def test_choices_count_from_zero_and_come_back(space, count):
    encoder = actions.encoder(space)
    assert encoder.is_discrete
    assert encoder.num_actions == count
    assert encoder.encoded_space == Discrete(count)
    given = [encoder.decode(number) for number in range(count)]
    assert all(space.contains(action) for action in given)
    assert encoder.encode_all(given).tolist() == list(range(count))
    assert encoder.encode_all(given).dtype == np.int32
    assert [encoder.decode_and_keep(number)[1] for number in range(count)] == list(range(count))
    assert len({str(action) for action in given}) == count


@pytest.mark.parametrize(("space", "size"), CONTINUOUS.values(), ids=CONTINUOUS)
def test_vectors_reach_the_environment_within_its_limits_and_in_its_type(space, size):
    encoder = actions.encoder(space)
    assert encoder.num_actions is None
    assert encoder.encoded_space.shape == (size,)
    rng = np.random.default_rng(0)
    for exponent in range(-3, 38):
        vector = (rng.normal(size=size) * 10.0**exponent).astype(np.float32)
        before = vector.copy()
        given, kept = encoder.decode_and_keep(vector)
        assert space.contains(given)
        np.testing.assert_array_equal(encoder.encode_all([given])[0], kept)
        for leaf in leaves(given):
            leaf[...] = 0  # An environment may change the action that it is given.
        np.testing.assert_array_equal(vector, before)
        assert kept.dtype == np.float32


# float32 does not hold samples of the space beyond it.
HELD = {name: pair for name, pair in CONTINUOUS.items() if pair[0] != BEYOND}


@pytest.mark.parametrize(("space", "size"), HELD.values(), ids=HELD)
def test_samples_of_a_continuous_space_come_back(space, size):
    space.seed(0)
    encoder = actions.encoder(space)
    samples = [space.sample() for _ in range(5)]
    for sample, vector in zip(samples, encoder.encode_all(samples), strict=True):
        for one, other in zip(leaves(encoder.decode(vector)), leaves(sample), strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=1e-6)


WANTED = np.array([2, 0, 1, 2])


@pytest.mark.parametrize("start", [0, 1, -5])
@pytest.mark.parametrize(
    "stored",
    [
        lambda numbers: numbers,
        lambda numbers: numbers.tolist(),
        lambda numbers: tuple(numbers.tolist()),
        lambda numbers: numbers.astype(float),
        lambda numbers: numbers.astype(">i2"),
        lambda numbers: numbers.astype(object),
        lambda numbers: numbers[:, None],
        lambda numbers: numbers[:, None, None].astype(np.float32),
        lambda numbers: list(numbers[:, None]),
        lambda numbers: np.eye(3)[WANTED],
        lambda numbers: np.eye(3, dtype=bool)[WANTED].tolist(),
    ],
)
def test_discrete_actions_in_every_form(stored, start):
    encoder = actions.encoder(Discrete(3, start=start))
    assert encoder.encode_all(stored(WANTED + start)).tolist() == WANTED.tolist()


def test_multidiscrete_actions_in_every_form():
    space = spaces.MultiDiscrete([2, 3], start=[1, 0])
    encoder = actions.encoder(space)
    rows = np.array([[1, 2], [2, 0]])
    one_hot = np.stack([spaces.flatten(space, row) for row in rows])
    numbers = encoder.encode_all(rows)
    assert numbers.tolist() == [2, 3]
    for stored in (rows.astype(float), rows[:, None], rows.tolist(), one_hot, numbers):
        assert encoder.encode_all(stored).tolist() == [2, 3]


def test_flat_vectors_and_columns_of_several_parts_are_the_same():
    space = spaces.Dict(a=Box(-1, 1, (2,)), b=Box(-1, 1, ()))
    encoder = actions.encoder(space)
    columns = {"a": [[0.5, 0.25], [0, 1]], "b": [1, -1]}
    rows = [{"a": [0.5, 0.25], "b": 1}, {"a": [0, 1], "b": np.float64(-1)}]
    wanted = [[0.5, 0.25, 1], [0, 1, -1]]
    for stored in (columns, rows, np.array(rows), np.array(wanted)):
        assert encoder.encode_all(stored).tolist() == wanted


@pytest.mark.parametrize(
    ("space", "stored", "sentence"),
    [
        (Discrete(2), [0, 2], "got actions with 2 at step 1, the environment's go from 0 to 1"),
        (Discrete(2, start=1), [0, 1], "with 0 at step 0, the environment's go from 1 to 2"),
        (Discrete(2), [0.5], "wanted whole numbers"),
        (Discrete(2), [[0, 1, 0]], "one number for each step"),
        (Discrete(2), ["left"], "wanted numbers"),
        (Discrete(2), [None], "wanted numbers"),
        (spaces.MultiDiscrete([2, 3]), [[0, 3]], "go from 0 to 2"),
        (spaces.MultiDiscrete([[2, 3, 2], [2, 3, 2]]), np.zeros((5, 3, 2)), "order and length"),
        (Box(-1, 1, (2, 3)), np.zeros((5, 3, 2)), "order and length"),
        (Box(-1, 1, (2,)), np.zeros((5, 3)), "order and length"),
        (Box(-1, 1, (2,)), [["a", "b"]], "wanted numbers"),
        (Box(-1, 1, (1,)), 1e12 + np.arange(5.0), "subtract a constant"),
        (spaces.Dict(a=Discrete(2)), [{"b": 1}], "without the part 'a'"),
        (spaces.Dict(a=Discrete(2)), [0], "without the part 'a'"),
        (
            spaces.Dict(a=Discrete(2), b=Discrete(2)),
            {"a": [0], "b": [0, 1]},
            "parts of different lengths",
        ),
    ],
)
def test_stored_actions_that_do_not_fit_are_refused(space, stored, sentence):
    with pytest.raises(ValueError, match=sentence):
        actions.encoder(space).encode_all(stored)


@pytest.mark.parametrize("wrong", [-1, 3, 0.5, np.nan, [0, 1], None, "a", np.zeros(0)], ids=str)
def test_predicted_choices_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match=r"^got (the|an) action"):
        actions.encoder(Discrete(3)).decode(wrong)


@pytest.mark.parametrize(
    "wrong", [[np.nan, 0], [np.inf, 0], [0], [0, 0, 0], 0.5, None, "a", [1e300, 0]], ids=str
)
def test_predicted_vectors_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match=r"^got (the|an) action"):
        actions.encoder(Box(-1, 1, (2,))).decode(wrong)


@pytest.mark.parametrize("number", [2, 2.0, np.int8(2), np.uint64(2), np.array(2), np.array([2])])
def test_a_predicted_choice_has_any_type(number):
    assert actions.encoder(Discrete(3, start=1)).decode(number) == 3


class Acted(gymnasium.Env):
    """Environment with an action space that cannot be encoded."""

    observation_space = Discrete(2)

    def __init__(self, space):
        self.action_space = space


@pytest.mark.parametrize(
    "space",
    [
        spaces.Dict(move=Box(-1, 1, (2,)), gear=Discrete(2)),
        spaces.Tuple([Discrete(2), Box(-1, 1, (1,))]),
        spaces.MultiDiscrete([100, 100]),
        spaces.MultiBinary(20),
        Discrete(10_000),
        spaces.Text(3),
        spaces.Sequence(Discrete(2)),
        spaces.OneOf([Discrete(2), Discrete(3)]),
        spaces.Graph(Box(0, 1, (2,)), None),
        spaces.Dict({}),
        Box(0, 1, (0,)),
    ],
    ids=str,
)
def test_other_spaces_work_with_the_wrapper_that_the_advice_names(space):
    with pytest.raises(ValueError, match="TransformAction"):
        actions.encoder(space)
    env = gymnasium.wrappers.TransformAction(Acted(space), lambda _: space.sample(), Discrete(4))
    assert actions.encoder(env.action_space).num_actions == 4


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ([0, 2, 1], Discrete(3)),
        ([[0], [2]], Discrete(3)),
        (np.array([True, False]), Discrete(2)),
        (np.array([0, 2], np.uint64), Discrete(3)),
        (np.zeros((4, 2), np.float16), Box(-np.inf, np.inf, (2,))),
        (np.array([0.5, -1]), Box(-np.inf, np.inf, (1,))),
    ],
    ids=str,
)
def test_spaces_are_found_from_data(stored, wanted):
    assert actions.infer_space(stored) == wanted


@pytest.mark.parametrize(
    ("stored", "advice"),
    [
        ([-1, 0, 1], "Discrete(3, start=-1)"),
        ([[0, 1], [1, 1]], "MultiDiscrete"),
        ([[0, 1], [1, 0]], "Discrete(2)"),
        ([0, 2**40], "floats"),
        (np.array([2**63], np.uint64), "floats"),
        ({"a": [0]}, "pass action_space="),
        ([], "one action for each step"),
    ],
    ids=str,
)
def test_actions_that_could_be_either_are_refused_with_advice(stored, advice):
    with pytest.raises(ValueError, match=r"^got ") as refused:
        actions.infer_space(stored)
    assert advice in str(refused.value)


def test_the_advice_works():
    assert actions.encoder(Discrete(3, start=-1)).encode_all([-1, 0, 1]).tolist() == [0, 1, 2]
    assert actions.encoder(Discrete(2)).encode_all([[0, 1], [1, 0]]).tolist() == [1, 0]
    pairs = actions.encoder(spaces.MultiDiscrete([2, 2])).encode_all([[0, 1], [1, 1]])
    assert pairs.tolist() == [1, 3]


@pytest.mark.parametrize("stored", [[0.0, 1.0, 2.0], [[0.0], [1.0]], np.eye(3)], ids=str)
def test_choices_that_are_stored_as_floats_are_spoken_of(stored):
    """A regression on the numbers of actions is hardly wanted, but may be."""
    with pytest.warns(UserWarning, match=r"taken for amounts; .* action_space"):
        found = actions.infer_space(stored)
    assert isinstance(found, Box)


@pytest.mark.parametrize("stored", [[0.0, 0.0], [-1.0, 1.0], [0.5, 1.0], np.zeros((3, 2))], ids=str)
def test_amounts_are_not_spoken_of(stored):
    assert isinstance(actions.infer_space(stored), Box)
