"""Packages of extras: imported where they are used, named in a sentence where they are missing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A part that needs a package of an extra, the package, and the extra.
PARTS = {
    "plots": (
        "from jax_s4rl.envs import registry; "
        "registry.make('jax_s4rl/RandomWalk-v0', render_mode='rgb_array').unwrapped.render()",
        "matplotlib",
    ),
    "hdf5": ("from jax_s4rl.data import hdf5; hdf5.load_hdf5('x.hdf5')", "h5py"),
    "plots, on the command line": (
        "from jax_s4rl.cli import main; main.main(['view-dataset', 'x'])",
        "matplotlib",
    ),
}


@pytest.mark.parametrize("extra", PARTS)
def test_a_part_without_its_extra_says_how_to_install_it(extra):
    part, package = PARTS[extra]
    code = f"import sys; sys.modules[{package!r}] = None; {part}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    last = ended.stderr.strip().splitlines()[-1]
    assert f"needs the package {package}, which is not installed; run:" in last
    assert f"jax-s4rl[{extra.partition(',')[0]}]" in last
