"""The files of one checkpoint: reads them, and notices any damage."""

import functools
import inspect
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from jax_s4rl.data import untrusted
from jax_s4rl.training import _flat_trees

# Fields of a checkpoint's text. Those of versions before 0.2 have no loss and no seal; nothing lies
# in between, so that a name with a flipped bit cannot pass for an earlier version.
_EARLIER = {"step", "configuration", "arrays", "keys", "digest"}
SEAL = "seal"
_FIELDS = _EARLIER | {"loss", SEAL}
# What the reading of a damaged text raises. Other errors of the operating system, for instance too
# many open files, say nothing about the checkpoint.
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_DAMAGE = (*_MISSING, ValueError, KeyError, TypeError, RecursionError)
# Hooks that `silence` installed.
_hooks: list[Any] = []


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
    try:
        about = json.loads((path / "about" / "metadata").read_bytes())
        fields = set(about)
        is_whole = fields == _EARLIER or (
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
        options = alone()
        handler = ocp.CompositeCheckpointHandler(
            composite_options=ocp.CompositeOptions(multiprocessing_options=options)
        )
        with ocp.Checkpointer(handler, multiprocessing_options=options) as reader:
            # Given as NumPy arrays, so that Orbax reads onto the host and not onto devices.
            wanted = {
                name: np.empty(shape, jnp.dtype(dtype))
                for name, (dtype, *shape) in about["arrays"].items()
            }
            arrays = reader.restore(path, args=items(arrays=ocp.args.StandardRestore(wanted)))[
                "arrays"
            ]
    except Exception as error:
        if isinstance(error, MemoryError | OSError) and not isinstance(error, _MISSING):
            raise
        raise Damaged(f"the checkpoint {path} is damaged ({untrusted.brief(error)})") from None
    flat = _flat_trees.FlatTree(dict(arrays), about["keys"])
    if flat.digest() != about["digest"]:
        raise Damaged(
            f"the checkpoint {path} is damaged (its numbers differ from those that were written)"
        )
    return about, flat


def silence() -> None:
    """Silences the tracebacks that Orbax logs about a failure, which it raises as well.

    After a failure it does not wait for the other arrays, so these fail later, in callbacks whose
    errors Python would print.
    """
    logging.getLogger("absl").addFilter(_is_not_orbax)
    logging.getLogger("asyncio").addFilter(_is_not_of_arrays)
    # Hooks of others may lie above: a new one at each training would make a chain without end.
    if inspect.unwrap(sys.unraisablehook, stop=_hooks.__contains__) not in _hooks:
        previous = sys.unraisablehook

        @functools.wraps(previous)
        def hook(unraisable: "sys.UnraisableHookArgs") -> None:
            if str(unraisable.exc_value) != "Event loop is closed":
                previous(unraisable)

        _hooks.append(hook)
        sys.unraisablehook = hook


def _is_not_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname


def _is_not_of_arrays(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not ("never retrieved" in text and ("tensorstore" in text or "OCDBT" in text))


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


def items(**items: Any) -> ocp.args.Composite:
    """Names the parts of a checkpoint for Orbax."""
    return ocp.args.Composite(**items)
