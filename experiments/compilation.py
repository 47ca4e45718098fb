"""Compiled programs that outlive the process."""

from pathlib import Path

import jax

from jax_s4rl import cache_folders

FOLDER_VARIABLE = cache_folders.COMPILED_VARIABLE


def enable_cache() -> Path:
    """Keeps compiled programs on disk, so that the next run of a script starts at once.

    Returns:
      The folder: `$JAX_COMPILATION_CACHE_DIR`, or `jax_s4rl/compiled` in the user's cache folder.
    """
    folder = cache_folders.compiled()
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Many small programs make up the start of a script; each is worth keeping.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder
