"""Episodes with one action only, or without rewards, are refused in one sentence."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.data import learnable
from tests.data import records


@pytest.mark.parametrize("action_size", [None, 2])
def test_one_action_only_is_refused(action_size):
    record = records.make_record(action_size=action_size)
    learnable.check_actions(record, "tiny")
    same = dataclasses.replace(record, actions=np.repeat(record.actions[:1], 9, axis=0))
    with pytest.raises(ValueError, match="tiny has one action only, so there is nothing to choose"):
        learnable.check_actions(same, "tiny")


def test_rewards_of_zero_are_refused():
    record = records.make_record()
    learnable.check_rewards(record, "tiny", "x")
    nothing = dataclasses.replace(record, rewards=np.zeros_like(record.rewards))
    with pytest.raises(
        ValueError, match="tiny has only rewards of 0, so x; give data with rewards"
    ):
        learnable.check_rewards(nothing, "tiny", "x")
    # One reward is enough, also a punishment.
    punished = dataclasses.replace(record, rewards=-np.eye(1, 9, 4, dtype=np.float32)[0])
    learnable.check_rewards(punished, "tiny", "x")
