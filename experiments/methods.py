"""The methods of result rows, each in one line: its name for readers, and its color in pictures."""

from typing import NamedTuple


class Method(NamedTuple):
    """How a method is shown.

    Attributes:
        title: Name for readers.
        color: Color in every picture.
        is_state_space: Whether it is a mixer whose memory is a state of linear dynamics.
    """

    title: str
    color: str
    is_state_space: bool = False


# In the order of tables.
METHODS = {
    "attention": Method("attention", "#1f6fb4"),
    "s4d": Method("S4D", "#d1580a", is_state_space=True),
    "s4": Method("S4", "#b0306a", is_state_space=True),
    "s5": Method("S5", "#2a8a4a", is_state_space=True),
    "lstm": Method("LSTM", "#7a4bb5"),
    "lru": Method("LRU", "#00808a", is_state_space=True),
    "mamba2": Method("Mamba-2", "#6b8e23", is_state_space=True),
    "mamba": Method("Mamba", "#c0392b", is_state_space=True),
    "mlp": Method("mlp", "#5a4a2f"),
    "percent_bc": Method("%BC", "#1d1d1d"),
    "bc": Method("BC", "#6d6d6d"),
    "cql": Method("CQL", "#8a6d00"),
}
