"""Joins the numbers of one-hot vectors: each vector becomes one number, the place of its one."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def pack(
    numbers: Float[Array | np.ndarray, "*rows N"], sizes: Sequence[int]
) -> Float[Array, "*rows P"]:
    """Joins the numbers of each part.

    Args:
        numbers: Rows of numbers.
        sizes: Lengths of their P consecutive parts, N together. A part of several numbers is a
            one-hot vector.

    Returns:
        The number of a part of one; for a one-hot vector the place of its one, counted from 1, or 0
        if all of its numbers are zero.

    Example:
        >>> pack(np.array([[0.0, 1.0, 0.0, 7.0], [0.0, 0.0, 0.0, 8.0]]), (3, 1)).tolist()
        [[2.0, 7.0], [0.0, 8.0]]
    """
    parts = jnp.split(jnp.asarray(numbers), np.cumsum(sizes)[:-1].tolist(), axis=-1)
    columns = [
        part[..., 0] if size == 1 else part @ jnp.arange(1, size + 1, dtype=part.dtype)
        for part, size in zip(parts, sizes, strict=True)
    ]
    return jnp.stack(columns, axis=-1)


def categories(sizes: Sequence[int]) -> list[int | None]:
    """Returns the number of categories of each part, from 0 on; None for a part of one number.

    Args:
        sizes: Lengths of the parts, as in `pack`.

    Example:
        >>> categories((3, 1))
        [4, None]
    """
    return [None if size == 1 else size + 1 for size in sizes]


def check(numbers: Float[np.ndarray, "rows N"], sizes: Sequence[int]) -> None:
    """Checks that rows of numbers have these parts.

    Args:
        numbers: Rows of numbers.
        sizes: Lengths of the parts, as in `pack`.

    Raises:
        ValueError: If the lengths do not sum up to N, or a part of several numbers is no one-hot
            vector.
    """
    if min(sizes) < 1 or sum(sizes) != numbers.shape[1]:
        raise ValueError(
            f"the parts {tuple(sizes)} have {sum(sizes)} numbers together, but the rows have "
            f"{numbers.shape[1]}; give lengths of at least 1 that sum up to it"
        )
    for place, part in enumerate(np.split(numbers, np.cumsum(sizes)[:-1], axis=1)):
        is_hot = ((part == 0) | (part == 1)).all() and (part.sum(axis=1) <= 1).all()
        if part.shape[1] > 1 and not is_hot:
            raise ValueError(
                f"part {place} of {tuple(sizes)} is no one-hot vector in every row; give its "
                "numbers as parts of length 1"
            )
