"""Links to files that the site does not hold become text; all others stay."""

import importlib.util
import types

import pytest

from tests.docs import pages


def rewrite(text, name="start.md"):
    spec = importlib.util.spec_from_file_location("hooks", pages.DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri=name))
    return module.on_page_markdown(text, page=page, config=None, files=None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("see [`a`](../experiments/README.md#x).", "see `a`."),
        ("see [b](start.md#y)", "see [b](start.md#y)"),
        ("![c](pictures/c.svg)", "![c](pictures/c.svg)"),
    ],
)
def test_links_out_of_the_folder_become_text(text, wanted):
    assert rewrite(text) == wanted


def test_pages_in_folders_link_to_their_neighbours():
    assert rewrite("[k](../kernels.md)", "api/kernels.md") == "[k](../kernels.md)"
