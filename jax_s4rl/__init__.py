"""Offline reinforcement learning by sequence modelling, with state space models in place of attention.

The package has two wings that meet only in `experiments/` and `benchmarks/`:

* learning machinery: `kernels` (mathematics), `modules` (weights), `models` (decisions);
* the world: `data` (what was recorded), `envs`, `collection`, `training`, `evaluation`.

`stack` tests the installed JAX before the first training or evaluation; `cli` has the commands.

Nothing is imported here, so that `import jax_s4rl.kernels` needs jax, numpy and chex alone.
"""

__version__ = "0.1.0"
