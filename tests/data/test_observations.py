"""Observations of every space become arrays that mean the same, or are refused with advice."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.data import observations

spaces = gymnasium.spaces
Box = spaces.Box
LIMITS = np.iinfo(np.int64)


class OwnBox(Box):
    """Space that a package made of another one."""


ENCODED = {
    "Discrete": (spaces.Discrete(3), ()),
    "Discrete from 1": (spaces.Discrete(3, start=1), ()),
    "Discrete below 0": (spaces.Discrete(3, start=-5, dtype=np.int32), ()),
    "MultiDiscrete": (spaces.MultiDiscrete([2, 3]), (2,)),
    "MultiDiscrete of two axes": (spaces.MultiDiscrete([[2, 3], [4, 5]]), (4,)),
    "MultiDiscrete from 1": (spaces.MultiDiscrete([2, 3], start=[1, -2]), (2,)),
    "MultiBinary": (spaces.MultiBinary(3), (3,)),
    "MultiBinary of two axes": (spaces.MultiBinary((2, 2)), (4,)),
    "Box without axes": (Box(-1, 1, ()), (1,)),
    "Box": (Box(-1, 1, (3,)), (3,)),
    "Box of a subclass": (OwnBox(-1, 1, (3,)), (3,)),
    "Box of two axes": (Box(-1, 1, (2, 3)), (6,)),
    "Box of four axes": (Box(-1, 1, (2, 2, 2, 2)), (16,)),
    "Box of whole numbers": (Box(0, 5, (2,), np.int32), (2,)),
    "Box of 64 bits": (Box(LIMITS.min, LIMITS.max, (2,), np.int64), (2,)),
    "Box of float64": (Box(-np.inf, 1, (2,), np.float64), (2,)),
    "Box of halves": (Box(-np.inf, np.inf, (2,), np.float16), (2,)),
    "Box of flags": (Box(0, 1, (2,), bool), (2,)),
    "image": (Box(0, 255, (20, 24, 3), np.uint8), (20, 24, 3)),
    "gray image": (Box(0, 255, (20, 24), np.uint8), (20, 24, 1)),
    "table of bytes": (Box(0, 255, (8, 8), np.uint8), (64,)),
    "Dict": (spaces.Dict(a=Box(-1, 1, (2,)), b=spaces.Discrete(3, start=1)), (5,)),
    "Dict in Dict": (spaces.Dict(a=spaces.Dict(b=spaces.MultiBinary(2))), (2,)),
    "Tuple": (spaces.Tuple([spaces.Discrete(2), Box(-1, 1, (2, 2))]), (6,)),
    "Text": (spaces.Text(4), (4,)),
}


@pytest.mark.parametrize(("space", "shape"), ENCODED.values(), ids=ENCODED)
def test_samples_of_every_space_fit_the_encoded_space(space, shape):
    space.seed(0)
    encoder = observations.encoder(space)
    assert encoder.encoded_space.shape == shape
    samples = [space.sample() for _ in range(5)]
    together = encoder.encode_all(samples)
    for sample, row in zip(samples, together, strict=True):
        one = encoder.encode(sample)
        assert one.dtype == together.dtype
        assert encoder.encoded_space.contains(one if one.ndim else int(one))
        np.testing.assert_array_equal(one, row)
        assert observations.to_policy(one).dtype.itemsize <= 4


@pytest.mark.parametrize(("space", "shape"), ENCODED.values(), ids=ENCODED)
def test_what_was_encoded_is_taken_as_it_is(space, shape):
    """A record that was saved and is read again; where numbers start elsewhere, this is unknown."""
    if np.any(getattr(space, "start", 0)):
        return
    encoder = observations.encoder(space)
    once = encoder.encode_all([space.sample() for _ in range(3)])
    np.testing.assert_array_equal(encoder.encode_all(once), once)


IMAGES = {
    (3, 64, 64): (64, 64, 3),
    (3, 210, 160): (210, 160, 3),
    (1, 84, 84): (84, 84, 1),
    (4, 84, 84): (84, 84, 4),
    (12, 96, 128): (96, 128, 12),
    (2, 64, 64): (64, 64, 2),
    (1, 360, 640): (360, 640, 1),
    (17, 8, 8): (8, 8, 17),
    (119, 8, 8): (8, 8, 119),
    (3, 7, 7): (7, 7, 3),
    (64, 64, 3): (64, 64, 3),
    (210, 160, 3): (210, 160, 3),
    (84, 84, 1): (84, 84, 1),
    (84, 84, 4): (84, 84, 4),
    (84, 84, 16): (84, 84, 16),
    (10, 10, 4): (10, 10, 4),
    (7, 7, 3): (7, 7, 3),
    (8, 8, 111): (8, 8, 111),
    (3, 3, 3): (3, 3, 3),
    (4, 84, 84, 3): (84, 84, 12),
    (4, 84, 84, 1): (84, 84, 4),
}


@pytest.mark.parametrize(("shape", "wanted"), IMAGES.items(), ids=str)
def test_images_have_their_channels_last(shape, wanted):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.uint8)
    encoder = observations.encoder(Box(0, 255, shape, np.uint8))
    found = encoder.encode_all(images)
    assert encoder.encoded_space.shape == found.shape[1:] == wanted
    assert not observations.is_channels_first(wanted)
    # Whatever is at a place of the picture stays there.
    height, width = wanted[:2]
    at = next(axis for axis, length in enumerate(shape) if length == height)
    place = [slice(None)] * 4
    place[at + 1], place[at + 2] = 2, 1
    np.testing.assert_array_equal(
        np.sort(found[:, 2, 1], axis=-1), np.sort(images[tuple(place)].reshape(2, -1), axis=-1)
    )
    assert found[0].size == height * width * wanted[2]


def test_a_stack_of_images_with_channels_first_is_refused_and_the_advice_works():
    class Stack(gymnasium.Env):
        observation_space = Box(0, 255, (4, 3, 20, 20), np.uint8)
        action_space = spaces.Discrete(2)

    with pytest.raises(ValueError, match=r"ReshapeObservation\(env, \(12, 20, 20\)\)"):
        observations.encoder(Stack.observation_space)
    advised = gymnasium.wrappers.ReshapeObservation(Stack(), (12, 20, 20))
    encoder = observations.encoder(advised.observation_space)
    assert encoder.encoded_space.shape == (20, 20, 12)


@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 6), (5, 1, 2, 3), (5, 2, 3, 1)])
def test_stored_axes_may_be_flat_or_have_length_one(shape):
    found = observations.encoder(Box(-99, 99, (2, 3))).encode_all(np.arange(30).reshape(shape))
    np.testing.assert_array_equal(found, np.arange(30).reshape(5, 6))


@pytest.mark.parametrize(
    ("space", "shape"),
    [
        (Box(-1, 1, (2, 3)), (3, 2)),
        (Box(-1, 1, (3,)), (2,)),
        (Box(-1, 1, (3,)), ()),
        (Box(0, 255, (64, 48, 3), np.uint8), (48, 64, 3)),
        (spaces.MultiDiscrete([[2, 3, 4], [2, 3, 4]]), (3, 2)),
        (spaces.MultiBinary((2, 3)), (3, 2)),
    ],
)
def test_axes_in_another_order_are_refused(space, shape):
    with pytest.raises(ValueError, match="order and length of all axes"):
        observations.encoder(space).encode_all(np.zeros((5, *shape), np.uint8))
    with pytest.raises(ValueError, match="order and length of all axes"):
        observations.encoder(space).encode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "stored", [np.array([1, 3, 2]), [1.0, 3.0, 2.0], [[1], [3], [2]], np.eye(3)[[0, 2, 1]]], ids=str
)
def test_indices_count_from_zero_in_every_form(stored):
    encoder = observations.encoder(spaces.Discrete(3, start=1))
    assert encoder.encode_all(stored).tolist() == [0, 2, 1]
    assert [encoder.encode(one).tolist() for one in stored] == [0, 2, 1]


@pytest.mark.parametrize("wrong", [0, 4, 1.5, np.nan, None, "1", [1, 2]], ids=str)
def test_what_is_no_index_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^got "):
        observations.encoder(spaces.Discrete(3, start=1)).encode(wrong)


def test_numbers_that_the_type_of_the_space_cannot_tell_apart_are_refused():
    stamps = 1.7e12 + np.arange(5.0)[:, None]
    with pytest.raises(ValueError, match="subtract a constant"):
        observations.encoder(Box(-np.inf, np.inf, (1,))).encode_all(stamps)
    kept = observations.encoder(Box(-np.inf, np.inf, (1,), np.float64)).encode_all(stamps)
    np.testing.assert_array_equal(kept, stamps)


class Shown(gymnasium.Env):
    """Environment with a space that has no array."""

    action_space = spaces.Discrete(2)

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}


def test_part_of_a_dictionary_is_kept_by_the_wrapper_that_the_advice_names():
    env = Shown(spaces.Dict(a=spaces.Sequence(spaces.Discrete(2)), b=Box(0, 1, (2,))))
    with pytest.raises(ValueError, match=r"FilterObservation\(env, \['b'\]\)"):
        observations.encoder(env.observation_space)
    advised = gymnasium.wrappers.FilterObservation(env, ["b"])
    observation, _ = advised.reset()
    assert observations.encoder(advised.observation_space).encode(observation).shape == (2,)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Sequence(spaces.Discrete(2)),
        spaces.Graph(Box(0, 1, (2,)), None),
        spaces.OneOf([spaces.Discrete(2), Box(0, 1, (2,))]),
        spaces.Dict({1: spaces.Sequence(spaces.Discrete(2)), 2: Box(0, 1, (2,))}),
        spaces.Tuple([spaces.Sequence(spaces.Discrete(2))]),
        spaces.Dict({}),
        Box(0, 1, (0,)),
        spaces.Discrete(2**40),
    ],
    ids=str,
)
def test_other_spaces_work_with_the_wrapper_that_the_advice_names(space):
    with pytest.raises(ValueError, match="TransformObservation"):
        observations.encoder(space)
    advised = gymnasium.wrappers.TransformObservation(
        Shown(space), lambda observation: np.zeros(1, np.float32), Box(-1, 1, (1,))
    )
    observation, _ = advised.reset()
    assert observations.encoder(advised.observation_space).encode(observation).tolist() == [0]


def test_too_many_numbers_in_parts_are_refused():
    with pytest.raises(ValueError, match="FilterObservation"):
        observations.encoder(spaces.Dict(a=Box(0, 1, (1000, 1000))))


def test_spaces_of_the_old_gym_and_no_spaces_are_told_apart():
    old = type("Discrete", (), {"__module__": "gym.spaces.discrete", "n": 2})()
    with pytest.raises(ValueError, match=r"old Gym; .* shimmy"):
        observations.check_space("observation", old)
    for wrong in (None, "Box", 3, Box):
        with pytest.raises(ValueError, match=r"wanted one of gymnasium\.spaces"):
            observations.check_space("observation", wrong)


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        (np.array([0, 3, 1]), spaces.Discrete(4)),
        (np.array([0, 3, 1], np.uint8), spaces.Discrete(4)),
        (np.array([True, False]), spaces.Discrete(2)),
        (np.array([-1, 3]), Box(LIMITS.min, LIMITS.max, (), np.int64)),
        (np.array([0, 2**40]), Box(LIMITS.min, LIMITS.max, (), np.int64)),
        (np.array([0, 2**63], np.uint64), Box(0, 2**64 - 1, (), np.uint64)),
        (np.array([0.0, 3.0]), Box(-np.inf, np.inf, (), np.float64)),
        (np.zeros((2, 3), bool), spaces.MultiBinary((3,))),
        (np.zeros((2, 4, 4, 3), np.uint8), Box(0, 255, (4, 4, 3), np.uint8)),
        (np.zeros((2, 3), np.float16), Box(-np.inf, np.inf, (3,), np.float16)),
    ],
)
def test_spaces_are_found_from_data(stored, wanted):
    found = observations.infer_space(stored)
    assert found == wanted
    assert len(observations.encoder(found).encode_all(stored)) == 2 or len(stored) == 3


@pytest.mark.parametrize("stored", [[], 3.0, np.zeros((3, 0)), ["a"], [None], {"a": [1]}], ids=str)
def test_no_space_is_found_without_numbers(stored):
    with pytest.raises(ValueError, match=r"^got observations "):
        observations.infer_space(stored)


def test_numbers_beyond_float32_do_not_reach_a_policy():
    with pytest.raises(ValueError, match="does not fit into float32"):
        observations.to_policy(np.array([1e300]))
