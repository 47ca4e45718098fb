"""The state space layer with many inputs and outputs (S5) as a sequence mixer."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, s5, trainable
from jax_s4rl.modules import groups, state_space


class S5(state_space.StateSpace):
    """One diagonal state space model for all features, then a (gated) linear map across features.

    Attributes:
        width, state_size, glu, dtype: Options of `state_space.StateSpace`; all features drive and
            read the one state.
        num_blocks: Number of equal HiPPO-LegS blocks in the initial state matrix; divides the
            number of conjugate pairs.
        discretization: Discretization, "zoh" or "bilinear".
        step_range: Shortest and longest initial step, drawn log-uniformly.

    Source:
        Smith, Warrington, Linderman (2023), "Simplified State Space Layers for Sequence Modeling".
    """

    num_blocks: int = 1
    discretization: str = "zoh"
    step_range: tuple[float, float] = (1e-3, 1e-1)

    kernel = s5

    def setup(self) -> None:
        """Creates the parameters.

        Dynamics and inputs belong to the state space group, as in the paper's code.
        """
        super().setup()
        size = self.state_size // 2

        def initial(key: jax.Array) -> initialization.Blocks:
            return initialization.s5(key, self.width, size, self.num_blocks)

        # B and C hold real parts first and imaginary parts second, each along its state axis.
        def inputs(key: jax.Array) -> Array:
            return jnp.concatenate([*initial(key).B])

        def outputs(key: jax.Array) -> Array:
            return cplx.stack_parts(initial(key).C)

        self.log_decay, self.frequency = state_space.add_poles(
            self, lambda key: initial(key).Lambda, (size,)
        )
        self.log_step = state_space.add_steps(self, size, self.step_range)
        self.B: Array = self.param("B", groups.state_space(inputs))
        self.C: Array = self.param("C", outputs)
        self.D = state_space.add_skip(self, self.width)

    def _parameters(self) -> s5.Parameters:
        B, C = cplx.Pair(*jnp.split(self.B, 2)), cplx.split_parts(self.C)
        return trainable.constrain(
            trainable.S5(self.log_decay, self.frequency, B, C, self.D, self.log_step)
        )

    def _options(self) -> dict[str, Any]:
        return {"discretization": self.discretization}
