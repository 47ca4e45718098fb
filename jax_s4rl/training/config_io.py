"""Conversion of configurations to JSON and back, so that a run can be loaded from its folder."""

import contextlib
import dataclasses
import importlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

TYPE = "__dataclass__"
# Key in the metadata of a dataclass field: the version that added the field. Files and digests of
# older versions lack it.
ADDED = "added_in"
# Key of fields that follow from others, for instance a fact of the data whose hash is there: where
# an older file lacks them, nothing can differ.
DERIVED = "is_derived"
# Only classes of the package are made from a file, because a run directory may come from anywhere.
ROOT = "jax_s4rl"
# Differences that a message lists, and letters of each value: a digest is shown whole.
MOST_LISTED, LONGEST_SHOWN = 5, 70
# Old and new names of classes that have moved since version 0.1, so that its run directories can
# still be read.
MOVED = {
    "experiments.learning.Settings": "jax_s4rl.agents.decision_transformer.Settings",
    "experiments.run_folder.Description": "jax_s4rl.agents.run_directory.Description",
    "experiments.run_folder.World": "jax_s4rl.agents.run_directory.World",
    "jax_s4rl.models.configs.DecisionConfig": "jax_s4rl.models.configs.DecisionTransformerConfig",
}


def to_json(value: Any) -> Any:
    """Converts nested dataclasses, mappings, sequences and scalars to JSON values.

    A dataclass becomes an object of its fields, with its module and name, so that `from_json` can
    make it again.

    Args:
        value: Value to convert.

    Returns:
        Nested dictionaries, lists and scalars.

    Raises:
        ValueError: If JSON cannot hold a value, or a dataclass could not be made again.

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
        fields = {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init
        }
        return {TYPE: _name(type(value))} | fields
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    raise ValueError(
        f"got a {type(value).__name__} in a configuration; give numbers, strings, sequences or "
        "dataclasses"
    )


def identity(value: Any) -> Any:
    """Converts a configuration to its values alone, so that digests last beyond a version.

    The result has no names of classes or modules. A field that a later version added is left out if
    it has its default value.

    Args:
        value: Value to convert.

    Returns:
        Nested dictionaries, lists and scalars.

    Raises:
        ValueError: If JSON cannot hold a value.

    Example:
        >>> identity((1, {"rate": 0.5}))
        [1, {'rate': 0.5}]
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = [
            field
            for field in dataclasses.fields(value)
            if field.init and not _is_added_default(field, value)
        ]
        return {field.name: identity(getattr(value, field.name)) for field in kept}
    if isinstance(value, Mapping):
        return {str(key): identity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [identity(item) for item in value]
    return to_json(value)


def from_json(value: Any) -> Any:
    """Converts JSON values of `to_json` back; sequences become tuples.

    Fields that a later version added may be missing.

    Args:
        value: Nested dictionaries, lists and scalars.

    Returns:
        The configuration.

    Raises:
        ValueError: If a class is not one of the project or no longer exists, or its fields have
            changed.
    """
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    fields = {key: from_json(item) for key, item in value.items() if key != TYPE}
    if TYPE not in value:
        return fields
    name = str(value[TYPE])
    cls = _find(MOVED.get(name, name))
    known = {field.name for field in dataclasses.fields(cls) if field.init}
    added = {field.name for field in dataclasses.fields(cls) if ADDED in field.metadata}
    # All old fields have to be there; added ones may be; no others.
    if not known - added <= fields.keys() <= known:
        raise ValueError(
            f"{value[TYPE]} was saved with fields that differ from today's: "
            f"missing {sorted(known - added - fields.keys())}, "
            f"unknown {sorted(fields.keys() - known)}; use the version of jax_s4rl that saved it"
        )
    return cls(**fields)


def check_same(saved: Any, given: Any, *, where: str) -> None:
    """Checks that two configurations are the same.

    Args:
        saved: JSON of the configuration on the disk.
        given: JSON of the configuration that was given.
        where: Name of the folder or file that holds the saved configuration.

    Raises:
        ValueError: If the configurations differ; the error names the fields.

    Example:
        >>> check_same({"model": {"width": 8}}, {"model": {"width": 16}}, where="runs/x")
        Traceback (most recent call last):
        ...
        ValueError: runs/x was made with another configuration: model.width is 8 there, 16 was ...
    """
    if different := differences(saved, given):
        listed = list_differences(different, "{name} is {0} there, {1} was given")
        raise ValueError(
            f"{where} was made with another configuration: {listed}; go on with the saved "
            "values, or choose another folder"
        )


def differences(saved: Any, given: Any) -> dict[str, tuple[str, str]]:
    """Compares two configurations field by field.

    Fields that a later version added may be missing in one of the two: they count as different only
    if they have neither their default value nor follow from the other fields.

    Args:
        saved: JSON of one configuration.
        given: JSON of another configuration.

    Returns:
        Both values as text, by the name of each field that differs.

    Example:
        >>> differences({"model": {"width": 8}, "seeds": [0]}, {"model": {"width": 16}})
        {'model.width': ('8', '16'), 'seeds': ('[0]', 'nothing')}
    """
    old, new = (dict(_leaves(_without_added(*pair))) for pair in ((given, saved), (saved, given)))
    # An option without a value counts as the same as no such field: files of versions before the
    # option lack the field.
    names = [name for name in old | new if _value(old, name) != _value(new, name)]
    return {name: (_shown(old, name), _shown(new, name)) for name in names}


def list_differences(different: Mapping[str, tuple[str, str]], form: str) -> str:
    """Lists fields that differ for a message: the first of them, with the beginnings of values.

    Args:
        different: Both values of each field, see `differences`.
        form: Words about a field, with the places `{name}`, `{0}` and `{1}`.

    Returns:
        The list.

    Example:
        >>> list_differences({"width": ("8", "16")}, "{name} is {0} there and {1} here")
        'width is 8 there and 16 here'
    """
    first = list(different.items())[:MOST_LISTED]
    listed = [form.format(*map(_shorten, pair), name=_shorten(name)) for name, pair in first]
    more = len(different) - len(first)
    return ", ".join(listed) + (f", and {more} more" if more else "")


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    else:
        is_type = name.rpartition(".")[2] == TYPE
        yield name, MOVED.get(str(value), value) if is_type else value


def _value(leaves: dict[str, Any], name: str) -> Any:
    value = leaves.get(name)
    return None if value == [] else value


def _without_added(other: Any, given: Any) -> Any:
    """Leaves out fields that a later version added and the other configuration lacks.

    They are left out if the other fields decide them, or if they have their default value.
    """
    if not isinstance(other, Mapping) or not isinstance(given, Mapping):
        return given
    fields: dict[str, dataclasses.Field] = {}
    if TYPE in given:
        # A class that does not exist has no such fields; `from_json` refuses it.
        with contextlib.suppress(ValueError):
            cls = _find(MOVED.get(str(given[TYPE]), str(given[TYPE])))
            fields = {field.name: field for field in dataclasses.fields(cls)}
    return {
        key: _without_added(other.get(key), value)
        for key, value in given.items()
        if key in other or key not in fields or not _may_lack(fields[key], value)
    }


def _may_lack(field: dataclasses.Field, value: Any) -> bool:
    """Returns whether a file of an earlier version may lack a field with this value."""
    if DERIVED in field.metadata:
        return True
    return ADDED in field.metadata and value == to_json(field.default)


def _shown(leaves: dict[str, Any], name: str) -> str:
    return repr(leaves[name]) if name in leaves else "nothing"


def _is_added_default(field: dataclasses.Field, value: Any) -> bool:
    return ADDED in field.metadata and getattr(value, field.name) == field.default


def _name(cls: type) -> str:
    name = f"{cls.__module__}.{cls.__qualname__}"
    if cls.__module__.split(".")[0] != ROOT or "." in cls.__qualname__:
        raise ValueError(
            f"{name} cannot be made again from a file; define it at the top of a module of {ROOT}"
        )
    return name


def _find(name: str) -> type:
    module, _, class_name = name.rpartition(".")
    # Checked before the import: importing a module runs its code.
    if module.split(".")[0] == ROOT:
        try:
            cls = getattr(importlib.import_module(module), class_name)
        except (ImportError, AttributeError):
            cls = None
        if isinstance(cls, type) and dataclasses.is_dataclass(cls):
            return cls
    raise ValueError(f"there is no configuration {name}; use the version of jax_s4rl that saved it")
