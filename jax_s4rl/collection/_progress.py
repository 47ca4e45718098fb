"""A progress bar on the terminal; without a terminal nothing is printed."""

import contextlib
from collections.abc import Callable, Iterator

from rich import console, progress


@contextlib.contextmanager
def show(description: str, total: int) -> Iterator[Callable[..., None]]:
    """Draws a bar with the remaining time while the block runs.

    Nothing is printed if stderr is not a terminal.

    Args:
        description: Description of the work.
        total: Number of units of work.

    Yields:
        Function `advance(amount, note="")`, which counts finished units and shows a note beside the
        bar.

    Example:
        >>> with show("recording", 10) as advance:
        ...     advance(10, note="return 3.0")
    """
    terminal = console.Console(stderr=True)
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[note]}"),
    )
    with progress.Progress(
        *columns, console=terminal, disable=not terminal.is_terminal, transient=True
    ) as bars:
        task = bars.add_task(description, total=total, note="")

        def advance(amount: int, note: str = "") -> None:
            bars.update(task, advance=amount, note=note)

        yield advance
