"""Imports the modules of a package at first use, so that importing the package costs nothing."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(
    package: str, members: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes `__getattr__` and `__dir__` of a package, which import its public modules at first use.

    Args:
        package: Name of the package, `__name__` in its `__init__.py`.
        members: Further names that the package offers, each with the module that defines it.

    Returns:
        The two functions (PEP 562). The first raises `AttributeError` for any other name.

    Example:
        >>> get, names = attach("jax_s4rl.modules", {"S4D": "s4d"})
        >>> "s4d" in names(), "S4D" in names(), "_gate" in names()
        (True, True, False)
    """
    homes = dict(members or {})
    modules = [module.name for module in pkgutil.iter_modules(sys.modules[package].__path__)]
    public = sorted({*(name for name in modules if not name.startswith("_")), *homes})

    def get(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        if name in public:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: public
