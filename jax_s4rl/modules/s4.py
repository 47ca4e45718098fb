"""The diagonal-plus-low-rank state space layer (S4) as a sequence mixer."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import hippo, initialization, s4, trainable
from jax_s4rl.modules import groups, state_space

INITIALIZATIONS = hippo.MEASURES


class S4(state_space.Continuous):
    """One diagonal-plus-low-rank model per feature, then a (gated) linear map across features.

    Attributes:
        width, state_size, glu, dtype, method, chunk, precision: Options of
            `state_space.StateSpace`; each feature has its own state.
        discretization: Discretization, "bilinear" (O(N) per step) or "zoh" (O(N^2) per step).
        step_range, length, bidirectional: Options of `state_space.Continuous`.
        initialization: HiPPO measure of the initial dynamics: "legs", "legt" or "fout".
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

    Example:
        >>> model = nn.Sequential([nn.Dense(8), S4(state_size=4), nn.Dense(2)])
        >>> y, params = model.init_with_output(jax.random.key(0), jnp.zeros((3, 5, 1)))
        >>> y.shape
        (3, 5, 2)
    """

    discretization: str = "bilinear"
    initialization: str = "legs"
    max_length: int | None = None

    kernel = s4

    @nn.compact
    def _parameters(self, width: int, *, has_skip: bool = True) -> s4.Parameters:
        """Creates the parameters; those of the dynamics belong to the state space group."""
        shape = (width, self.state_size // 2)

        def initial() -> initialization.LowRank:
            return initialization.low_rank(self.initialization, self.state_size)

        # HiPPO determines P and B, so their initializers ignore the key.
        def low_rank(key: jax.Array) -> Array:
            del key
            P = cplx.stack_parts(initial().P)
            return jnp.broadcast_to(P[None], (width, *P.shape))

        def inputs(key: jax.Array) -> Array:
            del key
            B = cplx.stack_parts(initial().B)
            return jnp.broadcast_to(B[None], (width, *B.shape))

        def output(key: jax.Array) -> Array:
            return cplx.stack_parts(initialization.output(key, shape))

        poles = state_space.add_poles(self, lambda key: cplx.with_ndim(initial().Lambda, 2), shape)
        log_step = self._log_step(width)
        P = cplx.split_parts(self.param("P", groups.state_space(low_rank)))
        B = cplx.split_parts(self.param("B", groups.state_space(inputs)))
        C = cplx.split_parts(self.param("C", output))
        D = state_space.add_skip(self, width, has_skip)
        return trainable.constrain(trainable.S4(*poles, P, B, C, D, log_step))

    def _options(self) -> dict[str, Any]:
        # The kernel takes a truncated C only with the bilinear transform.
        length = self.max_length if self.discretization == "bilinear" else None
        return {"discretization": self.discretization, "length": length}
