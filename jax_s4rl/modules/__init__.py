"""Flax (Linen) layers with weights for the kernels; all sequence mixers have the same methods."""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.modules import attention as attention
    from jax_s4rl.modules import block as block
    from jax_s4rl.modules import dropout as dropout
    from jax_s4rl.modules import embeddings as embeddings
    from jax_s4rl.modules import groups as groups
    from jax_s4rl.modules import heads as heads
    from jax_s4rl.modules import lru as lru
    from jax_s4rl.modules import lstm as lstm
    from jax_s4rl.modules import mixers as mixers
    from jax_s4rl.modules import mlp as mlp
    from jax_s4rl.modules import s4 as s4
    from jax_s4rl.modules import s4d as s4d
    from jax_s4rl.modules import s5 as s5
    from jax_s4rl.modules import state_space as state_space
    from jax_s4rl.modules import tokens as tokens

__getattr__, __dir__ = _lazy.attach(__name__)
