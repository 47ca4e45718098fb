"""Compares installed packages with the requirements of this package."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

NAME = "jax-s4rl"
ROOT = Path(__file__).resolve().parents[2]
WITHOUT_USE = ("dev", "peers")
"""Extras that only developers of this package need; the comparison leaves them out."""
PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin", "libtpu")


class Package(NamedTuple):
    """A required package.

    Attributes:
        name: Name by which it is installed.
        wanted: Version specifier, for instance ">=0.9.2,!=0.10.2".
        extra: Extra that requires it; None if it is always needed.
        version: Installed version; None if it is missing.
        fits: Whether the installed version satisfies the specifier; None if that is not known.
    """

    name: str
    wanted: str
    extra: str | None
    version: str | None
    fits: bool | None


def packages(root: Path = ROOT) -> list[Package]:
    """Lists all required packages, and the installed plugins of JAX for accelerators.

    Args:
        root: Folder of a checkout. Its `pyproject.toml` comes before the metadata that were written
            at installation, because it is newer.

    Returns:
        The packages, sorted by extra and name.
    """
    by_name: dict[str, Package] = {}
    for name, wanted, extra in _requirements(root):
        if name not in by_name and extra not in WITHOUT_USE:
            version = version_of(name)
            by_name[name] = Package(name, wanted, extra, version, _fits(version, wanted))
    by_name["jaxlib"] = Package("jaxlib", "", None, version_of("jaxlib"), None)
    for name in PLUGINS:
        if version := version_of(name):
            # A plugin of JAX works only with the jaxlib of its own version.
            wanted = f"=={version_of('jaxlib')}" if name.startswith("jax-") else ""
            by_name[name] = Package(name, wanted, None, version, _fits(version, wanted))
    return sorted(by_name.values(), key=lambda package: (package.extra or "", package.name.lower()))


def version_of(name: str) -> str | None:
    """Returns the installed version of a package; None if it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _requirements(root: Path) -> Iterator[tuple[str, str, str | None]]:
    """Yields the name, version specifier and extra of each requirement."""
    for text, extra in _requirement_texts(root):
        match = re.match(r"\s*([\w.-]+)\s*(\[[^]]*\])?\s*\(?([^;)]*)", text)
        # The extra `cuda` requires `jax[cuda12]`, not another package: `packages` looks for its
        # plugins by their names.
        if match and not (extra and match[1] == "jax"):
            yield match[1], match[3].strip(), extra
            # The extra of Gymnasium installs another package, which can be missing by itself.
            if (match[1], match[2]) == ("gymnasium", "[mujoco]"):
                yield "mujoco", "", extra


def _requirement_texts(root: Path) -> Iterator[tuple[str, str | None]]:
    """Yields the text and extra of each requirement, of a checkout or else of the installation."""
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
    # Without `packaging`, or with a version or range that it cannot read, nothing is known.
    except (ImportError, ValueError):
        return None
