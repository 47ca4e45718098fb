"""Makes JAX strict for every test, and gives the process several CPU devices."""

import atexit
import gc
import os
import shutil
import signal
import tempfile
from collections import Counter

import pytest

# A job in the background of a script ignores SIGINT, and so would the processes of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("MPLBACKEND", "agg")
# Threads of two workers wait for each other: seconds for an eigenproblem that takes milliseconds.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Traces without the lines that each operation comes from: 7 % of the time of tests that compile.
os.environ.setdefault("JAX_INCLUDE_FULL_TRACEBACKS_IN_LOCATIONS", "0")

# Datasets and compiled programs of the tests lie in a folder of their own: a run of the tests
# neither uses nor changes those of the user. Workers inherit it.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="jax_s4rl-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)
    os.environ.pop("JAX_S4RL_DATA", None)
    # Workers, the processes that they start, and the runs that are given the same $TESTS_COMPILED
    # share compiled programs, also small ones, which take most of the time together. The flags of
    # XLA and its version are part of a program's name.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ.get("TESTS_COMPILED") or os.path.join(
        os.environ["XDG_CACHE_HOME"], "compiled"
    )
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

import jax_s4rl  # noqa: F401, I001 (before JAX, whose messages it chooses)
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


def pytest_collection_finish():
    """Looks for garbage rarely, and not among what was imported: that took 9 % of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 5, 5)


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what `-m` does not ask for
def pytest_collection_modifyitems(items):
    """Marks the cases of a test beyond the first of `fast_cases` as slow."""
    fast = Counter()
    for item in items:
        mark = item.get_closest_marker("fast_cases")
        if mark is None or item.get_closest_marker("slow"):
            continue
        test = item.nodeid.partition("[")[0]
        fast[test] += 1
        if fast[test] > mark.args[0]:
            item.add_marker(pytest.mark.slow)
