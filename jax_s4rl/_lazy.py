"""Imports the modules of a package at first use, so that importing the package costs nothing."""

import importlib
import pkgutil
import sys
from collections.abc import Callable
from types import ModuleType


def attach(package: str) -> tuple[Callable[[str], ModuleType], Callable[[], list[str]]]:
    """Makes `__getattr__` and `__dir__` of a package, which import its public modules at first use.

    Args:
        package: Name of the package, `__name__` in its `__init__.py`.

    Returns:
        The two functions (PEP 562). The first raises `AttributeError` for any other name.

    Example:
        >>> get, names = attach("jax_s4rl.kernels")
        >>> "s4d" in names(), "_checks" in names()
        (True, False)
    """
    names = [module.name for module in pkgutil.iter_modules(sys.modules[package].__path__)]
    public = sorted(name for name in names if not name.startswith("_"))

    def get(name: str) -> ModuleType:
        if name in public:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: public
