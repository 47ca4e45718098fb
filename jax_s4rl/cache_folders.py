"""Names the folders in which data sets and compiled programs are kept; makes none of them."""

import os
from pathlib import Path

import jax

DATA_VARIABLE = "JAX_S4RL_DATA"
COMPILED_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def data() -> Path:
    """Folder of recorded data sets: `$JAX_S4RL_DATA`, or `jax_s4rl` in the user's cache folder."""
    return Path(os.environ.get(DATA_VARIABLE) or _users() / "jax_s4rl")


def compiled() -> Path:
    """Folder of compiled programs: `$JAX_COMPILATION_CACHE_DIR`, or `jax_s4rl/compiled` in the user's cache folder."""
    return Path(os.environ.get(COMPILED_VARIABLE) or _users() / "jax_s4rl" / "compiled")


def _users() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


FOLDER_VARIABLE = COMPILED_VARIABLE


def enable_cache() -> Path:
    """Keeps compiled programs on disk, so that the next run of a script starts at once.

    Returns:
      The folder: `$JAX_COMPILATION_CACHE_DIR`, or `jax_s4rl/compiled` in the user's cache folder.
    """
    folder = compiled()
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Many small programs make up the start of a script; each is worth keeping.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder
