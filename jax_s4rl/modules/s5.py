"""The state space layer with many inputs and outputs (S5) as a sequence mixer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, s5, trainable
from jax_s4rl.modules import groups, state_space


class S5(state_space.Continuous):
    """One diagonal state space model for all features, then a (gated) linear map across features.

    Attributes:
        width, state_size, glu, dtype, method, chunk, precision: Options of
            `state_space.StateSpace`; all features drive and read the one state.
        discretization, step_range, length, bidirectional: Options of `state_space.Continuous`.
        num_blocks: Number of equal HiPPO-LegS blocks in the initial state matrix; divides the
            number of conjugate pairs.

    Source:
        Smith, Warrington, Linderman (2023), "Simplified State Space Layers for Sequence Modeling".

    Example:
        >>> model = nn.Sequential([nn.Dense(8), S5(state_size=4), nn.Dense(2)])
        >>> y, params = model.init_with_output(jax.random.key(0), jnp.zeros((3, 5, 1)))
        >>> y.shape
        (3, 5, 2)
    """

    num_blocks: int = 1

    kernel = s5

    @nn.compact
    def _parameters(self, width: int, *, has_skip: bool = True) -> s5.Parameters:
        """Creates the parameters.

        Dynamics and inputs belong to the state space group, as in the paper's code.
        """
        size = self.state_size // 2

        def initial(key: jax.Array) -> initialization.Blocks:
            return initialization.s5(key, width, size, self.num_blocks)

        # B and C hold real parts first and imaginary parts second, each along its state axis.
        def inputs(key: jax.Array) -> Array:
            return jnp.concatenate([*initial(key).B])

        def outputs(key: jax.Array) -> Array:
            return cplx.stack_parts(initial(key).C)

        poles = state_space.add_poles(self, lambda key: initial(key).Lambda, (size,))
        log_step = self._log_step(size)
        B = cplx.Pair(*jnp.split(self.param("B", groups.state_space(inputs)), 2))
        C = cplx.split_parts(self.param("C", outputs))
        D = state_space.add_skip(self, width, has_skip)
        return trainable.constrain(trainable.S5(*poles, B, C, D, log_step))
