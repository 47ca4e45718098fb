"""The state space layer with many inputs and outputs (S5) as a sequence mixer."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, s5, trainable
from jax_s4rl.modules import groups, state_space


class S5(state_space.StateSpace):
    """One diagonal state space model that all features drive and read, then a (gated) linear map across features.

    Attributes:
      width, state_size, glu, dtype: as in `state_space.StateSpace`; the one state is shared by all features.
      num_blocks: equal blocks of HiPPO-LegS that the state starts as; divides the number of pairs.
      discretization: "zoh" or "bilinear".
      step_range: shortest and longest initial step, drawn log-uniformly.

    Source: Smith, Warrington, Linderman (2023), "Simplified State Space Layers for Sequence Modeling".
    """

    num_blocks: int = 1
    discretization: str = "zoh"
    step_range: tuple[float, float] = (1e-3, 1e-1)

    kernel = s5

    def setup(self) -> None:
        """Makes the parameters; dynamics and inputs belong to the state space group, as in the paper's code."""
        super().setup()
        size = self.state_size // 2

        def initial(key: jax.Array) -> initialization.Blocks:
            return initialization.s5(key, self.width, size, self.num_blocks)

        def inputs(key: jax.Array) -> Array:
            return jnp.concatenate([*initial(key).B])

        def outputs(key: jax.Array) -> Array:
            return cplx.stack_parts(initial(key).C)

        self.log_decay, self.frequency = state_space.add_poles(self, lambda key: initial(key).Lambda, (size,))
        self.log_step = state_space.add_steps(self, size, self.step_range)
        self.B: Array = self.param("B", groups.state_space(inputs))
        self.C: Array = self.param("C", outputs)
        self.D = state_space.add_skip(self, self.width)

    def _parameters(self) -> s5.Parameters:
        B, C = cplx.Pair(*jnp.split(self.B, 2)), cplx.split_parts(self.C)
        return trainable.constrain(trainable.S5(self.log_decay, self.frequency, B, C, self.D, self.log_step))

    def _options(self) -> dict[str, Any]:
        return {"discretization": self.discretization}
