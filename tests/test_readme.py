"""The README is short and its commands exist; the table of kernels is complete.

`tests/docs/test_pages.py` runs the examples of the README and of all pages.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
TABLE = (ROOT / "docs" / "kernels.md").read_text()
KERNELS = ROOT / "jax_s4rl" / "kernels"
# Types of their own, which the table mentions.
INNER = {"complex_pair"}


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 200


def test_every_public_kernel_function_is_in_the_table():
    missing = [
        f"{path.stem}.{node.name}"
        for path in sorted(KERNELS.glob("*.py"))
        if path.stem not in INNER and not path.stem.startswith("_")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if f"`{path.stem}.{node.name}`" not in TABLE
    ]
    assert not missing, f"the table of kernels lacks {missing}"


def test_every_public_kernel_function_has_an_example_that_runs():
    # The doctests themselves are collected with the tests.
    missing = [
        f"{path.relative_to(KERNELS)}: {node.name}"
        for path in sorted(KERNELS.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if ">>>" not in (ast.get_docstring(node) or "")
    ]
    assert not missing, f"these lack an Example with >>> in their docstring: {missing}"


def test_every_named_kernel_function_exists():
    named = set(re.findall(r"`([a-z0-9_]+)\.([a-z0-9_]+)`", TABLE))
    modules = {path.stem for path in KERNELS.glob("*.py")}
    for module, function in named:
        if module in modules:
            body = ast.parse((KERNELS / f"{module}.py").read_text()).body
            functions = {node.name for node in body if hasattr(node, "name")}
            # Functions that live in a file of their own, and are handed out here.
            functions |= {
                name.id
                for node in body
                if isinstance(node, ast.Assign)
                for name in ast.walk(node.targets[0])
                if isinstance(name, ast.Name)
            }
            assert function in functions, f"the table names {module}.{function}, which is not there"


def test_every_make_command_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+(?:-[a-z]+)?)", README))
    assert {"demo", "test"} <= named <= targets
