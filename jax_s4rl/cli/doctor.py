"""Examines an installation, and prints each problem with a remedy.

    jax-s4rl doctor

Prints versions, devices, settings, the self-test of JAX and the cache folders, then the problems,
each with a remedy. Exits with status 0 if there is no problem, else with 1. `--json` prints the
same for a bug report.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jax_s4rl import __version__, cache_folders, self_test
from jax_s4rl.cli import _installation, _jax_probe

WIDTH = 80
VARIABLES = (
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "XLA_FLAGS",
    cache_folders.COMPILED_VARIABLE,
    cache_folders.DATA_VARIABLE,
    "XDG_CACHE_HOME",
)
# Time after which JAX counts as hanging; starting several accelerators takes a while.
PATIENCE_SECONDS = 180
LEAST_FREE_GIB = 1.0

Facts = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Examines the installation and prints the result.

    Args:
        arguments: Arguments of the command; those of the process if None.

    Returns:
        Exit status: 0 if there is no problem, else 1.
    """
    parser = argparse.ArgumentParser(
        "jax-s4rl doctor", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for a bug report")
    as_json = parser.parse_args(arguments).json
    facts = examine()
    print(json.dumps(facts, indent=2) if as_json else render(facts))
    return 1 if facts["problems"] else 0


def examine() -> Facts:
    """Collects all facts; a failure on the way becomes one of the problems.

    Returns:
        A mapping that JSON can hold: system, packages, environment, jax, folders, notes, and
        problems (each with `problem` and `remedy`).
    """
    facts: Facts = {"system": {}, "packages": [], "environment": {}, "jax": {}, "folders": []}
    facts |= {"problems": [], "notes": []}
    for part in (_system, _packages, _environment, _jax, _folders):
        try:
            part(facts)
        # The doctor never ends with a traceback: the other parts may explain the failure.
        except Exception as error:
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            problem = f"the doctor could not examine {part.__name__[1:]} ({text})"
            _add_problem(facts, problem, "report this line")
    return facts


def _add_problem(facts: Facts, problem: str, remedy: str) -> None:
    facts["problems"].append({"problem": problem, "remedy": remedy})


def _system(facts: Facts) -> None:
    facts["system"] = {
        "jax_s4rl": __version__,
        "folder": str(Path(__file__).resolve().parents[1]),
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": (
            f"{platform.system()} {platform.release()}, {platform.machine()}, "
            f"{os.cpu_count()} cores"
        ),
    }


def _packages(facts: Facts) -> None:
    packages = _installation.packages()
    facts["packages"] = [package._asdict() for package in packages]
    version_problem, _ = self_test.judge_versions(
        _installation.version_of("jax"), _installation.version_of("jaxlib")
    )
    for package in packages:
        # `_jax` reports a version of JAX that must not be used, with its reason.
        if version_problem and package.version and package.name in ("jax", "jaxlib"):
            continue
        if package.fits is False:
            problem = (
                f"{package.name} {package.version} is installed, but {package.wanted} is required"
            )
            _add_problem(facts, problem, f'python -m pip install "{package.name}{package.wanted}"')
    if missing := [
        package for package in packages if package.version is None and package.extra is None
    ]:
        names = " ".join(f'"{package.name}{package.wanted}"' for package in missing)
        problem = f"not installed: {', '.join(package.name for package in missing)}"
        _add_problem(facts, problem, f"python -m pip install {names}")
    for extra in dict.fromkeys(
        package.extra for package in packages if package.extra and package.version is None
    ):
        facts["notes"].append(
            f"the extra {extra} is not installed; "
            f'`python -m pip install "jax-s4rl[{extra}]"` adds it'
        )


def _environment(facts: Facts) -> None:
    others = sorted(
        name for name in os.environ if name.startswith(("JAX_", "XLA_")) and name not in VARIABLES
    )
    facts["environment"] = {name: os.environ.get(name) for name in (*VARIABLES, *others)}


