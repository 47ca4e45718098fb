"""What became of a try: one word, and a line that says more."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jax_s4rl.cli import entry_point

RECOVERED, READ, SENTENCE = "recovered", "read", "sentence"
TRACEBACK, SILENT, LOST, OUTSIDE = "traceback", "silent", "lost", "outside"
MEANINGS = {
    RECOVERED: "the same content as without the fault",
    READ: "a file of another origin or for people, without a hash of ours: read as it is",
    SENTENCE: "refused, or said, in one line",
    TRACEBACK: "a traceback, an error of several lines, a crash, or no end",
    SILENT: "other content was accepted without a word",
    LOST: "something that was whole before is gone",
    OUTSIDE: "code of a file ran, or something was written outside its folder",
}
BAD = (TRACEBACK, SILENT, LOST, OUTSIDE)
LONGEST = 2_000


class Tried(NamedTuple):
    """Outcome of one try, and what happened."""

    outcome: str
    detail: str = ""


def of_error(error: BaseException) -> Tried:
    """Judges an error by what a command would print of it."""
    text = entry_point.sentence(error)
    if text is None or "\n" in str(error).strip() or len(text) > LONGEST:
        return Tried(TRACEBACK, f"{type(error).__name__}: {str(error)[:300]}")
    return Tried(SENTENCE, text)


def of_output(status: int | None, output: str, allowed: tuple[int, ...]) -> Tried:
    """Judges a command that was to fail by its status and by what it printed."""
    if "Traceback (most recent call last)" in output or "Fatal Python error" in output:
        return Tried(TRACEBACK, output[-600:])
    if status not in allowed:
        return Tried(TRACEBACK, f"status {status}: {output[-600:]}")
    last = output.strip().rpartition("\n")[2]
    if status and status > 0 and not last.startswith(("error: ", "stopped by ")):
        return Tried(TRACEBACK, f"status {status} without a sentence: {output[-600:]}")
    return Tried(SENTENCE, last)


def fingerprint(value: Any) -> str:
    """Computes a digest of any content: arrays with their types, records, lists, texts."""
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            _add(digest, (field.name, getattr(value, field.name)))
    elif isinstance(value, Mapping):
        _add(digest, sorted(value.items(), key=lambda pair: str(pair[0])))
    elif isinstance(value, list | tuple):
        digest.update(f"{len(value)}[".encode())
        for part in value:
            _add(digest, part)
    else:
        digest.update(f"{type(value).__name__} {value!r};".encode())
