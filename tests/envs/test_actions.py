import numpy as np
import pytest

from jax_s4rl.envs import _actions


@pytest.mark.parametrize("action", [1, np.int64(1), np.int32(1), np.array(1), np.uint8(1)])
def test_integers_of_any_kind_are_taken(action):
    index = _actions.as_index(action, 2)
    assert index == 1
    assert type(index) is int


@pytest.mark.parametrize("action", [-1, 2, 0.5, 1.0, "1", None, np.array([0, 1]), np.float32(0)])
def test_what_names_no_action_is_refused(action):
    with pytest.raises(ValueError, match="actions 0 to 1; pass one integer"):
        _actions.as_index(action, 2)
