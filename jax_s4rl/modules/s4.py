"""The diagonal-plus-low-rank state space layer (S4) as a sequence mixer."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import hippo, initialization, s4, trainable
from jax_s4rl.modules import groups, state_space

INITIALIZATIONS = hippo.MEASURES


class S4(state_space.StateSpace):
    """One diagonal-plus-low-rank model per feature, then a (gated) linear map across features.

    Attributes:
        width, state_size, glu, dtype: Options of `state_space.StateSpace`; each feature has its own
            state.
        initialization: HiPPO measure of the initial dynamics: "legs", "legt" or "fout".
        discretization: Discretization, "bilinear" (O(N) per step) or "zoh" (O(N^2) per step).
        step_range: Shortest and longest initial step, drawn log-uniformly.
        max_length: Longest row in tokens that is convolved at once. The parameter C is then the
            output matrix truncated for this length, as in the training of S4: the kernel is a
            Cauchy sum, which is faster to train than with C itself. Steps, chunks and rows with
            resets restore C, so they agree, at any length; but parameters that were trained with
            one `max_length` mean nothing under another. With None, or with "zoh", the parameter is
            C itself, for any length.

    Raises:
        ValueError: A row is longer than `max_length`.

    Source:
        Gu, Goel, Ré (2022), "Efficiently Modeling Long Sequences with Structured State Spaces".
    """

    initialization: str = "legs"
    discretization: str = "bilinear"
    step_range: tuple[float, float] = (1e-3, 1e-1)
    max_length: int | None = None

    kernel = s4

    def setup(self) -> None:
        """Creates the parameters; those of the dynamics belong to the state space group."""
        super().setup()
        shape = (self.width, self.state_size // 2)

        def initial() -> initialization.LowRank:
            return initialization.low_rank(self.initialization, self.state_size)

        # HiPPO determines P and B, so their initializers ignore the key.
        def low_rank(key: jax.Array) -> Array:
            del key
            P = cplx.stack_parts(initial().P)
            return jnp.broadcast_to(P[None], (self.width, *P.shape))

        def inputs(key: jax.Array) -> Array:
            del key
            B = cplx.stack_parts(initial().B)
            return jnp.broadcast_to(B[None], (self.width, *B.shape))

        def output(key: jax.Array) -> Array:
            return cplx.stack_parts(initialization.output(key, shape))

        self.log_decay, self.frequency = state_space.add_poles(
            self, lambda key: cplx.with_ndim(initial().Lambda, 2), shape
        )
        self.log_step = state_space.add_steps(self, self.width, self.step_range)
        self.P: Array = self.param("P", groups.state_space(low_rank))
        self.B: Array = self.param("B", groups.state_space(inputs))
        self.C: Array = self.param("C", output)
        self.D = state_space.add_skip(self, self.width)

    def _parameters(self) -> s4.Parameters:
        P, B, C = (cplx.split_parts(x) for x in (self.P, self.B, self.C))
        return trainable.constrain(
            trainable.S4(self.log_decay, self.frequency, P, B, C, self.D, self.log_step)
        )

    def _options(self) -> dict[str, Any]:
        # The kernel takes a truncated C only with the bilinear transform.
        length = self.max_length if self.discretization == "bilinear" else None
        return {"discretization": self.discretization, "length": length}
