"""The diagonal state space layer (S4D) as a sequence mixer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, s4d, trainable
from jax_s4rl.modules import state_space

INITIALIZATIONS = initialization.DIAGONALS


class S4D(state_space.Continuous):
    """One diagonal state space model per feature, then a (gated) linear map across features.

    Attributes:
        width, state_size, glu, dtype, method, chunk, precision: Options of
            `state_space.StateSpace`; each feature has its own state.
        discretization, step_range, length, bidirectional: Options of `state_space.Continuous`.
        initialization: Initial diagonal: "lin", "inv", "legs", "real" or "random".

    Source:
        Gu, Gupta, Goel, Ré (2022), "On the Parameterization and Initialization of Diagonal State
        Space Models".

    Example:
        >>> model = nn.Sequential([nn.Dense(8), S4D(state_size=4), nn.Dense(2)])
        >>> y, params = model.init_with_output(jax.random.key(0), jnp.zeros((3, 5, 1)))
        >>> y.shape
        (3, 5, 2)
    """

    initialization: str = "lin"

    kernel = s4d

    @nn.compact
    def _parameters(self, width: int, *, has_skip: bool = True) -> s4d.Parameters:
        """Creates the parameters; those of the dynamics belong to the state space group."""
        shape = (width, self.state_size // 2)

        def initial(key: jax.Array) -> initialization.Diagonal:
            return initialization.diagonal(self.initialization, self.state_size, key=key)

        def output(key: jax.Array) -> Float[Array, "width states"]:
            C_key, B_key = jax.random.split(key)
            C, B = initialization.output(C_key, shape), cplx.with_ndim(initial(B_key).B, 2)
            return cplx.stack_parts(cplx.multiply(C, B))

        log_decay, frequency = state_space.add_poles(self, lambda key: initial(key).Lambda, shape)
        log_step = self._log_step(width)
        # The output depends only on the product of B and C, so C holds the product and B is one.
        ones = jnp.ones_like(frequency)
        B = cplx.Pair(ones, jnp.zeros_like(ones))
        C = cplx.split_parts(self.param("C", output))
        D = state_space.add_skip(self, width, has_skip)
        return trainable.constrain(trainable.S4D(log_decay, frequency, B, C, D, log_step))
