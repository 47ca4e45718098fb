"""The files around the code agree with it: citation, contributor's guide, CI, pre-commit hooks."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests import test_layers

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", CONTRIBUTING, re.DOTALL | re.MULTILINE))
LAYERS = SECTIONS["Layers"]
RECIPES = [title for title in SECTIONS if title.startswith("Add ")]
SUFFIXES = {".py", ".md", ".toml", ".txt", ".cff", ".yaml", ".yml"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def in_backticks(text: str) -> list[str]:
    return re.findall(r"`([^`\s]+)`", text)


def is_path(name: str) -> bool:
    return "/" in name or Path(name).suffix in SUFFIXES


def test_the_citation_names_this_version():
    assert CITATION["version"] == PROJECT["version"]
    literals = re.findall(
        r'^__version__ = "(.+)"', (ROOT / "jax_s4rl/__init__.py").read_text(), re.MULTILINE
    )
    assert set(literals) <= {PROJECT["version"]}


def test_the_citation_has_the_fields_that_its_format_requires():
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["title"] == PROJECT["name"].replace("-", "_")
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["message"]
    assert CITATION["authors"]
    titles = [paper["title"] for paper in CITATION["references"]]
    assert len(set(titles)) == len(titles)
    for paper in CITATION["references"]:
        assert paper["type"] in {"article", "conference-paper"}, paper["title"]
        assert ("conference" in paper) == (paper["type"] == "conference-paper"), paper["title"]
        assert isinstance(paper["year"], int), paper["title"]
        for author in paper["authors"]:
            assert {"given-names", "family-names"} <= author.keys(), paper["title"]


def test_the_table_of_layers_is_the_one_that_imports_are_checked_by():
    lines = [line for line in LAYERS.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    (folders, _, imports), _, *rows = rows
    assert (folders, imports) == ("folder", "may import from the project")
    table = {}
    for folder, job, allowed in rows:
        (name,) = in_backticks(folder)
        assert job, name
        assert in_backticks(allowed) or allowed == "nothing", name
        table[name.strip("/")] = set(in_backticks(allowed))
    scripts = {name: table.pop(name) for name in ("experiments", "benchmarks")}
    assert scripts == {"experiments": {"jax_s4rl"}, "benchmarks": {"jax_s4rl", "experiments"}}
    assert table == {
        f"jax_s4rl/{name}": allowed for name, allowed in test_layers.PACKAGE_LAYERS.items()
    }


def test_the_files_beside_the_layers_are_named():
    sentences = re.findall(
        r"^Every layer except .*?\.\s|All layers may.*?\.\s", LAYERS, re.S | re.M
    )
    some, every = (set(in_backticks(sentence)) for sentence in sentences)
    restricted = {f"jax_s4rl/{name}.py" for name in test_layers.TOP_LEVEL}
    assert some == test_layers.WITHOUT_TOP_LEVEL | restricted
    assert every == {f"jax_s4rl/{name}.py" for name in test_layers.NEUTRAL}


def test_every_path_in_the_guide_exists():
    paths = [name for name in in_backticks(CONTRIBUTING) if is_path(name)]
    missing = [name for name in paths if not (ROOT / name).exists()]
    assert not missing, f"CONTRIBUTING.md names {missing}, which do not exist"


@pytest.mark.parametrize("title", RECIPES)
def test_every_name_in_a_recipe_is_in_a_file_that_it_names(title):
    named = in_backticks(SECTIONS[title])
    files = [ROOT / name for name in named if name.endswith(".py") and (ROOT / name).exists()]
    words = set(re.findall(r"\w+", "\n".join(path.read_text() for path in files)))
    identifiers = [name for name in named if re.fullmatch(r"[A-Za-z_][\w.]*", name)]
    missing = [
        name for name in identifiers if not is_path(name) and not set(name.split(".")) <= words
    ]
    assert not missing, f"{title}: {missing} are in none of the files that the recipe names"


def test_the_recipes_are_there():
    assert RECIPES == ["Add a mixer", "Add a dataset", "Add an experiment"]


def test_the_guide_names_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"lint", "test"} <= set(re.findall(r"^make ([a-z-]+)", CONTRIBUTING, re.M)) <= targets
    assert set(re.findall(r"`make ([a-z-]+)`", CONTRIBUTING)) <= targets


def test_the_workflow_runs_what_ci_runs():
    targets = re.findall(r"^make .+$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    assert [step["run"] for job in jobs for step in job["steps"] if "run" in step] == targets
    assert all(0 < job["timeout-minutes"] <= 360 for job in jobs)


def test_the_hooks_run_the_tested_version_of_ruff():
    (pinned,) = re.findall(r"^ruff==\S+", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    assert [hook["id"] for hook in hooks] == ["ruff-check", "ruff-format"]
    assert all(hook["additional_dependencies"] == [pinned] for hook in hooks)


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_issue_forms_have_fields_with_names_of_their_own(name):
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text())
    assert form["name"]
    assert form["description"]
    names = [field["id"] for field in form["body"]]
    assert names
    assert len(set(names)) == len(names)
