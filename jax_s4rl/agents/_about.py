"""The file `run.json`, which describes the run of a directory."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jax_s4rl.data import atomic_files
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import config_io

NAME = "run.json"
OPTIONS = "options"
PLANNED = "planned_updates"


def read(folder: Path) -> dict[str, Any]:
    """Reads the file.

    Args:
        folder: Run directory.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: If there is no run in the folder.
        ValueError: If the file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        raise FileNotFoundError(f"there is no run in {folder} (no {NAME}); check the name")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); restore it, or train again in another folder"
        ) from None


def write(
    folder: Path, description: Any, *, resume: bool, options: Mapping[str, Any] | None
) -> tuple[int, int | None]:
    """Writes the file, or adds a resumption to it if it describes the same run.

    Args:
        folder: Run directory.
        description: Description of the run (`run_directory.Description`).
        resume: Whether the folder may hold a run already.
        options: Options that a resumed run remembers; those saved before if None.

    Returns:
        The number of updates that was planned first, and that of the last start; None for the
        second if the run is new.

    Raises:
        ValueError: If the folder holds another run, or one with more updates, or one that may not
            be resumed.
    """
    provenance = {
        "versions": result_rows.versions(),
        "commit": result_rows.commit(),
        "machine": result_rows.machine(),
    }
    updates, before = description.settings.num_updates, None
    about = {
        "configuration": config_io.to_json(description),
        PLANNED: updates,
        OPTIONS: dict(options or {}),
        **provenance,
        "resumed": [],
    }
    if (folder / NAME).exists():
        if not resume:
            raise ValueError(
                f"{folder} already holds a run; resume it with --resume, or choose another folder"
            )
        saved = read(folder)
        before = int(saved["configuration"]["settings"]["num_updates"])
        _check_same(folder, saved["configuration"], description, before)
        about = saved | {
            "configuration": about["configuration"] if updates > before else saved["configuration"],
            PLANNED: saved.get(PLANNED, before),
            OPTIONS: saved.get(OPTIONS, {}) if options is None else about[OPTIONS],
            "resumed": [*saved["resumed"], provenance | {"num_updates": updates}],
        }
    text = json.dumps(about, indent=2, allow_nan=False) + "\n"
    # Replaced as a whole, so that a killed process cannot leave half a description.
    atomic_files.write_whole(folder / NAME, lambda file: file.write(text.encode()))
    return about[PLANNED], before


def with_updates(description: Any, num_updates: int) -> Any:
    """Returns the description of a run with another number of updates."""
    settings = dataclasses.replace(description.settings, num_updates=num_updates)
    return dataclasses.replace(description, settings=settings)


def _check_same(folder: Path, saved: dict[str, Any], description: Any, before: int) -> None:
    """Checks that a run is the saved one, or a longer one."""
    longer = description.settings.num_updates > before
    compared = config_io.to_json(with_updates(description, before) if longer else description)
    config_io.check_same(
        _without_duplicates(saved), _without_duplicates(compared), where=str(folder)
    )


def _without_duplicates(configuration: dict[str, Any]) -> dict[str, Any]:
    """Removes the choices for the model that the settings hold too.

    A message about differences then names each of them once.
    """
    model = {name: value for name, value in configuration["model"].items() if name != "model"}
    return configuration | {"model": model}
