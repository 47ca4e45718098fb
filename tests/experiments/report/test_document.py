"""Blocks as Markdown and as a page, and the texts of templates."""

import html.parser
import math
import re

import pytest

from experiments.report import document
from jax_s4rl.evaluation import bootstrap


def test_anchors_are_those_of_code_hosts():
    assert document.anchor("One token or three") == "one-token-or-three"
    assert document.anchor("Key-to-door: a (long) test") == "key-to-door-a-long-test"


def test_every_block():
    picture = document.Picture("dots", "every run", lambda: b"", "0")
    content = [
        document.Heading("Title", 1),
        document.Paragraph("Text."),
        document.Note("Small."),
        document.Numbered(["a", "b"]),
        document.Bullets(["c", "d"]),
        document.Table(["x", "y"], [["a|b\nc", document.Badge("holds", document.GOOD)]]),
        picture,
    ]
    assert document.markdown(content, folder="pictures") == (
        "# Title\n\nText.\n\nSmall.\n\n1. a\n2. b\n\n* c\n* d\n\n"
        "| x | y |\n| --- | ---: |\n| a\\|b<br>c | **holds** |\n\n"
        "![every run](pictures/dots.png)\n"
    )


VOID = {"meta", "br", "img"}


class Nesting(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def write():
    return document.page(
        "A & B",
        [
            document.Heading("A & B", 1),
            document.Heading("One token or three"),
            document.Paragraph("Run `x < y`, **now**, *please*; see [there](#one-token-or-three)."),
            document.Note("Small."),
            document.Numbered(["first"]),
            document.Table(
                ["x", "y"],
                [["a\nb", document.Badge("holds", document.GOOD)], ["c", "1.0 [0.5, 1.5]"]],
            ),
            document.Bullets(["second"]),
            document.Picture("dots", 'every "run"', lambda: b"abc", "0"),
        ],
    )


def test_a_page_is_well_nested_and_fetches_nothing():
    page = write()
    nesting = Nesting()
    nesting.feed(page)
    assert nesting.open == []
    assert not re.findall(r"(?:src|href)=['\"](?!#|data:)", page)


def test_what_it_shows():
    page = write()
    assert "<title>A &amp; B</title>" in page
    assert "<code>x &lt; y</code>, <b>now</b>, <i>please</i>" in page
    assert page.count("<a href='#one-token-or-three'>") == 2
    assert "<h2 id='one-token-or-three'>" in page
    assert "<span class='whole'>a</span><br><span class='whole'>b</span>" in page
    assert "<span class='badge good'>holds</span>" in page
    assert "<span class='whole'>1.0 [0.5, 1.5]</span>" in page
    assert "<img alt='every &quot;run&quot;' src='data:image/png;base64,YWJj'>" in page
    assert "<ul><li>second</li></ul>" in page


def test_tables_of_others_are_read():
    table = document.parse_table("| a | b |\n| --- | ---: |\n| x y | 1 |\n", left=2)
    assert table == document.Table(["a", "b"], [["x y", "1"]], 2)


def test_texts_are_paragraphs_with_their_fields_filled_in(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "TEMPLATES", tmp_path)
    (tmp_path / "some.md").write_text("# one\nA {thing:g}\nand more.\n\n# list\n1. a\n   b\n2. c\n")
    assert document.text("some", "one", thing=2.0) == "A 2 and more."
    assert document.items("some", "list") == ["a b", "c"]
    assert document.items("some", "missing") == []
    with pytest.raises(KeyError):
        document.text("some", "one")


def test_names_are_joined_once_each():
    assert document.join("a", "", "b", "a") == "a, b"
    assert document.join("a", "b", by="; ") == "a; b"


def test_every_part_of_a_template_is_used_somewhere():
    """Names of parts stand in the sources as strings, or are fields of other templates."""
    folder = document.TEMPLATES.parent
    sources = "".join(path.read_text() for path in folder.glob("*.py"))
    for template in document.TEMPLATES.glob("*.md"):
        texts = "".join(path.read_text() for path in document.TEMPLATES.glob("*.md"))
        for name in document.parts(template.stem):
            is_used = f'"{name}"' in sources or f"{{{name}}}" in texts
            assert is_used, f"{template.name}: nothing shows {name!r}"


def test_numbers_of_an_interval_have_as_many_decimals():
    assert document.show(bootstrap.Interval(19.1, 0.132, 30), signed=True) == "+19.1 [+0.1, +30.0]"
    assert document.show(bootstrap.Interval(0.5, math.nan, math.nan), "%") == "50.0"
    assert document.number(math.nan) == "-"
