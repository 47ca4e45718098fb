"""Scripts that train, act and report; each reads from top to bottom."""

# Imported before JAX, because it turns off false error messages of JAX's compiler.
import jax_s4rl  # noqa: F401
