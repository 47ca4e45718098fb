"""Scripts that measure speed, memory and accuracy."""

# Before JAX is imported, because it quiets errors of XLA that are none.
import jax_s4rl  # noqa: F401
