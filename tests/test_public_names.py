"""Public names change on purpose only: they are those of `public_names.txt`.

python -m tests.test_public_names   # writes the file anew
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTED = Path(__file__).with_name("public_names.txt")


def public_names():
    lines = []
    for path in sorted((ROOT / "jax_s4rl").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if any(part.startswith("_") for part in parts[1:] if part != "__init__"):
            continue
        names = sorted(name for name in _names(path) if not name.startswith("_"))
        module = ".".join(part for part in parts if part != "__init__")
        lines += [f"{module}.{name}" for name in names]
    return lines


def _names(path):
    """Names that a module defines: functions, classes, constants and public methods."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                    yield f"{node.name}.{item.name}"
                elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    yield f"{node.name}.{item.target.id}"
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_public_names_are_those_that_are_listed():
    listed = LISTED.read_text().splitlines()
    today = public_names()
    added, removed = sorted(set(today) - set(listed)), sorted(set(listed) - set(today))
    changed = added or removed
    assert not changed, (
        f"new public names: {added}; names that are gone: {removed}. If that is meant, run "
        "`python -m tests.test_public_names` and say so in CHANGELOG.md"
    )
    assert listed == today


if __name__ == "__main__":
    LISTED.write_text("\n".join(public_names()) + "\n")
