"""The linear recurrent unit (LRU) as a sequence mixer."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, lru, trainable
from jax_s4rl.modules import groups, state_space


class LRU(state_space.StateSpace):
    """One discrete diagonal system for all features, then a (gated) linear map across features.

    Attributes:
        width, state_size, glu, dtype, method, chunk, precision: Options of
            `state_space.StateSpace`; all features drive and read the one state, which has
            `state_size / 2` complex numbers.
        ring: Smallest and largest modulus of the initial eigenvalues; a modulus of 0.999 remembers
            about a thousand tokens.
        largest_angle: Largest angle of the initial eigenvalues, in radians; small angles suit long
            memories.

    Source:
        Orvieto et al. (2023), "Resurrecting Recurrent Neural Networks for Long Sequences".

    Example:
        >>> model = nn.Sequential([nn.Dense(8), LRU(state_size=4), nn.Dense(2)])
        >>> y, params = model.init_with_output(jax.random.key(0), jnp.zeros((3, 5, 1)))
        >>> y.shape
        (3, 5, 2)
    """

    ring: tuple[float, float] = (0.0, 1.0)
    largest_angle: float = 2 * math.pi

    kernel = lru

    @nn.compact
    def _parameters(self, width: int, *, has_skip: bool = True) -> lru.Parameters:
        """Creates the parameters; eigenvalues and gains belong to the state space group."""
        size = self.state_size // 2

        def initial(key: jax.Array) -> Array:
            return jnp.stack([*initialization.lru_ring(key, size, *self.ring, self.largest_angle)])

        # B and C hold real parts first and imaginary parts second, each along its state axis.
        def inputs(key: jax.Array) -> Array:
            return jax.random.normal(key, (2 * size, width)) / math.sqrt(2 * width)

        def outputs(key: jax.Array) -> Array:
            return jax.random.normal(key, (width, 2 * size)) / math.sqrt(size)

        # One parameter holds decay, angle and gain: the initial gain depends on the drawn decay.
        log_decay, log_angle, log_gain = self.param("eigenvalues", groups.state_space(initial))
        B = cplx.Pair(*jnp.split(self.param("B", inputs), 2))
        C = cplx.split_parts(self.param("C", outputs))
        D = state_space.add_skip(self, width, has_skip)
        return trainable.constrain(trainable.LRU(log_decay, log_angle, B, C, D, log_gain))
