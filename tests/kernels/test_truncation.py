"""Truncated output matrices: the inverse, and their rule. `test_s4` compares with the oracle."""

import numpy as np
import pytest

from jax_s4rl.kernels import _truncation
from jax_s4rl.kernels import complex_pair as cplx


@pytest.mark.parametrize("length", [1, 7, 64])
def test_restoring_undoes_truncating(s4_system, length):
    system = s4_system()
    restored = _truncation.restore(_truncation.truncate(system, length), length)
    np.testing.assert_allclose(cplx.to_complex(restored.C), cplx.to_complex(system.C), atol=2e-5)


@pytest.mark.parametrize(("discretization", "rate"), [("zoh", 1.0), ("bilinear", 2.0)])
def test_it_is_bound_to_its_rule_and_rate(discretization, rate):
    with pytest.raises(
        ValueError, match=r"bound to the bilinear rule at rate 1, .*; call s4.restore first"
    ):
        _truncation.check(discretization, rate)
