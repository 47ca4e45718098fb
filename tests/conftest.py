"""Makes JAX strict for every test, and gives the process several CPU devices."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("MPLBACKEND", "agg")

import jax
from jaxtyping import install_import_hook

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Shapes in signatures are checked at run time, in tests only: users pay nothing for them.
CHECKED = [
    "jax_s4rl.kernels",
    "jax_s4rl.modules",
    "jax_s4rl.models",
    "jax_s4rl.data",
    "jax_s4rl.training",
]
install_import_hook(CHECKED, "beartype.beartype")