def _jax(facts: Facts) -> None:
    jax_facts, error = probe()
    facts["jax"] = jax_facts
    version_problem, warning = self_test.judge_versions(
        _installation.version_of("jax"), _installation.version_of("jaxlib")
    )
    # Versions are judged here too, because a crash of the probe leaves no verdict. The remedy is
    # the last part of the sentence.
    if problem := jax_facts.pop("problem", None) or version_problem:
        _add_problem(facts, *problem.rsplit("; ", 1))
    # If JAX is missing, `_packages` reports it.
    if error and _installation.version_of("jax"):
        _add_problem(facts, error, _remedy(jax_facts))
    if (warning := jax_facts.pop("warning", None) or warning) and _installation.version_of("jax"):
        facts["notes"].append(warning)
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if driver and jax_facts.get("platform") == "cpu" and not os.environ.get("JAX_PLATFORMS"):
        remedy = (
            f'python -m pip install "jax[cuda12]=={jax_facts["jax"]}", '
            "or set JAX_PLATFORMS=cpu to use the CPU"
        )
        _add_problem(facts, "there is an NVIDIA driver, but JAX runs on the CPU", remedy)


def probe(
    command: list[str] | None = None, patience: float = PATIENCE_SECONDS
) -> tuple[Facts, str | None]:
    """Examines JAX in a separate process, so that JAX can crash or hang without harm.

    Args:
        command: Command of that process; `_jax_probe` if None.
        patience: Seconds after which the process is ended.

    Returns:
        The facts that the process printed, and a sentence about its failure, or None.
    """
    command = command or [sys.executable, "-m", _jax_probe.__name__]
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    # A training that holds most of an accelerator's memory must not make the self-test fail.
    memory = {
        "XLA_PYTHON_CLIENT_PREALLOCATE": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    }
    env = os.environ | memory | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with (
        # Files instead of pipes: they keep the output of a process that is ended.
        tempfile.TemporaryFile("w+", errors="replace") as output,
        tempfile.TemporaryFile("w+", errors="replace") as errors,
    ):
        try:
            code = subprocess.run(
                command, stdout=output, stderr=errors, env=env, timeout=patience, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
        output.seek(0)
        errors.seek(0)
        stage, jax_facts, error = _read(output.read())
        last_line = next(
            (line.strip() for line in reversed(errors.read().splitlines()) if line.strip()), ""
        )
    if error:
        return jax_facts, f"JAX failed {stage}: {error}"
    if code is None:
        return jax_facts, f"JAX hung {stage} and was ended after {patience:g} s"
    if code:
        # A negative code is the number of the signal that ended the process.
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        reason = f": {textwrap.shorten(last_line, 300)}" if last_line else ""
        return jax_facts, f"JAX ended with {end} {stage}{reason}"
    return jax_facts, None


def _read(text: str) -> tuple[str, Facts, str | None]:
    """Reads the last stage, all facts and the error from the lines of the probe."""
    stage, jax_facts, error = _jax_probe.IMPORTING, {}, None
    for line in text.splitlines():
        # Libraries may print lines of their own in between; they are skipped.
        try:
            entry = json.loads(line)
            stage, error = entry.get("stage", stage), entry.get("error", error)
            jax_facts |= entry.get("facts", {})
        except (ValueError, AttributeError):
            continue
    return stage, jax_facts, error


def _remedy(jax_facts: Facts) -> str:
    if "jax" not in jax_facts:
        return f"{self_test.remedy()} --force-reinstall"
    names = [name for name in ("JAX_PLATFORMS", "XLA_FLAGS") if os.environ.get(name)]
    if names:
        return " ".join(["unset", *names]) + ", or set a value that this version of JAX knows"
    return f"check whether another process uses the device; if none does, {self_test.remedy()}"


def _folders(facts: Facts) -> None:
    data, compiled = cache_folders.data(), cache_folders.compiled()
    kinds = (
        ("datasets", data, cache_folders.DATA_VARIABLE),
        ("compiled programs", compiled, cache_folders.COMPILED_VARIABLE),
    )
    for kind, folder, variable in kinds:
        state = look_at(folder, without=compiled)
        facts["folders"].append({"kind": kind, **state})
        remedy = f"set {variable} to a folder that you can write"
        if state["error"]:
            problem = f"the folder for {kind}, {folder}, cannot be written ({state['error']})"
            _add_problem(facts, problem, remedy)
        elif state["free_gib"] < LEAST_FREE_GIB:
            problem = (
                f"the disk of the folder for {kind}, {folder}, has {state['free_gib']:.2f} GiB "
                f"left, but {LEAST_FREE_GIB:g} GiB are needed"
            )
            _add_problem(facts, problem, f"free space on that disk, or {remedy}")


def look_at(folder: Path, without: Path | None = None) -> Facts:
    """Examines the size of a folder, whether it can be written, and the free space of its disk.

    A missing folder is not made; then its nearest parent is tested.

    Args:
        folder: Folder to examine.
        without: Folder inside of it that is not counted.

    Returns:
        A mapping that JSON can hold: folder, exists, files, mib, free_gib, and error or None.
    """
    files = size = 0
    for parent, folders, names in os.walk(folder):
        # Assigned in place, because `os.walk` enters the folders that remain in this list.
        folders[:] = [name for name in folders if Path(parent, name) != without]
        for name in names:
            # A file may be removed at the same time, for instance by another process.
            try:
                size += os.lstat(os.path.join(parent, name)).st_size
                files += 1
            except OSError:
                continue
    state: Facts = {
        "folder": str(folder),
        "exists": folder.is_dir(),
        "files": files,
        "mib": round(size / 2**20, 1),
    }
    state |= {"free_gib": None, "error": None}
    try:
        nearest = next(
            path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
        )
        # Only a real file shows that the folder can be written; permissions alone do not.
        with tempfile.TemporaryFile(dir=nearest):
            state["free_gib"] = round(shutil.disk_usage(nearest).free / 2**30, 2)
    except OSError as error:
        state["error"] = error.strerror or str(error)
    return state


def render(facts: Facts) -> str:
    """Formats the facts as plain text of at most 80 columns.

    Paths and flags without a space may be longer.

    Args:
        facts: Facts from `examine`.

    Returns:
        The text.
    """
    system = facts["system"]
    lines = ["jax_s4rl doctor", ""]
    lines += _pairs({name: str(value) for name, value in system.items()})
    lines += ["", "Packages"]
    lines += _pairs({package["name"]: _describe(package) for package in facts["packages"]})
    lines += ["", "Environment"]
    lines += _pairs(
        {
            name: "not set" if value is None else repr(value)
            for name, value in facts["environment"].items()
        }
    )
    lines += ["", "JAX", *_pairs(_describe_jax(facts["jax"])), "", "Folders"]
    lines += _pairs({state["kind"]: _describe_folder(state) for state in facts["folders"]})
    if facts["notes"]:
        lines += ["", "Notes", *(line for note in facts["notes"] for line in _wrap(note, "  - "))]
    count = len(facts["problems"])
    lines += ["", f"Problems: {count}" if count else "Nothing is wrong."]
    for number, each in enumerate(facts["problems"], start=1):
        lines += _wrap(each["problem"], f"  {number}. ") + _wrap(each["remedy"], "     Remedy: ")
    return "\n".join(lines)


def _pairs(pairs: Mapping[str, str]) -> list[str]:
    width = max(map(len, pairs), default=0) + 2
    return [line for name, value in pairs.items() for line in _wrap(value, f"  {name:{width}}")]


def _wrap(text: str, start: str) -> list[str]:
    options: Any = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start), **options
    ) or [start]


