"""Offline reinforcement learning by sequence modelling with state space models.

State space models take the place of attention in a decision transformer. The package has three main
functions:

* `train` trains a decision transformer on a dataset, in a run directory, and returns the agent;
* `load` loads an agent from its run directory;
* `evaluate` runs episodes of an agent in its environment, for target returns.

Below them are layers that can be used alone. Each is a package whose modules are imported at first
use: `kernels` (pure functions on arrays), `modules` (Flax layers around kernels), `models` (the
decision transformer and its policy), `data`, `envs`, `collection` (named datasets), `training`,
`evaluation`, `agents` (a model and its training on a task) and `cli` (the command `jax-s4rl`).
`self_test` tests the installed JAX before the first training or evaluation.

Importing this package imports none of them, so that `import jax_s4rl.kernels` needs jax, numpy and
jaxtyping alone.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl import agents as agents
    from jax_s4rl import cache_folders as cache_folders
    from jax_s4rl import cli as cli
    from jax_s4rl import collection as collection
    from jax_s4rl import data as data
    from jax_s4rl import envs as envs
    from jax_s4rl import evaluation as evaluation
    from jax_s4rl import kernels as kernels
    from jax_s4rl import models as models
    from jax_s4rl import modules as modules
    from jax_s4rl import parameter_groups as parameter_groups
    from jax_s4rl import self_test as self_test
    from jax_s4rl import training as training
    from jax_s4rl.agents.agent import evaluate as evaluate
    from jax_s4rl.agents.agent import load as load
    from jax_s4rl.agents.agent import train as train

__version__ = "0.2.0"

# Before JAX is imported, which reads this once. On some processors XLA prints two errors for each
# program that it loads from the cache of compiled programs, because it takes two hints for the
# compiler as parts of the processor. True errors of XLA arrive as exceptions of Python.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FRONT_DOOR = ("train", "evaluate", "load")

_open, _names = _lazy.attach(__name__)


def __getattr__(name: str) -> Any:
    if name in FRONT_DOOR:
        return getattr(importlib.import_module("jax_s4rl.agents.agent"), name)
    return _open(name)


def __dir__() -> list[str]:
    return sorted({*_names(), *FRONT_DOOR})
