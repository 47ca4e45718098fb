"""Configurations as JSON and back, so that a run can be loaded from its folder alone."""

import dataclasses
import importlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

TYPE = "__dataclass__"
# In the metadata of a field: the version that added it. Files and digests of older versions lack the field.
ADDED = "added_in"
# Only classes of the project are made from a file: a run folder may come from anywhere.
ROOTS = ("jax_s4rl", "experiments")
# Classes that version 0.1 kept elsewhere, so that its run directories can still be read.
MOVED = {
    "experiments.learning.Settings": "jax_s4rl.agents.decision_transformer.Settings",
    "experiments.run_folder.Description": "jax_s4rl.agents.run_directory.Description",
    "experiments.run_folder.World": "jax_s4rl.agents.run_directory.World",
    "jax_s4rl.models.configs.DecisionConfig": "jax_s4rl.models.configs.DecisionTransformerConfig",
}


def to_json(value: Any) -> Any:
    """Turns nested dataclasses, mappings, sequences and scalars into what JSON holds.

    A dataclass becomes an object of its fields, with its module and name, so that `from_json` can make it again.

    Args:
      value: what to turn.

    Returns:
      Nested dictionaries, lists and scalars.

    Raises:
      ValueError: something JSON cannot hold, or a dataclass that could not be made again.

    Example:
      >>> to_json({"sizes": (1, 2)})
      {'sizes': [1, 2]}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"got {value}, which JSON cannot hold; give a finite number or None")
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
        return {TYPE: _name(type(value))} | fields
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    raise ValueError(
        f"got a {type(value).__name__} in a configuration; give numbers, strings, sequences or dataclasses"
    )


def identity(value: Any) -> Any:
    """Values alone, so that digests last: no names of classes or modules, no fields that a later version added.

    An added field counts if it differs from its default.

    Args:
      value: what to turn.

    Returns:
      Nested dictionaries, lists and scalars.

    Raises:
      ValueError: as `to_json`.

    Example:
      >>> identity((1, {"rate": 0.5}))
      [1, {'rate': 0.5}]
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = [field for field in dataclasses.fields(value) if field.init and not _is_added_default(field, value)]
        return {field.name: identity(getattr(value, field.name)) for field in kept}
    if isinstance(value, Mapping):
        return {str(key): identity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [identity(item) for item in value]
    return to_json(value)


def from_json(value: Any) -> Any:
    """Makes again what `to_json` turned; sequences come back as tuples.

    Fields that a later version added may be missing.

    Raises:
      ValueError: a class that is not the project's or is no longer there, or other fields than it has now.
    """
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    fields = {key: from_json(item) for key, item in value.items() if key != TYPE}
    if TYPE not in value:
        return fields
    name = str(value[TYPE])
    made = _find(MOVED.get(name, name))
    known = {field.name for field in dataclasses.fields(made) if field.init}
    added = {field.name for field in dataclasses.fields(made) if ADDED in field.metadata}
    if not known - added <= fields.keys() <= known:
        raise ValueError(
            f"{value[TYPE]} was saved with fields that differ from today's: "
            f"missing {sorted(known - added - fields.keys())}, unknown {sorted(fields.keys() - known)}; "
            "use the version of jax_s4rl that saved it"
        )
    return made(**fields)


def check_same(saved: Any, given: Any, *, where: str) -> None:
    """Raises `ValueError` naming the fields in which two configurations differ.

    Args:
      saved: JSON of the one that is on disk.
      given: JSON of the one that is asked for.
      where: what holds the saved one.

    Example:
      >>> check_same({"model": {"width": 8}}, {"model": {"width": 16}}, where="runs/x")
      Traceback (most recent call last):
      ...
      ValueError: runs/x was made with another configuration: model.width is 8 there, 16 was given; go on with the ...
    """
    old, new = dict(_leaves(saved)), dict(_leaves(given))
    # An option that is not chosen is not in files of versions that did not have it.
    names = [name for name in old | new if old.get(name) != new.get(name)]
    if names:
        differences = ", ".join(f"{name} is {_shown(old, name)} there, {_shown(new, name)} was given" for name in names)
        raise ValueError(
            f"{where} was made with another configuration: {differences}; go on with the saved values, or choose "
            "another folder"
        )


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, MOVED.get(value, value) if isinstance(value, str) else value


def _shown(leaves: dict[str, Any], name: str) -> str:
    return repr(leaves[name]) if name in leaves else "nothing"


def _is_added_default(field: dataclasses.Field, value: Any) -> bool:
    return ADDED in field.metadata and getattr(value, field.name) == field.default


def _name(made: type) -> str:
    name = f"{made.__module__}.{made.__qualname__}"
    if made.__module__.split(".")[0] not in ROOTS or "." in made.__qualname__:
        raise ValueError(f"{name} cannot be made again from a file; define it at the top of a module of {ROOTS}")
    return name


def _find(name: str) -> type:
    module, _, made = name.rpartition(".")
    if module.split(".")[0] in ROOTS:
        try:
            found = getattr(importlib.import_module(module), made)
        except (ImportError, AttributeError):
            found = None
        if isinstance(found, type) and dataclasses.is_dataclass(found):
            return found
    raise ValueError(f"there is no configuration {name}; use the version of jax_s4rl that saved it")
