"""Random parameters from shapes alone, since initializers would be compiled anew in each test."""

import jax
import jax.numpy as jnp
import numpy as np


def fill(init, *arguments, scale=0.5):
    """Draws parameters of the shapes that `init(*arguments)` returns from a normal distribution."""
    generator = np.random.default_rng(0)

    def draw(leaf):
        return jnp.asarray(generator.normal(0, scale, leaf.shape), leaf.dtype)

    return jax.tree.map(draw, jax.eval_shape(init, *arguments))
