"""Kind: parts of a task that do not fit are found before anything is compiled.

Public reports: jax-ml/jax#9839 (indices out of range become NaN or are clamped), google/flax#4557.
"""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.agents import contract, tasks
from tests.cases import worlds

spaces = gymnasium.spaces


def task(record, *, num_actions=2, max_steps=3, observation=None, action=None):
    """A task of a record, an observation space and an action space; by default they fit."""
    return tasks.Task(
        None,
        {},
        "own",
        record,
        num_actions,
        max_steps,
        observation_space=observation or spaces.Box(-np.inf, np.inf, (2,)),
        action_space=action or spaces.Discrete(2),
    )


def test_parts_that_fit_pass():
    contract.check(task(worlds.load()))


@pytest.mark.parametrize("max_steps", [1, 2])
def test_an_episode_longer_than_said(max_steps):
    with pytest.raises(ValueError, match=f"episode of 3 steps, max_steps is {max_steps}"):
        contract.check(task(worlds.load(), max_steps=max_steps))
    # The advice.
    cut = worlds.load(max_episode_steps=max_steps)
    contract.check(task(cut, max_steps=max_steps))


CONTINUOUS = np.linspace(-1, 1, 6)[:, None]
WRONG = {
    "an action beyond the space": (worlds.load(actions=[0, 1, 2, 0, 1, 2]), {}),
    "an action beyond num_actions": (worlds.load(), {"num_actions": 1}),
    "continuous actions": (worlds.load(actions=CONTINUOUS), {}),
    "discrete actions": (worlds.load(), {"action": worlds.Box(-1, 1, (1,)), "num_actions": None}),
    "another number of amounts": (
        worlds.load(actions=CONTINUOUS),
        {"action": worlds.Box(-1, 1, (2,)), "num_actions": None},
    ),
    "another shape": (worlds.load(), {"observation": worlds.Box(-1, 1, (3,))}),
    "axes in another order": (
        worlds.load(observations=np.zeros((6, 20, 24, 3), np.uint8)),
        {"observation": worlds.Box(0, 255, (24, 20, 3), np.uint8)},
    ),
    "an index beyond the space": (
        worlds.load(observations=np.arange(6)),
        {"observation": spaces.Discrete(5)},
    ),
    "a negative index": (
        worlds.load(observations=np.arange(6) - 1),
        {"observation": spaces.Discrete(5)},
    ),
    "fractions as indices": (
        worlds.load(observations=np.arange(6) / 2),
        {"observation": spaces.Discrete(5)},
    ),
}


@pytest.mark.parametrize(("record", "changes"), WRONG.values(), ids=WRONG)
def test_parts_that_do_not_fit_are_named(record, changes):
    with pytest.raises(ValueError, match=r"^the (data|environment)"):
        contract.check(task(record, **changes))
