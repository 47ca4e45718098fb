"""Scripts that measure speed, memory and accuracy."""

# Imported before JAX, because it turns off false error messages of JAX's compiler.
import jax_s4rl  # noqa: F401
