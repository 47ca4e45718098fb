"""A progress bar on the terminal, and silence where there is none."""

import contextlib
from collections.abc import Callable, Iterator

from rich import console, progress


@contextlib.contextmanager
def show(description: str, total: int) -> Iterator[Callable[..., None]]:
    """Draws a bar with the time left while the block runs; prints nothing when stderr is no terminal.

    Args:
        description: What is being done.
        total: How many units it takes.

    Yields:
        `advance(amount, note="")`: counts units done and shows a note beside the bar.

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
    with progress.Progress(*columns, console=terminal, disable=not terminal.is_terminal, transient=True) as bars:
        task = bars.add_task(description, total=total, note="")

        def advance(amount: int, note: str = "") -> None:
            bars.update(task, advance=amount, note=note)

        yield advance
