"""Optimizer groups that are assigned to parameters when they are initialized.

State space parameters need a lower learning rate and no weight decay. The initializer of a
parameter names its group, so that no parameter has to be matched by its name later.
"""

from collections.abc import Callable
from typing import Any

import jax
from flax import struct
from flax.core import meta

from jax_s4rl import parameter_groups


class Grouped(struct.PyTreeNode, meta.AxisMetadata[Any]):
    """A parameter boxed with the name of its optimizer group; Flax unboxes it wherever it is used.

    Attributes:
        value: The parameter.
        group: Name of its optimizer group.
    """

    value: Any
    group: str = struct.field(pytree_node=False)

    def unbox(self) -> Any:
        """Returns the bare parameter."""
        return self.value

    def replace_boxed(self, val: Any) -> "Grouped":
        """Returns the same box around another value."""
        return self.replace(value=val)

    def add_axis(self, index: int, params: dict[Any, Any]) -> "Grouped":
        """Keeps the group when a lifted transformation adds an axis."""
        del index, params
        return self

    def remove_axis(self, index: int, params: dict[Any, Any]) -> "Grouped":
        """Keeps the group when a lifted transformation removes an axis."""
        del index, params
        return self

    @classmethod
    def from_nnx_metadata(cls, metadata: dict[str, Any]) -> "Grouped":
        """Makes the box of a variable of `flax.nnx`, whose metadata hold value and group."""
        return cls(metadata["value"], metadata["group"])


def state_space(initializer: Callable[..., jax.Array]) -> Callable[..., Any]:
    """Wraps an initializer so that its parameter belongs to the state space group.

    Args:
        initializer: Function of a key (and any further arguments) that returns the parameter.

    Returns:
        The same function with a boxed result.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> box = state_space(lambda key: jnp.zeros(3))(jax.random.key(0))
        >>> labels({"A": box, "w": jnp.zeros(2)})
        {'A': 'state_space', 'w': 'default'}
    """

    def boxed(*args: Any) -> Grouped:
        return Grouped(initializer(*args), parameter_groups.STATE_SPACE)

    return boxed


def labels(params: Any) -> Any:
    """Returns the group of every parameter, as a tree for `optax.multi_transform`.

    Args:
        params: Tree that `Module.init` returned, with its boxes.

    Returns:
        A tree of the same structure as `strip(params)`, with group names for leaves.
    """
    # A box is a pytree node, so `is_leaf` stops the traversal in front of the array inside.
    return jax.tree.map(
        lambda leaf: leaf.group if isinstance(leaf, Grouped) else parameter_groups.DEFAULT,
        params,
        is_leaf=lambda leaf: isinstance(leaf, Grouped),
    )


def strip(params: Any) -> Any:
    """Returns the tree of bare arrays without boxes, which is trained, saved and counted."""
    return meta.unbox(params)
