"""Scripts that train, act and report; each reads from top to bottom."""

# Before JAX is imported, because it quiets errors of XLA that are none.
import jax_s4rl  # noqa: F401
