"""The file `run.json`, which describes the run of a directory.

It holds a digest of its content. The checkpoints hold a copy of the configuration, which decides:
the parameters were trained with it.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jax_s4rl.data import atomic_files, untrusted
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import checkpoints, config_io

NAME = "run.json"
CHECKPOINTS = "checkpoints"
RESULTS = "results.jsonl"
OPTIONS = "options"
PLANNED = "planned_updates"
DIGEST = "digest"
REMEDY = "undo the change or restore the file, or train again in another folder"
# All fields of the file; those of versions before 0.2 lack the last three.
FIELDS = ("configuration", "versions", "commit", "machine", "resumed", OPTIONS, PLANNED, DIGEST)


def read(folder: Path) -> dict[str, Any]:
    """Reads the file.

    Args:
        folder: Run directory.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: If there is no run in the folder.
        ValueError: If the file is damaged, or was edited; the error names the fields that differ
            from those in the checkpoints.
    """
    path = folder / NAME
    if not path.exists():
        raise FileNotFoundError(f"there is no run in {folder} (no {NAME}); check the name")
    try:
        about = json.loads(path.read_bytes())
        configuration, unknown = about["configuration"], sorted(about.keys() - set(FIELDS))
        num_updates = about.get(PLANNED, configuration["settings"]["num_updates"])
        digest = untrusted.digest(about, DIGEST)
        is_whole = about.get(DIGEST, digest) == digest
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); {REMEDY}") from None
    copy = checkpoints.configuration(folder / CHECKPOINTS)
    if copy is not None:
        check_copy(folder, about, copy)
    if unknown or not is_whole or not isinstance(num_updates, int):
        raise ValueError(f"{path} was damaged or edited (its digest differs); {REMEDY}")
    return about


def check_copy(folder: Path, about: Mapping[str, Any], copy: Mapping[str, Any]) -> None:
    """Compares the configuration of a run with the copy in one of its checkpoints.

    Args:
        folder: Run directory.
        about: Content of its file.
        copy: JSON of the configuration in a checkpoint.

    Raises:
        ValueError: If they differ; the error names the fields.
    """
    # All checkpoints hold the number of updates that was planned first.
    configuration = about["configuration"]
    settings = configuration["settings"]
    planned = {"num_updates": about.get(PLANNED, settings["num_updates"])}
    first = configuration | {"settings": settings | planned}
    if different := config_io.differences(copy, first):
        listed = config_io.list_differences(different, "{name} is {1} here and {0} there")
        raise ValueError(
            f"{folder / NAME} differs from the configuration in the checkpoints, which were "
            f"trained with it: {listed}; {REMEDY}"
        )


def is_begun(folder: Path) -> bool:
    """Returns whether a run directory holds anything that a new run would lose.

    A run that ended before its first checkpoint, for instance because memory was exhausted, holds
    nothing.

    Args:
        folder: Run directory.
    """
    saved = folder / CHECKPOINTS
    has_any = saved.is_dir() and any(saved.iterdir())
    return has_any or (folder / checkpoints.DAMAGED).exists() or (folder / RESULTS).exists()


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
    if (folder / NAME).exists() and (resume or is_begun(folder)):
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
            "resumed": [*saved.get("resumed", ()), provenance | {"num_updates": updates}],
        }
    about[DIGEST] = untrusted.digest(about, DIGEST)
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
