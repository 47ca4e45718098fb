"""The files of one checkpoint: reads them, and notices any damage."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jax_s4rl.data import untrusted
from jax_s4rl.training import _flat_trees, _state_files, _tensorstore_arrays
from jax_s4rl.training._state_files import STATE

# Fields of a checkpoint's text. Those of versions before 0.2 have no loss and no seal; nothing lies
# in between, so that a name with a flipped bit cannot pass for an earlier version.
_EARLIEST = {"step", "configuration", "arrays", "keys", "digest"}
SEAL = "seal"
_FIELDS = _EARLIEST | {"loss", SEAL}
# What the reading of a damaged text raises. Other errors of the operating system, for instance too
# many open files, say nothing about the checkpoint.
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_DAMAGE = (*_MISSING, ValueError, KeyError, TypeError, RecursionError)


class Damaged(Exception):
    """Error for a checkpoint that cannot be read back as it was written."""


def steps(folder: Path) -> Iterator[int]:
    """Yields the steps of all checkpoints in a folder."""
    for path in folder.iterdir() if folder.is_dir() else ():
        # As Orbax writes them: neither 0095 nor digits of other scripts.
        if path.name.isdecimal() and str(int(path.name)) == path.name and path.is_dir():
            yield int(path.name)


def about_of(path: Path) -> dict[str, Any]:
    """Reads the text of a checkpoint, and compares its seal, its step and its loss."""
    try:
        loss = float(json.loads((path / "metrics" / "metrics").read_bytes())["loss"])
    except _DAMAGE as error:
        raise Damaged(f"the checkpoint {path} is damaged (its loss: {error})") from None
    is_earlier = _is_earlier(path)
    file = path / "about" / "metadata" if is_earlier else path / STATE / _state_files.ABOUT
    try:
        about = json.loads(file.read_bytes())
        fields = set(about)
        is_whole = (is_earlier and fields == _EARLIEST) or (
            fields == _FIELDS
            and about[SEAL] == untrusted.digest(about, SEAL)
            and about["loss"] == loss
        )
        is_whole = is_whole and about["step"] == int(path.name)
    except _DAMAGE as error:
        raise Damaged(f"the checkpoint {path} is damaged ({untrusted.brief(error)})") from None
    if not is_whole:
        raise Damaged(
            f"the checkpoint {path} is damaged (its step, configuration, shapes, keys or loss "
            "differ from those that were written)"
        )
    return about | {"loss": loss}


def read(path: Path) -> tuple[dict[str, Any], _flat_trees.FlatTree]:
    """Reads one whole checkpoint and compares its digest.

    A failure means damage, because only complete checkpoints get their final name; unless memory
    or the machine fails.
    """
    about = about_of(path)
    silence()
    try:
        if _is_earlier(path):
            arrays = _tensorstore_arrays.read(path, about["arrays"], alone())
        else:
            arrays = _state_files.read_arrays(path / STATE, about["arrays"])
    except Exception as error:
        if isinstance(error, MemoryError | OSError) and not isinstance(error, _MISSING):
            raise
        raise Damaged(f"the checkpoint {path} is damaged ({untrusted.brief(error)})") from None
    flat = _flat_trees.FlatTree(arrays, about["keys"])
    if flat.digest() != about["digest"]:
        raise Damaged(
            f"the checkpoint {path} is damaged (its numbers differ from those that were written)"
        )
    return about, flat


def silence() -> None:
    """Silences the tracebacks that Orbax logs about a failure, which it raises as well."""
    logging.getLogger("absl").addFilter(_is_not_orbax)


def _is_earlier(path: Path) -> bool:
    """Returns whether a checkpoint has the folders of version 0.2 and before."""
    return (path / "about").is_dir() and not (path / STATE).exists()


def _is_not_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname


def alone() -> ocp.options.MultiprocessingOptions:
    """Makes options with which Orbax does not wait for other processes."""
    # Only the process that opens the checkpoints reads and writes them. The others would never
    # reach a barrier that Orbax waits at.
    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
    )
