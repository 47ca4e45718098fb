"""Latent variables: distributions start alike, are bounded, and are drawn by reparameterization."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_s4rl.modules import latents
from tests import filling

X = jnp.ones((3, 4))


def test_heads_start_as_standard_normals():
    head = latents.NormalHead(2, 4)
    normal = head.apply(head.init(jax.random.key(0), X), X)
    assert all((np.asarray(each) == 0).all() for each in normal)


def test_spreads_are_bounded_and_draws_are_scaled():
    head = latents.NormalHead(2, 4)
    normal = head.apply(filling.fill(head.init, jax.random.key(0), X, scale=50.0), X)
    assert np.abs(normal.log_std).max() <= latents.LARGEST_LOG_STD
    plain = latents.Normal(jnp.array([1.0]), jnp.log(jnp.array([2.0])))
    assert float(plain.at(jnp.array([-3.0]))[0]) == -5
    np.testing.assert_array_equal(plain.at(jnp.zeros(1)), plain.mean)


def test_a_readout_has_one_hidden_layer():
    readout = latents.Readout(3, 2)
    variables = filling.fill(readout.init, jax.random.key(0), X)
    hidden, output = (variables["params"][name] for name in ("hidden", "output"))
    wanted = jax.nn.gelu(X @ hidden["kernel"] + hidden["bias"][None]) @ output["kernel"]
    np.testing.assert_allclose(
        readout.apply(variables, X), wanted + output["bias"][None], rtol=1e-5, atol=1e-6
    )
