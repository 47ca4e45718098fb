"""Compiled programs that outlive the process."""

import os
from pathlib import Path

import jax

FOLDER_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def enable_cache() -> Path:
    """Keeps compiled programs on disk, so that the next run of a script starts at once.

    Returns:
      The folder: `$JAX_COMPILATION_CACHE_DIR`, or `jax_s4rl/compiled` in the user's cache folder.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else cache / "jax_s4rl" / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Many small programs make up the start of a script; each is worth keeping.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder
