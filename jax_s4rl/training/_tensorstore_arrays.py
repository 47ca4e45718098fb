"""Reads the arrays of checkpoints of version 0.2, which Orbax wrote by TensorStore."""

import functools
import inspect
import logging
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

# Hooks that `_silence` installed.
_hooks: list[Any] = []


def read(
    path: Path, shapes: dict[str, list[Any]], options: ocp.options.MultiprocessingOptions
) -> dict[str, np.ndarray]:
    """Reads the arrays of one checkpoint.

    Args:
        path: Folder of the checkpoint.
        shapes: Type and shape of each array, see `FlatTree.shapes`.
        options: Processes that take part.

    Returns:
        The arrays by their paths.

    Raises:
        Exception: Any, if a file is damaged.
    """
    _silence()
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=options)
    )
    # Given as NumPy arrays, so that Orbax reads onto the host and not onto devices.
    wanted = {name: np.empty(shape, jnp.dtype(dtype)) for name, (dtype, *shape) in shapes.items()}
    with ocp.Checkpointer(handler, multiprocessing_options=options) as reader:
        items = ocp.args.Composite(arrays=ocp.args.StandardRestore(wanted))
        return dict(reader.restore(path, args=items)["arrays"])


def _silence() -> None:
    """Silences the errors that come after the first one, which is raised.

    After a failure Orbax does not wait for the other arrays, so these fail later, in callbacks
    whose errors Python would print.
    """
    logging.getLogger("asyncio").addFilter(_is_not_of_arrays)
    # Hooks of others may lie above: a new one at each checkpoint would make a chain without end.
    if inspect.unwrap(sys.unraisablehook, stop=_hooks.__contains__) not in _hooks:
        previous = sys.unraisablehook

        @functools.wraps(previous)
        def hook(unraisable: "sys.UnraisableHookArgs") -> None:
            if str(unraisable.exc_value) != "Event loop is closed":
                previous(unraisable)

        _hooks.append(hook)
        sys.unraisablehook = hook


def _is_not_of_arrays(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not ("never retrieved" in text and ("tensorstore" in text or "OCDBT" in text))
