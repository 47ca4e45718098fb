"""Kind: discrete actions that do not count from 0, or stand in another form.

Public reports: stable-baselines3#1797, openai/gym#2644, skrl#308, d3rlpy#391.
"""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.data import actions, spaces
from tests.cases import worlds

NUMBERS = np.array([1, 2, 0, 2, 1, 2])
FORMS = {
    "numbers": lambda numbers: numbers,
    "a list": lambda numbers: numbers.tolist(),
    "a column": lambda numbers: numbers[:, None],
    "a column of floats": lambda numbers: numbers[:, None].astype(np.float32),
    "two columns of one": lambda numbers: numbers[:, None, None],
    "floats": lambda numbers: numbers.astype(np.float64),
    "big-endian": lambda numbers: numbers.astype(">i8"),
    "objects": lambda numbers: numbers.astype(object),
    "one-hot": lambda numbers: np.eye(3)[NUMBERS],
    "one-hot flags": lambda numbers: np.eye(3, dtype=bool)[NUMBERS],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("start", [0, 1, 7, -1, -5])
def test_data_and_environment_speak_of_the_same_actions(form, start):
    space = gymnasium.spaces.Discrete(3, start=start)
    record = worlds.load(actions=form(NUMBERS + start), action_space=space)
    assert record.is_discrete
    assert record.actions.tolist() == NUMBERS.tolist()
    made = []

    class Three(worlds.World):
        action_space = space

        def __init__(self):
            super().__init__()
            made.append(self)

    for number in range(3):
        made.clear()
        acted, _ = worlds.act(Three, count=1, action=number)
        assert made[0].given == [number + start] * 6
        assert acted.actions.tolist() == [number] * 6


@pytest.mark.parametrize("start", [1, -5])
def test_a_record_that_was_not_shifted_is_not_taken_for_one(start):
    space = gymnasium.spaces.Discrete(3, start=start)
    with pytest.raises(ValueError, match="pass its action_space when the data are read"):
        spaces.check_fit(worlds.load(), worlds.Box(-99, 99, (2,)), space)
    # The advice.
    record = worlds.load(actions=np.arange(6) % 2 + start, action_space=space)
    encoded = actions.encoder(space).encoded_space
    spaces.check_fit(record, worlds.Box(-99, 99, (2,)), encoded)


@pytest.mark.parametrize("form", [lambda column: column, lambda column: column.tolist()])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, bool])
def test_a_column_without_a_space_is_discrete(dtype, form):
    column = (np.arange(6) % 2)[:, None].astype(dtype)
    record = worlds.load(actions=form(column))
    assert record.is_discrete
    assert record.actions.tolist() == [0, 1, 0, 1, 0, 1]


def test_floats_that_may_be_choices_are_spoken_of_and_the_advice_works():
    floats = NUMBERS[:, None].astype(float)
    with pytest.warns(UserWarning, match="action_space=gymnasium.spaces.Discrete"):
        assert not worlds.load(actions=floats).is_discrete
    record = worlds.load(actions=floats, action_space=gymnasium.spaces.Discrete(3))
    assert record.actions.tolist() == NUMBERS.tolist()


@pytest.mark.parametrize("wrong", [3, -1, 2**40, 0.5])
def test_actions_that_the_environment_has_not_are_named(wrong):
    given = np.array([0, 1, 2, 0, 1, wrong])
    with pytest.raises(ValueError, match=r"^got "):
        worlds.load(actions=given, action_space=gymnasium.spaces.Discrete(3))
