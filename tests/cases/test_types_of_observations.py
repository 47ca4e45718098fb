"""Kind: the type of observations differs between reset, step and space.

Public reports: Gymnasium#655 and #825, openai/gym#2336, gym-pybullet-drones#87. The policy must see
the numbers that the record holds, whatever the first one looked like.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import worlds

FIRST = {
    "whole": np.array([0]),
    "bytes": np.array([0], np.uint8),
    "unsigned": np.array([0], np.uint64),
    "a flag": np.array([False]),
    "halves": np.array([0], np.float16),
    "float64": np.array([0.0]),
    "big-endian": np.array([0], ">i2"),
    "a list": [0],
    "a tuple": (0,),
    "a number": 0,
    "NumPy's number": np.int8(0),
    "no axes": np.array(0),
    "a column": np.array([[0]]),
    "jax": jnp.array([0]),
    "an object": np.array([0], object),
    "read-only": np.broadcast_to(0, (1,)),
}
LATER = {
    "float64": lambda number: np.array([number]),
    "float32": lambda number: np.array([number], np.float32),
    "halves": lambda number: np.array([number], np.float16),
    "a list": lambda number: [number],
    "a number": float,
    "jax": lambda number: jnp.array([number]),
}


@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_fractions_are_seen_whatever_the_reset_gives(first, later):
    class Ramp(worlds.World):
        def look(self):
            return later(0.25 * self.clock) if self.clock else first

    record, seen = worlds.act(Ramp)
    np.testing.assert_array_equal(seen[0, :, 0], 0.25 * np.arange(6))
    np.testing.assert_array_equal(record.observations[:6], seen[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, bool])
def test_fractions_in_a_space_of_whole_numbers_are_refused_and_the_advice_works(dtype):
    class Ramp(worlds.World):
        observation_space = worlds.Box(0, 1, (1,), dtype)

        def look(self):
            return np.array([0.25 * self.clock]) if self.clock else np.array([0])

    with pytest.raises(ValueError, match=r"step 1: .* declare a space of float32"):
        worlds.act(Ramp)

    class Advised(Ramp):
        observation_space = worlds.Box(0, 2, (1,))

    assert worlds.act(Advised)[1][0, 1].tolist() == [0.25]
