"""Properties of the S5 layer alone; test_mixers.py tests the methods that all mixers share."""

import jax
import numpy as np
import pytest

from jax_s4rl.kernels import initialization
from jax_s4rl.modules import groups, s5


def init(**options):
    layer = s5.S5(width=3, state_size=8, **options)
    return layer.bind(
        groups.strip(layer.init(jax.random.key(0), 1, 1, method="init_state"))
    )._parameters(3)


@pytest.mark.slow
def test_the_state_starts_as_equal_blocks():
    parameters = init(num_blocks=2)
    block = initialization.s5(jax.random.key(0), 3, 2).Lambda
    for got, one in zip(parameters.Lambda, block, strict=True):
        np.testing.assert_allclose(got, np.tile(one, 2), rtol=1e-5)
    assert parameters.B.shape == (4, 3)
    assert parameters.C.shape == (3, 4)


def test_blocks_that_do_not_divide_the_state_are_refused():
    with pytest.raises(ValueError, match="P = 4 pairs cannot be split into 3 equal blocks"):
        init(num_blocks=3)
