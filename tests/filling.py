"""Random parameters from shapes alone: initializers would have to be compiled, for every test again."""

import jax
import jax.numpy as jnp
import numpy as np


def fill(init, *arguments, scale=0.5):
    """Parameters of the shapes that `init(*arguments)` would return, drawn from a normal distribution."""
    generator = np.random.default_rng(0)

    def draw(leaf):
        return jnp.asarray(generator.normal(0, scale, leaf.shape), leaf.dtype)

    return jax.tree.map(draw, jax.eval_shape(init, *arguments))
