"""A pytest plugin: XLA leaves out what makes programs fast, and compiles in half the time.

For tests that compile much and compute little: `python -m pytest -p tests.quick_compile`. Without
it, programs are those that a user runs.
"""

import os
from importlib import metadata

FLAGS = [
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    # Else LLVM takes a small program apart, and compiles its parts for more processors.
    "--xla_cpu_parallel_codegen_split_count=1",
]
# XLA ends the process at a flag that it does not know; JAX 0.12 has this one no more.
if tuple(int(part) for part in metadata.version("jax").split(".")[:2]) < (0, 12):
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")

os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *FLAGS]).strip()
