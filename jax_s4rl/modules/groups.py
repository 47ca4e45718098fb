"""Optimizer groups that are born with the parameters.

State space parameters want a lower learning rate and no weight decay. A parameter says so where it is made, by its
initializer; nothing is matched by name later.
"""

from collections.abc import Callable
from typing import Any

import jax
from flax import struct
from flax.core import meta

DEFAULT = "default"
STATE_SPACE = "state_space"


class Grouped(struct.PyTreeNode, meta.AxisMetadata[Any]):
    """A parameter boxed with the name of its optimizer group; Flax takes the box off wherever it is used."""

    value: Any
    group: str = struct.field(pytree_node=False)

    def unbox(self) -> Any:
        """The bare parameter."""
        return self.value

    def replace_boxed(self, val: Any) -> "Grouped":
        """The same box around another value."""
        return self.replace(value=val)

    def add_axis(self, index: int, params: dict[Any, Any]) -> "Grouped":
        """A lifted transformation adds an axis; the group stays."""
        del index, params
        return self

    def remove_axis(self, index: int, params: dict[Any, Any]) -> "Grouped":
        """A lifted transformation removes an axis; the group stays."""
        del index, params
        return self


def state_space(initializer: Callable[..., jax.Array]) -> Callable[..., Any]:
    """Wraps an initializer so that its parameter belongs to the state space group.

    Args:
      initializer: function of a key (and whatever else) that returns the parameter.

    Returns:
      The same function, whose result is boxed.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> box = state_space(lambda key: jnp.zeros(3))(jax.random.key(0))
      >>> labels({"A": box, "w": jnp.zeros(2)})
      {'A': 'state_space', 'w': 'default'}
    """

    def boxed(*args: Any) -> Grouped:
        return Grouped(initializer(*args), STATE_SPACE)

    return boxed


def labels(params: Any) -> Any:
    """The group of every parameter, as a tree for `optax.multi_transform`.

    Args:
      params: the tree that `Module.init` returned, boxes still on.

    Returns:
      A tree of the same structure as `strip(params)` with group names for leaves.
    """
    return jax.tree.map(
        lambda leaf: leaf.group if isinstance(leaf, Grouped) else DEFAULT,
        params,
        is_leaf=lambda leaf: isinstance(leaf, Grouped),
    )


def strip(params: Any) -> Any:
    """Takes the boxes off: the tree of bare arrays that is trained, saved and counted."""
    return meta.unbox(params)
