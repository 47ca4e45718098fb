"""Description of a dataset: types of its fields, its digest, and its agreement with the arrays."""

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jax_s4rl.data import actions, observations, spaces, trajectories, untrusted

DIGEST = "digest"
HASH = re.compile(r"[0-9a-f]{64}")


def to_plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a description to plain JSON, and checks its fields.

    Args:
        metadata: Description of a dataset.

    Returns:
        The description, as it comes back from a file.

    Raises:
        ValueError: If it does not fit into JSON, or a field has another type than it should.
    """
    try:
        text = json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"the metadata do not fit into JSON ({error}); give plain numbers, strings and lists"
        ) from None
    plain = untrusted.parse_json(text, "the metadata")
    check_types(plain, "the metadata")
    return plain


def seal(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a description to plain JSON, checks its fields, and adds its digest.

    Args:
        metadata: Description of a dataset.

    Returns:
        The description with the SHA-256 of all other fields as `digest`.

    Raises:
        ValueError: If it does not fit into JSON, or a field has another type than it should.
    """
    plain = to_plain({name: value for name, value in metadata.items() if name != DIGEST})
    return {**plain, DIGEST: untrusted.digest(plain, DIGEST)}


def is_whole(metadata: Any) -> bool:
    """Returns whether a description has the digest of its fields."""
    return isinstance(metadata, dict) and metadata.get(DIGEST) == untrusted.digest(metadata, DIGEST)


def check_types(metadata: Mapping[str, Any], source: str | Path) -> None:
    """Checks the types of all fields whose meaning is known.

    Args:
        metadata: Description of a dataset, of plain JSON.
        source: Name of its origin, for errors.

    Raises:
        ValueError: If a field has another type than it should.
    """
    for name, (is_right, wanted) in _FIELDS.items():
        if name in metadata and not is_right(metadata[name]):
            shown = json.dumps(metadata[name])[:80]
            raise ValueError(f"{source}: got the {name} {shown}, wanted {wanted}; correct it")
    for name in ("observation_space", "action_space"):
        if metadata.get(name) is not None:
            spaces.make(metadata[name])


def check_arrays(
    metadata: Mapping[str, Any], record: trajectories.Trajectories, source: str | Path
) -> None:
    """Checks what a description says about its arrays.

    Args:
        metadata: Description of a dataset.
        record: Its episodes.
        source: Name of their origin, for errors.

    Raises:
        ValueError: If a number or a space differs.
    """
    for name in ("num_steps", "num_episodes"):
        if metadata.get(name, getattr(record, name)) != getattr(record, name):
            raise ValueError(
                f"{source} says that {name} is {metadata[name]}, its arrays have "
                f"{getattr(record, name)}; make the data set again"
            )
    described = [metadata.get(f"{name}_space") for name in ("observation", "action")]
    if None in described:
        return
    made = [spaces.make(one) for one in described]
    try:
        encoded = (
            observations.encoder(made[0]).encoded_space,
            actions.encoder(made[1]).encoded_space,
        )
    except ValueError:
        # Spaces of which no array can be made: the arrays were made in another way.
        return
    try:
        spaces.check_fit(record, *encoded)
    except ValueError as error:
        raise ValueError(f"{source} has spaces that do not fit its arrays: {error}") from None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_seed(value: Any) -> bool:
    return value is None or (type(value) is int and abs(value) < 2**63)


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and HASH.fullmatch(value) is not None


def _is_environment(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and isinstance(value.get("id"), str)
        and isinstance(value.get("kwargs", {}), dict)
        and value.keys() <= {"id", "kwargs"}
    )


def _is_policy(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list)
        and all(
            isinstance(part, dict)
            and isinstance(part.get("behavior"), str)
            and _is_number(part.get("mean_return"))
            for part in value
        )
    )


def _are_scores(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(
            isinstance(score, str) if name == "kind" else score is None or _is_number(score)
            for name, score in value.items()
        )
    )


def _are_versions(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _is_space(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


# Of each field, whether a value is right, and how to say what is.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_text, "a string"),
    "env": (_is_environment, '{"id": a string, "kwargs": its arguments by name}, or null'),
    "observation_space": (_is_space, "what spaces.describe returns, or null"),
    "action_space": (_is_space, "what spaces.describe returns, or null"),
    "seed": (_is_seed, "a whole number, or null"),
    "policy": (
        _is_policy,
        'a string, or a list of {"behavior": a string, "mean_return": a number}',
    ),
    "reference_scores": (_are_scores, '{"random": a number, "optimal": a number}, or null'),
    "recipe": (lambda value: isinstance(value, dict), "a dictionary"),
    "versions": (_are_versions, "strings by name"),
    "num_steps": (_is_size, "a whole number above 0"),
    "num_episodes": (_is_size, "a whole number above 0"),
    "content_hash": (_is_hash, "64 hexadecimal digits"),
    DIGEST: (_is_hash, "64 hexadecimal digits"),
}
