"""The kernels need jax, numpy and jaxtyping, and what these need: at most ten packages.

`pip install --no-deps jax-s4rl` and `pip install jax numpy jaxtyping` install them.
"""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging import requirements

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import jax
import jax.numpy as jnp
from jax_s4rl.kernels import attention, lru, s4, s4d, s5, trainable

u = jnp.ones((1, 16, 4))
for family in (s4d, s4, s5, lru):
    name = family.__name__.rpartition(".")[2]
    weights = getattr(trainable, f"init_{name}")(jax.random.key(0), 4, 8)
    y, _ = jax.jit(lambda w, u: family.apply(trainable.constrain(w), u))(weights, u)
    assert y.shape == u.shape, name
q = jnp.ones((1, 16, 2, 4))
assert attention.attend(q, q, q).shape == q.shape
print("ran")
"""


def needed(*names):
    """Names of the packages and of all that they need, without extras."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or ():
            needs = requirements.Requirement(text)
            if needs.marker is None or needs.marker.evaluate({"extra": ""}):
                waiting.append(needs.name)
    return found


def run(folder, packages):
    """Runs the program where nothing but these packages and the kernels is installed."""
    for package in packages:
        for file in metadata.files(package) or ():
            top = file.parts[0]
            source, link = Path(str(file.locate())).resolve(), folder / top
            for _ in file.parts[1:]:
                source = source.parent
            if top != ".." and not link.exists():
                link.symlink_to(source)
    (folder / "jax_s4rl").symlink_to(ROOT / "jax_s4rl")
    # -I and -S: neither the environment, nor this folder, nor the installed packages count.
    start = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.append({str(folder)!r})\n" + PROGRAM,
    ]
    return subprocess.run(start, capture_output=True, text=True)


def test_the_kernels_run_with_at_most_ten_packages(tmp_path):
    packages = needed("jax", "numpy", "jaxtyping")
    assert len(packages) + 1 <= 10, sorted(packages)  # One more is this package.
    ended = run(tmp_path, packages)
    assert ended.stdout.strip() == "ran", ended.stderr[-2000:]


def test_other_packages_are_really_missing_there(tmp_path):
    ended = run(tmp_path, needed("jax", "numpy"))
    assert re.search("No module named 'jaxtyping'", ended.stderr)


@pytest.mark.parametrize("document", ["README.md"])
def test_the_way_to_install_them_is_written(document):
    text = (ROOT / document).read_text()
    assert "pip install --no-deps" in text
    assert "jax numpy jaxtyping" in text
