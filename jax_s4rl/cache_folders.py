"""Names the folders of datasets and compiled programs."""

import os
from pathlib import Path

DATA_VARIABLE = "JAX_S4RL_DATA"
COMPILED_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def data() -> Path:
    """Returns the folder of recorded datasets.

    It is `$JAX_S4RL_DATA`, or `jax_s4rl` in the user's cache folder.
    """
    return Path(os.environ.get(DATA_VARIABLE) or _user_cache() / "jax_s4rl")


def compiled() -> Path:
    """Returns the folder of compiled programs.

    It is `$JAX_COMPILATION_CACHE_DIR`, or `jax_s4rl/compiled` in the user's cache folder.
    """
    return Path(os.environ.get(COMPILED_VARIABLE) or _user_cache() / "jax_s4rl" / "compiled")


def enable_compilation_cache() -> Path:
    """Keeps compiled programs on disk, so that the next process need not compile them again.

    Programs that compile in less than 0.1 seconds are left out, unless JAX's setting of that time
    is shorter.

    Returns:
        The folder, see `compiled`.
    """
    # Imported here, because the doctor names the folders even if JAX is broken.
    import jax

    folder = compiled()
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Much of the start of a script is many small programs, so those are kept too.
    shortest = "jax_persistent_cache_min_compile_time_secs"
    jax.config.update(shortest, min(0.1, getattr(jax.config, shortest)))
    return folder


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
