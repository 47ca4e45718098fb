"""Registers the types of the kernels with `jax.export`, so that it can save programs with them.

JAX saves tuples, lists and dictionaries; any other type needs a name, which becomes part of the
file. Saving itself needs the package `flatbuffers` (`pip install jax-s4rl[export]`), which JAX
imports only then.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from jax import export

from jax_s4rl.kernels import (
    _chunks,
    _dplr,
    _mimo,
    attention,
    discretization,
    initialization,
    lru,
    s4,
    s4d,
    s5,
    s6,
    selective_weights,
    ssd,
    trainable,
)
from jax_s4rl.kernels import (
    complex_pair as cplx,
)

# A type takes its name from the first of these modules that contains it.
MODULES = (
    s4,
    s4d,
    s5,
    ssd,
    s6,
    lru,
    _mimo,
    _dplr,
    attention,
    initialization,
    trainable,
    selective_weights,
    discretization,
    _chunks,
)


def register() -> None:
    """Registers the types of the kernels; called once, when `jax_s4rl.kernels` is imported.

    Example:
        >>> "s4d.Parameters" in names()
        True
    """
    export.register_pytree_node_serialization(
        cplx.Pair,
        serialized_name="jax_s4rl.complex_pair.Pair",
        serialize_auxdata=lambda _: b"",
        deserialize_auxdata=lambda _: (),
        from_children=_pair,
    )
    for name, kind in names().items():
        export.register_namedtuple_serialization(kind, serialized_name=f"jax_s4rl.{name}")


def _pair(aux_data: Any, children: Sequence[Any]) -> cplx.Pair:
    del aux_data
    return cplx.Pair(*children)


def names() -> dict[str, type]:
    """Returns the NamedTuples of the kernels by the names that they are saved under.

    Example:
        >>> names()["mimo.Constants"] is _mimo.Constants
        True
    """
    name_of: dict[type, str] = {}
    for module in MODULES:
        for name, value in vars(module).items():
            if _is_kernel_type(value) and not name.startswith("_"):
                # Modules import types from each other: the first name of a type stays.
                name_of.setdefault(value, f"{_stem(module)}.{name}")
    return {name: kind for kind, name in name_of.items()}


def _is_kernel_type(value: Any) -> bool:
    is_named_tuple = (
        isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")
    )
    return is_named_tuple and value.__module__.startswith("jax_s4rl.kernels.")


def _stem(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2].lstrip("_")


register()
