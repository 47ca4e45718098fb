"""Looks at an installation, and says what is wrong with it and what helps.

    python -m jax_s4rl.cli.doctor

Prints versions, devices, settings, the self-test of JAX and the cache folders, then what is wrong, each with a remedy.
Ends with status 0 if nothing is wrong, else with 1. `--json` prints the same for a bug report.
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

from jax_s4rl import __version__, cache_folders, stack
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
# Starting several accelerators takes a while; JAX that takes longer hangs.
PATIENCE_SECONDS = 180
LEAST_FREE_GIB = 1.0

Facts = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Examines, prints, and returns the exit status."""
    parser = argparse.ArgumentParser("python -m jax_s4rl.cli.doctor", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON, for a bug report")
    as_json = parser.parse_args(arguments).json
    facts = examine()
    print(json.dumps(facts, indent=2) if as_json else render(facts))
    return 1 if facts["problems"] else 0


def examine() -> Facts:
    """Collects all facts; whatever fails on the way becomes one of the problems.

    Returns:
      A mapping for JSON: system, packages, environment, jax, folders, notes, and problems (`problem` and `remedy`).
    """
    facts: Facts = {"system": {}, "packages": [], "environment": {}, "jax": {}, "folders": []}
    facts |= {"problems": [], "notes": []}
    for part in (_system, _packages, _environment, _jax, _folders):
        try:
            part(facts)
        except Exception as error:  # A doctor never ends with a traceback.
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            _complain(facts, f"the doctor could not look at {part.__name__[1:]} ({text})", "report this line")
    return facts


def _complain(facts: Facts, problem: str, remedy: str) -> None:
    facts["problems"].append({"problem": problem, "remedy": remedy})


def _system(facts: Facts) -> None:
    facts["system"] = {
        "jax_s4rl": __version__,
        "folder": str(Path(__file__).resolve().parents[1]),
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores",
    }


def _packages(facts: Facts) -> None:
    found = _installation.packages()
    facts["packages"] = [package._asdict() for package in found]
    judged, _ = stack.judge_versions(_installation.version_of("jax"), _installation.version_of("jaxlib"))
    for package in found:
        # The self-test says more about the versions of JAX, and says it once.
        if judged and package.version and package.name in ("jax", "jaxlib"):
            continue
        if package.fits is False:
            problem = f"{package.name} {package.version} is installed, wanted is {package.wanted}"
            _complain(facts, problem, f'python -m pip install "{package.name}{package.wanted}"')
    if missing := [package for package in found if package.version is None and package.extra is None]:
        names = " ".join(f'"{package.name}{package.wanted}"' for package in missing)
        problem = f"not installed: {', '.join(package.name for package in missing)}"
        _complain(facts, problem, f"python -m pip install {names}")
    for extra in dict.fromkeys(package.extra for package in found if package.extra and package.version is None):
        facts["notes"].append(
            f'the extra {extra} is not installed; `python -m pip install "jax-s4rl[{extra}]"` adds it'
        )


def _environment(facts: Facts) -> None:
    others = sorted(name for name in os.environ if name.startswith(("JAX_", "XLA_")) and name not in VARIABLES)
    facts["environment"] = {name: os.environ.get(name) for name in (*VARIABLES, *others)}


def _jax(facts: Facts) -> None:
    found, error = probe()
    facts["jax"] = found
    judged, warning = stack.judge_versions(_installation.version_of("jax"), _installation.version_of("jaxlib"))
    if problem := found.pop("problem", None) or judged:
        _complain(facts, *problem.rsplit("; ", 1))
    if error and _installation.version_of("jax"):
        _complain(facts, error, _remedy(found))
    if (warning := found.pop("warning", None) or warning) and _installation.version_of("jax"):
        facts["notes"].append(warning)
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if driver and found.get("platform") == "cpu" and not os.environ.get("JAX_PLATFORMS"):
        remedy = f'python -m pip install "jax[cuda12]=={found["jax"]}", or set JAX_PLATFORMS=cpu if that is meant'
        _complain(facts, "there is an NVIDIA driver, but JAX runs on the CPU", remedy)


def probe(command: list[str] | None = None, patience: float = PATIENCE_SECONDS) -> tuple[Facts, str | None]:
    """Asks JAX in a process of its own, so that a crash or a halt of JAX is one of the findings.

    Args:
      command: of that process; that of `jax_probe` if None.
      patience: seconds after which it is ended.

    Returns:
      What was found, and a sentence about what went wrong, or None.
    """
    command = command or [sys.executable, "-m", _jax_probe.__name__]
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    # A training that holds most of an accelerator's memory must not make the self-test fail.
    memory = {"XLA_PYTHON_CLIENT_PREALLOCATE": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "false")}
    env = os.environ | memory | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with (
        tempfile.TemporaryFile("w+", errors="replace") as said,
        tempfile.TemporaryFile("w+", errors="replace") as errors,
    ):
        try:
            code = subprocess.run(
                command, stdout=said, stderr=errors, env=env, timeout=patience, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
        said.seek(0)
        errors.seek(0)
        stage, found, error = _read(said.read())
        last = next((line.strip() for line in reversed(errors.read().splitlines()) if line.strip()), "")
    if error:
        return found, f"JAX failed {stage}: {error}"
    if code is None:
        return found, f"JAX stood still {stage} for {patience:g} s"
    if code:
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        return found, f"JAX ended with {end} {stage}" + (f": {textwrap.shorten(last, 300)}" if last else "")
    return found, None


def _read(text: str) -> tuple[str, Facts, str | None]:
    """The last stage, all facts and the error among the lines of the probe; other lines are somebody else's."""
    stage, found, error = _jax_probe.IMPORTING, {}, None
    for line in text.splitlines():
        try:
            said = json.loads(line)
            stage, error = said.get("stage", stage), said.get("error", error)
            found |= said.get("facts", {})
        except (ValueError, AttributeError):
            continue
    return stage, found, error


def _remedy(found: Facts) -> str:
    if "jax" not in found:
        return f"{stack.remedy()} --force-reinstall"
    names = [name for name in ("JAX_PLATFORMS", "XLA_FLAGS") if os.environ.get(name)]
    if names:
        return " ".join(["unset", *names]) + ", or set what this version of JAX knows"
    return f"see whether another process uses the device; else {stack.remedy()}"


def _folders(facts: Facts) -> None:
    data, compiled = cache_folders.data(), cache_folders.compiled()
    kinds = (
        ("data sets", data, cache_folders.DATA_VARIABLE),
        ("compiled programs", compiled, cache_folders.COMPILED_VARIABLE),
    )
    for kind, folder, variable in kinds:
        found = look_at(folder, without=compiled)
        facts["folders"].append({"kind": kind, **found})
        remedy = f"set {variable} to a folder that you can write"
        if found["error"]:
            _complain(facts, f"the folder for {kind}, {folder}, cannot be written ({found['error']})", remedy)
        elif found["free_gib"] < LEAST_FREE_GIB:
            problem = (
                f"the folder for {kind}, {folder}, has {found['free_gib']:.2f} GiB left, wanted is {LEAST_FREE_GIB:g}"
            )
            _complain(facts, problem, f"make room, or {remedy}")


def look_at(folder: Path, without: Path | None = None) -> Facts:
    """Size of a folder, whether it can be written, and the free space of its disk; a missing folder is not made.

    Args:
      folder: to look at.
      without: a folder inside of it that is not counted.
    """
    files = size = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(parent, name) != without]
        for name in names:
            try:
                size += os.lstat(os.path.join(parent, name)).st_size
                files += 1
            except OSError:
                continue
    found: Facts = {"folder": str(folder), "exists": folder.is_dir(), "files": files, "mib": round(size / 2**20, 1)}
    found |= {"free_gib": None, "error": None}
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            found["free_gib"] = round(shutil.disk_usage(there).free / 2**30, 2)
    except OSError as error:
        found["error"] = error.strerror or str(error)
    return found


