"""Blocks as a page: escaped, linked, and fetching nothing."""

import html.parser
import re

from experiments.reporting import blocks, pages

VOID = {"meta", "br"}


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
    return pages.write(
        "A & B",
        [
            blocks.Heading("A & B", 1),
            blocks.Heading("One token or three"),
            blocks.Paragraph("Run `x < y`, **now**, *please*; see [there](#one-token-or-three)."),
            blocks.Note("Small."),
            blocks.Numbered(["first"]),
            blocks.Command("a > b"),
            blocks.Table(["x", "y"], [["a\nb", blocks.Badge("holds", blocks.GOOD)], ["c", "1.0 [0.5, 1.5]"]]),
            blocks.Picture("dots", 'every "run"', lambda: "<svg></svg>", "0"),
            blocks.Fold("More", [blocks.Paragraph("Inside.")], everywhere=False),
        ],
    )


def test_a_page_is_well_nested_and_fetches_nothing():
    page = write()
    nesting = Nesting()
    nesting.feed(page)
    assert nesting.open == []
    assert not re.findall(r"(?:src|href)=['\"](?!#)", page)


def test_what_it_shows():
    page = write()
    assert "<title>A &amp; B</title>" in page
    assert "<code>x &lt; y</code>, <b>now</b>, <i>please</i>" in page
    assert page.count("<a href='#one-token-or-three'>") == 2
    assert "<h2 id='one-token-or-three'>" in page
    assert "<span class='whole'>a</span><br><span class='whole'>b</span>" in page
    assert "<span class='badge good'>holds</span>" in page
    assert "<span class='whole'>1.0 [0.5, 1.5]</span>" in page
    assert "aria-label='every &quot;run&quot;'><svg>" in page
    assert "Inside." in page
