"""Tries a mutant in a copy of the project."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutants import catalog

ROOT = Path(__file__).resolve().parents[2]
# What the tests need.
PARTS = ("jax_s4rl", "tests", "experiments", "benchmarks", "pyproject.toml")
KILLED, SURVIVED, OTHER = "killed", "survived", "other"
# Longest time of a test, in seconds; a mutant may never end.
PATIENCE = 900
# One process, which compiles in a hurry, as the fast tests do.
PYTEST = ("-m", "pytest", "-p", "tests.quick_compile", "-m", "not slow and not gpu", "-x")


def copy_project(folder: Path) -> None:
    """Copies the package and its tests.

    Args:
        folder: Folder for the copy.

    Raises:
        RuntimeError: If Python would import another package than the copy from there.
    """
    ignored = shutil.ignore_patterns("__pycache__", "*.jsonl")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, folder / name)
    found = _python(folder, "-c", "import jax_s4rl; print(jax_s4rl.__file__)").stdout.strip()
    if found != str(folder / "jax_s4rl" / "__init__.py"):
        raise RuntimeError(f"got the package {found or 'of no file'}, wanted the copy in {folder}")


@contextlib.contextmanager
def changed(mutant: catalog.Mutant, folder: Path) -> Iterator[None]:
    """Changes a file of the copy, and restores it at the end.

    Args:
        mutant: The change.
        folder: Folder of the copy.

    Yields:
        Nothing.

    Raises:
        ValueError: If the file does not hold the original text exactly once.
    """
    path = folder / mutant.file
    text = path.read_text()
    if text.count(mutant.original) != 1:
        raise ValueError(
            f"{mutant.file} holds {mutant.original!r} {text.count(mutant.original)} times, wanted "
            "once; correct the mutant"
        )
    path.write_text(text.replace(mutant.original, mutant.changed))
    try:
        yield
    finally:
        path.write_text(text)


def run(tests: Sequence[str], folder: Path) -> tuple[str, str]:
    """Runs fast tests in the copy.

    Args:
        tests: Node ids.
        folder: Folder of the copy.

    Returns:
        Killed if a test failed, survived if all passed, otherwise other; and the output.
    """
    try:
        ended = _python(folder, *PYTEST, *tests)
    except subprocess.TimeoutExpired:
        return OTHER, f"no end within {PATIENCE} s"
    output = ended.stdout + ended.stderr
    if ended.returncode == 0:
        return SURVIVED, output
    # Not an error before the test, nor a test that was not found.
    failed = ended.returncode == 1 and re.search(r"^1 failed\b", output, re.MULTILINE)
    return (KILLED if failed else OTHER), output


def _python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # No bytecode: two changes of a file within a second could share it.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
