"""Trees of arrays and typed keys as flat dictionaries on the host, the content of a checkpoint."""

import hashlib
import json
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class FlatTree(NamedTuple):
    """A tree without its structure.

    Attributes:
        arrays: Array of each leaf, by the leaf's path; for a typed key, the data of the key. Empty
            arrays are left out.
        keys: Implementation of each leaf that is a typed key, by the leaf's path.
    """

    arrays: dict[str, np.ndarray]
    keys: dict[str, str]

    def shapes(self) -> dict[str, list[Any]]:
        """Returns type and shape of each array in a form that JSON holds."""
        return {name: [array.dtype.name, *array.shape] for name, array in self.arrays.items()}

    def digest(self) -> str:
        """Computes the SHA-256 of names, types, shapes and all numbers."""
        digest = hashlib.sha256(json.dumps([self.shapes(), self.keys], sort_keys=True).encode())
        for name in sorted(self.arrays):
            digest.update(np.ascontiguousarray(self.arrays[name]).tobytes())
        return digest.hexdigest()

    def not_finite(self) -> list[str]:
        """Returns the paths of arrays with a number that is not finite."""
        # By JAX's types: to NumPy, bfloat16 is not a floating-point type.
        floats = {
            name: x for name, x in self.arrays.items() if jnp.issubdtype(x.dtype, jnp.inexact)
        }
        return [name for name, array in floats.items() if not np.isfinite(array).all()]


def flatten(tree: Any) -> FlatTree:
    """Copies a tree to the host.

    Args:
        tree: Tree of arrays and typed keys.

    Returns:
        Copies of the arrays, which later updates do not change.

    Example:
        >>> flat = flatten({"a": jnp.ones(2), "key": jax.random.key(3)})
        >>> flat.shapes(), flat.keys
        ({"['a']": ['float32', 2], "['key']": ['uint32', 2]}, {"['key']": 'threefry2x32'})
    """
    leaves = [
        (jax.tree_util.keystr(path), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]
    keys = {name: str(jax.random.key_impl(leaf)) for name, leaf in leaves if _is_key(leaf)}
    data = {name: jax.random.key_data(leaf) if name in keys else leaf for name, leaf in leaves}
    # A copy: on the CPU, NumPy would share the memory of a JAX array, which the next update may
    # overwrite because its argument is donated.
    return FlatTree(
        {name: np.array(leaf, copy=True) for name, leaf in data.items() if np.size(leaf)}, keys
    )


def unflatten(flat: FlatTree, like: Any) -> Any:
    """Puts arrays back into a tree; arrays for which the tree has no leaf are ignored.

    Args:
        flat: Flat tree from `flatten`.
        like: Tree of the wanted structure, with arrays or with the shapes of `jax.eval_shape`.

    Returns:
        NumPy arrays and typed keys in that structure.

    Raises:
        ValueError: If an array is missing, or has another type or shape.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    return jax.tree.unflatten(
        structure, [_leaf(flat, jax.tree_util.keystr(path), leaf) for path, leaf in leaves]
    )


def _leaf(flat: FlatTree, name: str, like: Any) -> Any:
    # Empty arrays are not saved.
    if not math.prod(like.shape):
        return jnp.zeros(like.shape, like.dtype)
    if name not in flat.arrays:
        raise ValueError(f"no array {name} was saved, only {len(flat.arrays)} others; {_REMEDY}")
    array: Any = flat.arrays[name]
    if name in flat.keys:
        array = jax.random.wrap_key_data(jnp.asarray(array), impl=flat.keys[name])
    if array.shape != like.shape or array.dtype != like.dtype:
        raise ValueError(
            f"{name} was saved as {array.dtype}{list(array.shape)}, wanted "
            f"{like.dtype}{list(like.shape)}; {_REMEDY}"
        )
    return array


_REMEDY = "build model, optimizer and seeds as they were when it was saved"


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
