"""Compares installed packages with those that this package asks for."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

NAME = "jax-s4rl"
ROOT = Path(__file__).resolve().parents[2]
WITHOUT_USE = ("dev", "peers")
"""Extras that only work on this package itself needs."""
PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin", "libtpu")


class Package(NamedTuple):
    """A package that is asked for.

    Attributes:
      name: as it is installed by.
      wanted: version specifier, for instance ">=0.9.2,!=0.10.2".
      extra: the extra that asks for it; None if it is always needed.
      version: the installed one; None if it is missing.
      fits: whether the installed version is a wanted one; None if that is not known.
    """

    name: str
    wanted: str
    extra: str | None
    version: str | None
    fits: bool | None


def packages(root: Path = ROOT) -> list[Package]:
    """All packages that are asked for, and JAX's plugins for accelerators that are installed.

    Args:
      root: of a checkout, whose `pyproject.toml` is newer than what was written at installation.
    """
    found: dict[str, Package] = {}
    for name, wanted, extra in _requirements(root):
        if name not in found and extra not in WITHOUT_USE:
            version = version_of(name)
            found[name] = Package(name, wanted, extra, version, _fits(version, wanted))
    found["jaxlib"] = Package("jaxlib", "", None, version_of("jaxlib"), None)
    for name in PLUGINS:
        if version := version_of(name):
            wanted = f"=={version_of('jaxlib')}" if name.startswith("jax-") else ""
            found[name] = Package(name, wanted, None, version, _fits(version, wanted))
    return sorted(found.values(), key=lambda package: (package.extra or "", package.name.lower()))


def version_of(name: str) -> str | None:
    """Installed version of a package; None if it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _requirements(root: Path) -> Iterator[tuple[str, str, str | None]]:
    for text, extra in _texts(root):
        match = re.match(r"\s*([\w.-]+)\s*(\[[^]]*\])?\s*\(?([^;)]*)", text)
        # Plugins of `jax[cuda12]` are looked for by name.
        if match and not (extra and match[1] == "jax"):
            yield match[1], match[3].strip(), extra
            if (match[1], match[2]) == ("gymnasium", "[mujoco]"):
                yield "mujoco", "", extra


def _texts(root: Path) -> Iterator[tuple[str, str | None]]:
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    except (OSError, KeyError, ValueError):
        project = {}
    if project.get("name") == NAME:
        yield from ((text, None) for text in project["dependencies"])
        for extra, texts in project["optional-dependencies"].items():
            yield from ((text, extra) for text in texts)
        return
    for text in metadata.requires(NAME) or ():
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", text)
        yield text, extra[1] if extra else None


def _fits(version: str | None, wanted: str) -> bool | None:
    if version is None:
        return None
    try:
        from packaging import specifiers

        return specifiers.SpecifierSet(wanted).contains(version, prereleases=True)
    except Exception:  # Without `packaging`, or with a version that it cannot read, nothing is known.
        return None
