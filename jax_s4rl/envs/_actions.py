"""Check of an action before an environment steps."""

import operator
from typing import Any


def as_index(action: Any, num_actions: int) -> int:
    """Converts an action to a Python int and checks that it is one of `num_actions` actions.

    Args:
        action: Integer of any kind (Python, NumPy scalar, NumPy array without axes).
        num_actions: Size of the action space.

    Returns:
        The action, in `0 ... num_actions - 1`.

    Raises:
        ValueError: If the action is not an integer or lies outside the space.

    Example:
        >>> as_index(2, 4)
        2
    """
    # `operator.index` refuses floats, which int() would truncate silently.
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