def render(facts: Facts) -> str:
    """The facts as plain text of at most 80 columns, paths and flags without a space excepted."""
    system = facts["system"]
    lines = ["jax_s4rl doctor", ""]
    lines += _pairs({name: str(value) for name, value in system.items()})
    lines += ["", "Packages"]
    lines += _pairs({package["name"]: _describe(package) for package in facts["packages"]})
    lines += ["", "Environment"]
    lines += _pairs({name: "not set" if value is None else repr(value) for name, value in facts["environment"].items()})
    lines += ["", "JAX", *_pairs(_describe_jax(facts["jax"])), "", "Folders"]
    lines += _pairs({found["kind"]: _describe_folder(found) for found in facts["folders"]})
    if facts["notes"]:
        lines += ["", "Notes", *(line for note in facts["notes"] for line in _wrap(note, "  - "))]
    lines += ["", f"Wrong: {len(facts['problems'])}" if facts["problems"] else "Nothing is wrong."]
    for number, each in enumerate(facts["problems"], start=1):
        lines += _wrap(each["problem"], f"  {number}. ") + _wrap(each["remedy"], "     Remedy: ")
    return "\n".join(lines)


def _pairs(pairs: Mapping[str, str]) -> list[str]:
    width = max(map(len, pairs), default=0) + 2
    return [line for name, value in pairs.items() for line in _wrap(value, f"  {name:{width}}")]


def _wrap(text: str, start: str) -> list[str]:
    options: Any = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start), **options) or [start]


def _describe(package: Facts) -> str:
    if package["version"] is None:
        return "missing" if package["extra"] is None else f"not installed (extra {package['extra']})"
    return package["version"] + (f"  (wanted: {package['wanted']})" if package["fits"] is False else "")


def _describe_jax(found: Facts) -> dict[str, str]:
    known: dict[str, Callable[[], str]] = {
        "import": lambda: f"{found['import_seconds']:.1f} s",
        "platform": lambda: found["platform"],
        "devices": lambda: ", ".join(found["devices"]),
        "pmap uses": lambda: f"{len(found['pmap_devices'])} of them: {', '.join(found['pmap_devices'])}",
        "float64": lambda: "on" if found["float64"] else "off; JAX_ENABLE_X64=1 turns it on",
    }
    lines = {}
    for name, text in known.items():
        try:
            lines[name] = text()
        except KeyError:
            lines[name] = "not known"
    for part in found.get("self_test", ()):
        word = {True: "passed", False: "FAILED", None: "skipped"}[part["passed"]]
        lines[f"test: {part['name']}"] = f"{word} in {part['seconds']:.2f} s; {part['detail'].split('; ')[0]}"
    return lines


def _describe_folder(found: Facts) -> str:
    size = f"{found['files']:,} files, {found['mib']:,} MiB" if found["exists"] else "not made yet"
    state = "cannot be written" if found["error"] else f"writable, {found['free_gib']:,} GiB free"
    return f"{found['folder']}: {size}; {state}"


if __name__ == "__main__":
    sys.exit(main())
