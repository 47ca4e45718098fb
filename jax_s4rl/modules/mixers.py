"""The sequence mixers by name, and the verbs that each of them has."""

import difflib
from typing import Any, Protocol

import flax.linen as nn
from jaxtyping import Array, Bool, Float

from jax_s4rl.modules import attention, s4d


class Mixer(Protocol):
    """What a decision model asks of its sequence mixer: three equal views of one causal map.

    `__call__` maps a whole sequence, or a chunk of it if the state of the chunk before is handed on; `step` maps one
    token. `prepare` makes what all steps share, once before acting. Both take resets (an episode starts here).
    """

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        state: Any = None,
        *,
        resets: Bool[Array, "batch length"] | None = None,
        mask: Bool[Array, "batch length"] | None = None,
    ) -> tuple[Float[Array, "batch length width"], Any]:
        """Mixes a whole sequence or the next chunk."""
        ...

    def init_state(self, batch_size: int, max_length: int) -> Any:
        """The state before the first token of sequences of at most `max_length` tokens."""
        ...

    def prepare(self) -> Any:
        """Constants that every step shares."""
        ...

    def step(
        self,
        constants: Any,
        x: Float[Array, "batch width"],
        state: Any,
        reset: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch width"], Any]:
        """Mixes one token."""
        ...


NAMES = ("attention", "s4d")


def make(name: str, *, width: int, num_heads: int, state_size: int) -> nn.Module:
    """Makes the mixer called `name`.

    Args:
      name: one of `NAMES`.
      width: number of features.
      num_heads: heads of attention.
      state_size: real state size N of a state space model.

    Returns:
      An unbound Flax module with the verbs of `Mixer`.

    Raises:
      ValueError: no mixer has that name.

    Example:
      >>> make("s4d", width=8, num_heads=1, state_size=4).width
      8
    """
    check(name)
    if name == "attention":
        return attention.Attention(width, num_heads)
    return s4d.S4D(width, state_size)


def check(name: str) -> None:
    """Raises `ValueError` unless there is a mixer of that name."""
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"there is no mixer {name!r}; choose one of {', '.join(NAMES)}{hint}")
