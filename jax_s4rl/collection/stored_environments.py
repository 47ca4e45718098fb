"""Decides whether an environment that a file names may be made.

A file must not run code: an id with a module imports it, and arguments can name files, open windows
or fill the memory. A caller who trusts the file names the environment.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium

from jax_s4rl.collection import catalog
from jax_s4rl.envs import reference_scores, registry

MAX_NUMBER = 1_000_000
MAX_TEXT = 100
REMEDY = "if you trust it, name the environment yourself: pass env= and env_kwargs="


def check(env_id: Any, kwargs: Any) -> tuple[str, dict[str, Any]]:
    """Checks an environment that a file names.

    Args:
        env_id: Id from the file.
        kwargs: Arguments from the file.

    Returns:
        The id and the arguments: both are safe to give to `registry.make`.

    Raises:
        ValueError: If the id names a module or is not registered, or an argument is neither one
            that the recipes of this environment use, nor one that it is registered with.

    Example:
        >>> check("jax_s4rl/RandomWalk-v0", {"graph_seed": 3})
        ('jax_s4rl/RandomWalk-v0', {'graph_seed': 3})
        >>> check("os:CartPole-v1", {})
        Traceback (most recent call last):
        ValueError: got the environment 'os:CartPole-v1' from a file, wanted an id without a ...
    """
    if not isinstance(env_id, str) or ":" in env_id:
        raise ValueError(
            f"got the environment {_brief(env_id)} from a file, wanted an id without a module, "
            f"whose code would run; {REMEDY}"
        )
    if not isinstance(kwargs, Mapping):
        raise ValueError(
            f"got {_brief(kwargs)} from a file as the arguments of {env_id}, wanted them by name; "
            f"{REMEDY}"
        )
    name, resolved = registry.resolve(env_id, dict(kwargs))
    family = str(resolved.get("bsuite_id", "")).partition("/")[0]
    if family and family not in reference_scores.BSUITE:
        raise ValueError(
            f"got bsuite's {_brief(family)} from a file, wanted one of "
            f"{', '.join(reference_scores.BSUITE)}: others can download data; {REMEDY}"
        )
    registered = gymnasium.registry[name].kwargs
    used = _used(name)
    for argument, value in kwargs.items():
        is_same = argument in registered and _is_same(registered[argument], value)
        if not is_same and not (type(value) in used.get(argument, ()) and _is_small(value)):
            raise ValueError(
                f"got {_brief(argument)}: {_brief(value)} from a file as an argument of {env_id}, "
                f"wanted one that the data sets of this package use; {REMEDY}"
            )
    return env_id, dict(kwargs)


def of_metadata(metadata: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Checks the environment of the description of a dataset.

    Args:
        metadata: Description of a dataset.

    Returns:
        The id and the arguments; None if it names no environment.

    Raises:
        ValueError: As `check` does.
    """
    named = metadata.get("env")
    if not named:
        return None
    if not isinstance(named, Mapping):
        raise ValueError(
            f'got {_brief(named)} from a file as its environment, wanted {{"id", "kwargs"}}; '
            f"{REMEDY}"
        )
    return check(named.get("id"), named.get("kwargs") or {})


@functools.cache  # asked once for each environment of a rollout; recipes do not change
def _used(name: str) -> dict[str, set[type]]:
    """Returns the arguments that recipes give to an environment, with the types of their values."""
    # Gymnasium's own limit of steps fits every environment, and can do no harm.
    used: dict[str, set[type]] = {"max_episode_steps": {int}}
    for env_id, given in _environments():
        resolved, kwargs = registry.resolve(env_id, dict(given))
        if resolved == name:
            for argument, value in kwargs.items():
                used.setdefault(argument, set()).add(type(value))
    return used


def _environments() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for recipe in catalog.all_recipes().values():
        yield recipe.env_id, recipe.env_kwargs
        for part in recipe.parts:
            if (run := getattr(part, "run", None)) is not None:
                yield run.env_id, run.env_kwargs


def _is_same(registered: Any, value: Any) -> bool:
    return type(registered) is type(value) and registered == value


def _is_small(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return isinstance(value, int) and 0 <= value <= MAX_NUMBER


def _brief(value: Any) -> str:
    return repr(value)[:80]
