"""Exhausted memory: recognized in every form, and said with the settings that need less."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jax_s4rl.agents import decision_transformer

# What XLA, CUDA and the C++ library say; in errors of a run time only.
_SIGNS = re.compile(
    r"RESOURCE_EXHAUSTED|out of memory|OUT_OF_MEMORY|bad_alloc|unable to allocate", re.I
)


class Exhausted(MemoryError):
    """Error for exhausted memory that says what to change."""


def is_one(error: BaseException) -> bool:
    """Returns whether an error means exhausted memory.

    Args:
        error: Error of Python, NumPy or XLA.

    Example:
        >>> is_one(MemoryError()), is_one(RuntimeError("RESOURCE_EXHAUSTED: Out of memory"))
        (True, True)
    """
    if isinstance(error, MemoryError):
        return True
    # The library that writes checkpoints calls a full disk an exhausted resource too.
    is_disk = "os_error_code" in str(error)
    return isinstance(error, RuntimeError) and not is_disk and bool(_SIGNS.search(str(error)))


@contextlib.contextmanager
def named(
    settings: "decision_transformer.Settings", num_seeds: int, folder: Path | None = None
) -> Iterator[None]:
    """Says which settings need less if memory is exhausted in the body.

    Args:
        settings: Settings of model and training.
        num_seeds: Number of models trained at once.
        folder: Run directory; None if there is none.

    Yields:
        Nothing.

    Raises:
        Exhausted: If memory was exhausted.
    """
    try:
        yield
    except Exception as error:
        if not is_one(error) or isinstance(error, Exhausted):
            raise
        model = settings.model
        smaller = [f"a smaller batch_size (now {settings.batch_size})"]
        smaller.append(f"more num_micro_batches (now {settings.num_micro_batches})")
        smaller.append(f"a smaller model.context_length (now {model.context_length})")
        if num_seeds > 1:
            smaller.append(f"fewer seeds (now {num_seeds})")
        if not model.rematerialize:
            smaller.append("model.rematerialize, which keeps fewer activations")
        raise Exhausted(
            f"memory is exhausted; choose {', '.join(smaller[:-1])} or {smaller[-1]}{_then(folder)}"
        ) from error


def _then(folder: Path | None) -> str:
    """Says which folder a smaller training can use."""
    if folder is None:
        return ""
    # Here, because the commands import this file before JAX.
    from jax_s4rl.agents import _about

    if _about.is_begun(folder):
        return f"; {folder} keeps its checkpoints, so train the smaller model in another folder"
    return f"; {folder} holds no checkpoint yet, so a smaller training can use it"
