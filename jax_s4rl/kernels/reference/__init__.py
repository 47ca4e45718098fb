"""Slow and simple float64 NumPy implementations of the kernels, which the tests compare with."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.kernels.reference import attention as attention
    from jax_s4rl.kernels.reference import convolution as convolution
    from jax_s4rl.kernels.reference import discretization as discretization
    from jax_s4rl.kernels.reference import hippo as hippo
    from jax_s4rl.kernels.reference import initialization as initialization
    from jax_s4rl.kernels.reference import mimo as mimo
    from jax_s4rl.kernels.reference import recurrence as recurrence
    from jax_s4rl.kernels.reference import selective as selective
    from jax_s4rl.kernels.reference import systems as systems

__getattr__, __dir__ = _lazy.attach(__name__)
