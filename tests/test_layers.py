"""The layers of the project: allowed imports, sizes of files, and a test for every file."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jax_s4rl"
MAX_FILE_LINES = 400
MAX_BODY_LINES = 60
HOMELESS_NAMES = {"utils", "common", "helpers", "base", "misc"}

# What a folder may import from the project, and from outside the standard library.
PACKAGE_LAYERS = {
    "kernels": set(),
    "data": set(),
    "envs": set(),
    "modules": {"kernels"},
    "models": {"modules"},
    "training": {"data"},
    "evaluation": {"data", "envs"},
    "collection": {"data", "envs"},
    "agents": {
        "kernels",
        "modules",
        "models",
        "data",
        "envs",
        "collection",
        "training",
        "evaluation",
    },
    "cli": {"agents", "collection", "training", "evaluation", "data", "envs", "models", "modules"},
}
# Files beside the folders: for all of them but those that import nothing of the project.
TOP_LEVEL = {"self_test", "cache_folders", "parameter_groups"}
# Files beside the folders that need the standard library alone: for all of them.
NEUTRAL = {"_lazy", "_extras"}
WITHOUT_TOP_LEVEL = {"kernels", "data", "envs"}
ARRAYS = {"jax", "numpy", "chex", "jaxtyping"}
OUTSIDE = {
    "kernels": ARRAYS,
    "modules": ARRAYS | {"flax"},
    "models": ARRAYS | {"flax"},
    "data": ARRAYS | {"minari", "h5py", "gymnasium"},
    "envs": {"gymnasium", "minigrid", "bsuite", "dm_env", "numpy", "matplotlib"},
    "collection": ARRAYS | {"flax", "optax", "gymnasium", "rich"},
    "training": ARRAYS | {"optax", "orbax", "rich", "flax", "tensorboardX"},
    "evaluation": ARRAYS | {"gymnasium", "scipy"},
    "agents": ARRAYS | {"flax", "gymnasium", "rich", "PIL"},
    "cli": ARRAYS | {"gymnasium", "matplotlib", "packaging", "PIL", "rich", "tyro"},
}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
SCRIPTS = sorted([*(ROOT / "experiments").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
TESTED = [*SOURCES, *(path for path in SCRIPTS if path.name != "__init__.py")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def imports(path: Path) -> list[str]:
    """Every absolute module that a file imports, relative ones resolved."""
    package = path.relative_to(ROOT).parent.parts
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (parent, node.module) if part)
            found += [f"{module}.{alias.name}" for alias in node.names]
    return found


def is_allowed(folder: str, module: str) -> bool:
    parts = module.split(".")
    if parts[0] == "jax_s4rl":
        beside = TOP_LEVEL if folder not in WITHOUT_TOP_LEVEL else set()
        return (
            len(parts) == 1
            or parts[1] in {folder} | PACKAGE_LAYERS[folder] | beside | NEUTRAL
            or parts[1].startswith("__")
        )
    return parts[0] in sys.stdlib_module_names or parts[0] in OUTSIDE[folder]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name_of)
def test_imports_respect_the_layers(path):
    folder = path.relative_to(PACKAGE).parts[0]
    if folder == "__init__.py":
        outside = [
            module
            for module in imports(path)
            if module.split(".")[0] not in {"jax_s4rl"} | set(sys.stdlib_module_names)
        ]
        assert not outside, (
            "the package imports nothing itself, so that `jax_s4rl.kernels` can be imported alone"
        )
        return
    if folder.endswith(".py"):
        assert path.stem in TOP_LEVEL | NEUTRAL, (
            "a file beside the folders is for several of them; name it in TOP_LEVEL or NEUTRAL"
        )
        roots = {module.split(".")[0] for module in imports(path)}
        assert roots <= {"jax", "numpy", "jax_s4rl"} | set(sys.stdlib_module_names)
        assert all(
            module.split(".")[1] in TOP_LEVEL
            for module in imports(path)
            if module.startswith("jax_s4rl.")
        )
        return
    forbidden = [module for module in imports(path) if not is_allowed(folder, module)]
    assert not forbidden, (
        f"{name_of(path)} may not import {forbidden}; see the table of layers in CONTRIBUTING.md"
    )


def test_private_files_stay_in_their_folder():
    # Modules share the checks, dtypes and fusion barrier of kernels; no other layer needs them.
    shared = {
        "jax_s4rl.kernels._casting",
        "jax_s4rl.kernels._checks",
        "jax_s4rl.kernels._fusion_barrier",
    }
    for path in [*PACKAGE.rglob("*.py"), *SCRIPTS]:
        own = ".".join(path.relative_to(ROOT).parent.parts)
        for module in imports(path):
            parts = module.split(".")
            private = [
                n
                for n, part in enumerate(parts)
                if part.startswith("_") and not part.startswith("__")
            ]
            if (
                parts[0] != "jax_s4rl"
                or not private
                or ".".join(parts[:2]) in {f"jax_s4rl.{name}" for name in NEUTRAL}
            ):
                continue
            home = ".".join(parts[: private[0]])
            is_shared = own == "jax_s4rl.modules" and ".".join(parts[: private[0] + 1]) in shared
            assert own == home or own.startswith(f"{home}.") or is_shared, (
                f"{name_of(path)} imports {module}, which is private to {home}"
            )


def test_there_is_no_import_circle():
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in SOURCES}
    graph = {
        name: {module for module in files if _imports_module(path, module)}
        for name, path in files.items()
    }
    while leaves := [
        name for name, targets in graph.items() if not targets & graph.keys() - {name}
    ]:
        for name in leaves:
            del graph[name]
    assert not graph, f"these modules import each other in a circle: {sorted(graph)}"


def test_experiments_do_not_import_benchmarks_nor_each_other_in_a_circle():
    scripts = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in SCRIPTS}
    graph = {
        name: {module for module in scripts if _imports_module(path, module)} - {name}
        for name, path in scripts.items()
    }
    for name, targets in graph.items():
        if name.startswith("experiments."):
            assert not any(target.startswith("benchmarks.") for target in targets), (
                f"{name} imports a benchmark; benchmarks may import trials, never the other way"
            )
    while leaves := [name for name, targets in graph.items() if not targets & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph, f"these scripts import each other in a circle: {sorted(graph)}"


def _imports_module(path: Path, module: str) -> bool:
    return any(found == module or found.startswith(module + ".") for found in imports(path))


@pytest.mark.parametrize("path", TESTED, ids=name_of)
def test_every_source_file_has_its_test(path):
    parts = path.relative_to(ROOT).parts
    folders = parts[1:-1] if parts[0] == "jax_s4rl" else parts[:-1]
    test = ROOT.joinpath("tests", *folders, f"test_{path.name.lstrip('_')}")
    assert test.exists(), f"{name_of(path)} has no test file; expected {name_of(test)}"


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS], ids=name_of)
def test_files_and_bodies_stay_small(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES, (
        f"{name_of(path)} is over {MAX_FILE_LINES} lines; split it by job"
    )
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            length = (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1
            assert length <= MAX_BODY_LINES, (
                f"{name_of(path)}:{node.name} has a body of {length} lines"
            )


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS], ids=name_of)
def test_file_names_tell_a_job(path):
    assert path.stem not in HOMELESS_NAMES, (
        f"{name_of(path)}: such a name means that a job has no home yet"
    )


def test_kernels_are_imported_without_the_rest():
    code = (
        "import sys, jax_s4rl.kernels; "
        "rest = ('flax', 'optax', 'orbax', 'gymnasium', 'minigrid', 'bsuite'); "
        "layers = ('modules', 'models', 'data', 'envs', 'collection', 'training', 'evaluation', "
        "'agents', 'cli', 'self_test'); "
        "found = [m for m in sys.modules if m in rest or m in {f'jax_s4rl.{r}' for r in layers}]; "
        "sys.exit(f'imported as well: {found}' if found else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
