"""Makes JAX strict for every test, and gives the process several CPU devices."""

import os
import signal

# A job in the background of a script ignores SIGINT, and so would the processes of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("MPLBACKEND", "agg")

import jax
from jaxtyping import install_import_hook

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Shapes in signatures are checked at run time, in tests only: users pay nothing for them. The long
# tests and those with the newest JAX go without the checks, which take about a fifth of the time.
CHECKED = [
    "jax_s4rl.kernels",
    "jax_s4rl.modules",
    "jax_s4rl.models",
    "jax_s4rl.data",
    "jax_s4rl.training",
]
if not os.environ.get("UNCHECKED_SHAPES"):
    install_import_hook(CHECKED, "beartype.beartype")
