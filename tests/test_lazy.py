"""Packages open their modules at first use, and importing them costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "jax_s4rl"
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    ).stdout


def test_every_layer_opens_from_the_top():
    code = (
        "import jax_s4rl; "
        "print(jax_s4rl.kernels.s4d.apply.__name__, jax_s4rl.data.windows.__name__, "
        "jax_s4rl.envs.key_door.config.__name__, jax_s4rl.collection.ppo.update.__name__)"
    )
    assert run(code).split() == [
        "apply",
        "jax_s4rl.data.windows",
        "jax_s4rl.envs.key_door.config",
        "jax_s4rl.collection.ppo.update",
    ]


def test_importing_the_top_imports_no_layer():
    code = (
        "import sys, jax_s4rl; "
        "print([m for m in sys.modules if m.startswith(('jax_s4rl.', 'jax.'))])"
    )
    assert run(code).strip() == "['jax_s4rl._lazy']"


def test_the_main_functions_are_listed():
    code = (
        "import jax_s4rl; "
        "print({'train', 'evaluate', 'load', 'kernels', 'agents'} <= set(dir(jax_s4rl)))"
    )
    assert run(code).strip() == "True"


def test_an_unknown_name_is_an_attribute_error():
    import jax_s4rl

    with pytest.raises(AttributeError, match="module 'jax_s4rl' has no attribute 'nothing'"):
        _ = jax_s4rl.nothing
    with pytest.raises(
        AttributeError, match=r"module 'jax_s4rl\.kernels' has no attribute 'checks'"
    ):
        _ = jax_s4rl.kernels.checks


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_type_checkers_see_every_public_module(folder):
    if folder.name == "cli":
        return  # Commands, started by `jax-s4rl`.
    tree = ast.parse((folder / "__init__.py").read_text())
    package = ".".join(folder.relative_to(PACKAGE.parent).parts)
    listed = {
        alias.asname
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module == package
        for alias in node.names
    }
    modules = {
        path.stem
        for path in folder.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert listed == {name for name in modules if not name.startswith("_")}
