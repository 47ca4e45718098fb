"""Flax (Linen) layers with weights for the kernels; all sequence mixers have the same methods.

`S4D`, `S4`, `S5`, `LRU`, `Mamba2` and `Mamba` are layers for any Flax code:
`from jax_s4rl.modules import S4D`.
"""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy

if TYPE_CHECKING:
    from jax_s4rl.modules import attention as attention
    from jax_s4rl.modules import backward as backward
    from jax_s4rl.modules import block as block
    from jax_s4rl.modules import dropout as dropout
    from jax_s4rl.modules import embeddings as embeddings
    from jax_s4rl.modules import groups as groups
    from jax_s4rl.modules import heads as heads
    from jax_s4rl.modules import latents as latents
    from jax_s4rl.modules import lru as lru
    from jax_s4rl.modules import lstm as lstm
    from jax_s4rl.modules import mamba as mamba
    from jax_s4rl.modules import mamba2 as mamba2
    from jax_s4rl.modules import mixer_checks as mixer_checks
    from jax_s4rl.modules import mixers as mixers
    from jax_s4rl.modules import mlp as mlp
    from jax_s4rl.modules import s4 as s4
    from jax_s4rl.modules import s4d as s4d
    from jax_s4rl.modules import s5 as s5
    from jax_s4rl.modules import selective as selective
    from jax_s4rl.modules import state_space as state_space
    from jax_s4rl.modules import tokens as tokens
    from jax_s4rl.modules.lru import LRU as LRU
    from jax_s4rl.modules.mamba import Mamba as Mamba
    from jax_s4rl.modules.mamba2 import Mamba2 as Mamba2
    from jax_s4rl.modules.s4 import S4 as S4
    from jax_s4rl.modules.s4d import S4D as S4D
    from jax_s4rl.modules.s5 import S5 as S5

__getattr__, __dir__ = _lazy.attach(
    __name__,
    {"S4D": "s4d", "S4": "s4", "S5": "s5", "LRU": "lru", "Mamba2": "mamba2", "Mamba": "mamba"},
)
