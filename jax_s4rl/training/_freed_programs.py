"""Frees compiled programs of functions that nobody can call any more."""

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import jax

Mapped = TypeVar("Mapped", bound=Callable[..., Any])


def with_its_function(mapped: Mapped, function: Callable[..., Any]) -> Mapped:
    """Lets a pmapped function free its programs, 20 to 100 MB each, when it is dropped.

    Args:
        mapped: Result of `jax.pmap`.
        function: Function that `jax.pmap` was given; by no other caller, whose programs would go
            too.

    Returns:
        `mapped`.
    """
    weakref.finalize(mapped, _forget, function).atexit = False
    return mapped


def _forget(function: Callable[..., Any]) -> None:
    # The cache of `jax.pmap` holds its functions weakly, but the programs in it hold the functions,
    # so that both stay until `jax.clear_caches` clears the programs of everybody. A JAX without
    # this private function keeps them; a test says so.
    cache = getattr(getattr(jax, "_src", None), "pmap", None)
    evict = getattr(getattr(cache, "_cached_shard_map", None), "evict_function", None)
    if evict is not None:
        evict(function)
