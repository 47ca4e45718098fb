"""The diagonal state space layer (S4D) as a sequence mixer."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import initialization, s4d, trainable
from jax_s4rl.modules import state_space

INITIALIZATIONS = initialization.DIAGONALS


class S4D(state_space.StateSpace):
    """One diagonal state space model per feature, then a (gated) linear map across features.

    Attributes:
        width, state_size, glu, dtype: Options of `state_space.StateSpace`; each feature has its own
            state.
        initialization: Initial diagonal: "lin", "inv", "legs", "real" or "random".
        discretization: Discretization, "zoh" or "bilinear".
        step_range: Shortest and longest initial step, drawn log-uniformly.

    Source:
        Gu, Gupta, Goel, Ré (2022), "On the Parameterization and Initialization of Diagonal State
        Space Models".
    """

    initialization: str = "lin"
    discretization: str = "zoh"
    step_range: tuple[float, float] = (1e-3, 1e-1)

    kernel = s4d

    def setup(self) -> None:
        """Creates the parameters; those of the dynamics belong to the state space group."""
        super().setup()
        shape = (self.width, self.state_size // 2)

        def initial(key: jax.Array) -> initialization.Diagonal:
            return initialization.diagonal(self.initialization, self.state_size, key=key)

        def output(key: jax.Array) -> Float[Array, "width states"]:
            C_key, B_key = jax.random.split(key)
            C, B = initialization.output(C_key, shape), cplx.with_ndim(initial(B_key).B, 2)
            return cplx.stack_parts(cplx.multiply(C, B))

        self.log_decay, self.frequency = state_space.add_poles(
            self, lambda key: initial(key).Lambda, shape
        )
        self.log_step = state_space.add_steps(self, self.width, self.step_range)
        # The output depends only on the product of B and C, so C holds the product and B is one.
        self.C: Array = self.param("C", output)
        self.D = state_space.add_skip(self, self.width)

    def _parameters(self) -> s4d.Parameters:
        ones = jnp.ones_like(self.frequency)
        B, C = cplx.Pair(ones, jnp.zeros_like(ones)), cplx.split_parts(self.C)
        return trainable.constrain(
            trainable.S4D(self.log_decay, self.frequency, B, C, self.D, self.log_step)
        )

    def _options(self) -> dict[str, Any]:
        return {"discretization": self.discretization}
