"""The output map against its equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.modules import _gate
from tests import filling


@pytest.mark.parametrize("glu", [True, False])
def test_the_map_is_its_equation(glu):
    layer = _gate.Gate(glu)
    y = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    params = filling.fill(layer.init, jax.random.key(0), jnp.asarray(y))
    weights = jax.tree.map(np.asarray, params["params"]["output"])
    activated = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    linear = activated @ weights["kernel"] + weights["bias"]
    wanted = linear[:, :3] / (1 + np.exp(-linear[:, 3:])) if glu else linear
    np.testing.assert_allclose(layer.apply(params, jnp.asarray(y)), wanted, rtol=1e-5, atol=1e-6)
