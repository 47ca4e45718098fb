"""The README and the pages are right: blocks run, commands and links exist, tables are complete."""

import re
import sys

import pytest
import yaml

from jax_s4rl.cli import main
from jax_s4rl.collection import datasets
from jax_s4rl.data import d4rl
from tests.docs import pages

LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
ALL = pages.pages_with_blocks()


def name_of(path):
    return str(path.relative_to(pages.ROOT))


@pytest.fixture
def folder(tmp_path, tmp_path_factory, monkeypatch):
    """An empty current folder; datasets are shared by all pages."""
    monkeypatch.chdir(tmp_path)
    shared = tmp_path_factory.getbasetemp() / "datasets"
    monkeypatch.setenv("JAX_S4RL_DATA", str(shared))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    known = set(sys.modules)
    yield
    # Modules that a page wrote; another page may write one of the same name.
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("path", [p for p in ALL if not pages.is_slow(p)], ids=name_of)
def test_blocks_run(path, folder):
    pages.run(path)


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in ALL if pages.is_slow(p)], ids=name_of)
def test_blocks_that_train_run(path, folder):
    pages.run(path)


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_commands_of_blocks_that_are_not_run_exist(path):
    for block in pages.blocks(path):
        if block.language == "sh" and block.reason:
            for words in block.commands:
                pages.check_names(words)


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_block_is_run_or_says_why_not(path):
    text = path.read_text()
    marks = re.findall(r"<!-- test: (.*?) -->\n", text)
    assert len(marks) == len(re.findall(r"<!-- test: .*? -->\n```(?:python|sh)\n", text))
    assert all(len(block.reason) > 10 for block in pages.blocks(path) if block.reason)
    assert not re.findall(r"^```(?!python$|sh$|$)", text, re.M), "a block of another language"


@pytest.mark.parametrize("path", pages.all_pages(), ids=name_of)
def test_links_lead_to_files(path):
    for link in LINK.findall(path.read_text()):
        assert (path.parent / link).exists(), f"{name_of(path)} links to {link}"


def test_the_page_of_commands_lists_all_of_them():
    text = (pages.DOCS / "commands.md").read_text()
    for table in (main.COMMANDS, main.EXIT_CODES):
        for name, meaning in table.items():
            assert f"| {name} | {meaning} |" in text or f"| `{name}` | {meaning} |" in text


def test_the_page_of_own_data_lists_all_names_of_arrays():
    text = (pages.DOCS / "own_data.md").read_text()
    assert all(f"`{name}`" in text for pair in d4rl.ALIASES.items() for name in pair)


def test_the_page_of_datasets_lists_all_families():
    text = (pages.DOCS / "datasets.md").read_text()
    assert {name.split("/")[0] for name in datasets.names()} <= set(re.findall(r"\w+", text))


def test_every_page_is_in_the_menu():
    menu = (pages.ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    listed = set(re.findall(r": (\S+\.md)$", menu, re.M))
    assert listed == {str(path.relative_to(pages.DOCS)) for path in pages.DOCS.rglob("*.md")}


def test_the_site_loads_nothing_from_other_hosts():
    text = (pages.ROOT / "mkdocs.yml").read_text()
    theme = yaml.safe_load(text.partition("\nmarkdown_extensions:")[0])["theme"]
    assert theme["font"] is False
    assert "http" not in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("f(n=500)", "f(n=20)"), ("f(n=500, m=1)\ng(n=1_000)", "f(n=20, m=1)\ng(n=40)")],
)
def test_numbers_are_replaced_in_turn(text, wanted):
    values = ["20"] if "g(" not in text else ["20", "40"]
    assert pages.Block("python", text, {"n": values}, "", False).code == wanted


def test_a_number_that_is_not_there_is_an_error():
    with pytest.raises(AssertionError, match="gives no number to n"):
        _ = pages.Block("python", "f(m=1)", {"n": ["2"]}, "", False).code


def test_a_command_that_fails_is_an_error(folder):
    with pytest.raises(AssertionError, match="ended with 2"):
        pages.run_command(["jax-s4rl", "trian"])


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("python", "train(num_updates=20)", "train(num_updates=20, width=8)"),
        ("sh", "train --num-updates 20 --dry", "train --num-updates 20 --width 8 --dry"),
    ],
)
def test_an_argument_is_added_behind_the_number_of_updates(language, text, wanted):
    assert pages.Block(language, text, {"+width": ["8"]}, "", False).code == wanted
