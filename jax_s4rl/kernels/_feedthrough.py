"""The part of the output that bypasses the state, `D u`; shared by all state space families."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def output(D: Float[Array, "H"], u: Float[Array, "*any H"]) -> Float[Array, "*any H"]:
    """Computes `D u`.

    Example:
        >>> output(jnp.ones(1), jnp.full((3, 1), 2.0)).shape
        (3, 1)
    """
    # Leading axes are written out, since JAX may be set to refuse implicit ones.
    return D.reshape((1,) * (u.ndim - 1) + (-1,)) * u


def in_kernel(kernel: Float[Array, "H L"], D: Float[Array, "H"]) -> Float[Array, "H L"]:
    """Returns the kernel of `kernel * u + D u`, which saves a further pass over the input.

    Example:
        >>> in_kernel(jnp.ones((1, 3)), jnp.ones(1))
        Array([[2., 1., 1.]], dtype=float32)
    """
    # D acts at lag 0.
    return jnp.concatenate([kernel[:, :1] + D[:, None], kernel[:, 1:]], axis=-1)
