"""Properties of the MLP layer alone; test_mixers.py tests the methods that all mixers share."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.modules import mlp
from tests import filling


def test_no_token_sees_another():
    layer = mlp.MLP(width=3)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(1, 4, 3)), jnp.float32)
    params = filling.fill(layer.init, jax.random.key(0), x)
    together = layer.apply(params, x)
    shuffled = layer.apply(params, x[:, ::-1])
    np.testing.assert_allclose(shuffled[:, ::-1], together, rtol=1e-5, atol=1e-6)


def test_it_has_the_weights_of_attention():
    shapes = jax.eval_shape(mlp.MLP(width=8).init, jax.random.key(0), jnp.zeros((1, 1, 8)))
    matrices = [leaf.size for leaf in jax.tree.leaves(shapes) if len(leaf.shape) == 2]
    assert sum(matrices) == 4 * 8**2