def _describe(package: Facts) -> str:
    if package["version"] is None:
        return (
            "missing" if package["extra"] is None else f"not installed (extra {package['extra']})"
        )
    return package["version"] + (
        f"  (required: {package['wanted']})" if package["fits"] is False else ""
    )


def _describe_jax(jax_facts: Facts) -> dict[str, str]:
    # Functions, because a fact is missing if JAX failed before it was known.
    texts: dict[str, Callable[[], str]] = {
        "import": lambda: f"{jax_facts['import_seconds']:.1f} s",
        "platform": lambda: jax_facts["platform"],
        "devices": lambda: ", ".join(jax_facts["devices"]),
        "pmap uses": lambda: (
            f"{len(jax_facts['pmap_devices'])} of them: {', '.join(jax_facts['pmap_devices'])}"
        ),
        "float64": lambda: "on" if jax_facts["float64"] else "off; JAX_ENABLE_X64=1 turns it on",
    }
    lines = {}
    for name, text in texts.items():
        try:
            lines[name] = text()
        except KeyError:
            lines[name] = "not known"
    for part in jax_facts.get("self_test", ()):
        word = {True: "passed", False: "FAILED", None: "skipped"}[part["passed"]]
        lines[f"test: {part['name']}"] = (
            f"{word} in {part['seconds']:.2f} s; {part['detail'].split('; ')[0]}"
        )
    return lines


def _describe_folder(state: Facts) -> str:
    size = f"{state['files']:,} files, {state['mib']:,} MiB" if state["exists"] else "not made yet"
    access = "cannot be written" if state["error"] else f"writable, {state['free_gib']:,} GiB free"
    return f"{state['folder']}: {size}; {access}"


if __name__ == "__main__":
    sys.exit(main())
