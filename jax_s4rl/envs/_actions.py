"""Checks an action before a world moves."""

import operator
from typing import Any


def as_index(action: Any, num_actions: int) -> int:
    """Turns an action into a Python int and makes sure that it names one of `num_actions` actions.

    Args:
        action: an integer of any kind (Python, NumPy scalar, NumPy array without axes).
        num_actions: size of the action space.

    Returns:
        The action, in `0 ... num_actions - 1`.

    Raises:
        ValueError: the action is no integer or lies outside the space.

    Example:
        >>> as_index(2, 4)
        2
    """
    try:
        index = operator.index(action)
    except TypeError:
        index = -1
    if not 0 <= index < num_actions:
        raise ValueError(
            f"got action {action!r}, but this environment has the actions 0 to {num_actions - 1}; "
            "pass one integer of that range"
        )
    return index
