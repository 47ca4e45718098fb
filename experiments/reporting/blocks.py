"""What a document is made of; `pages` writes it as HTML, `markdown` as Markdown.

Texts are plain, but for `code`, **bold**, *slanted* and [label](address); in a cell, lines are kept.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

GOOD, BAD, MIXED, OPEN = "good", "bad", "mixed", "open"


class Badge(NamedTuple):
    """A word with a color, in a cell of a table.

    Attributes:
      text: the word.
      tone: good, bad, mixed or open.
    """

    text: str
    tone: str


Cell = str | Badge


class Heading(NamedTuple):
    """A headline; `anchor` of its text is where links to it lead.

    Attributes:
      text: what it says.
      level: 1 for that of the document.
    """

    text: str
    level: int = 2


class Paragraph(NamedTuple):
    """Running text."""

    text: str


class Note(NamedTuple):
    """What stands small under a table or a headline."""

    text: str


class Numbered(NamedTuple):
    """A list with numbers."""

    items: Sequence[str]


class Command(NamedTuple):
    """What is typed into a terminal."""

    text: str


class Table(NamedTuple):
    """A table.

    Attributes:
      head: names of columns.
      rows: cells.
      left: number of columns, from the first on, that hold words.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left: int = 1


class Picture(NamedTuple):
    """A picture, drawn only if it is shown.

    Attributes:
      name: of its file.
      text: what it shows, for those who cannot see it.
      draw: makes the SVG element.
      digest: of the lines that it is drawn from.
    """

    name: str
    text: str
    draw: Callable[[], str]
    digest: str


class Fold(NamedTuple):
    """Blocks that are shown on demand.

    Attributes:
      title: always shown.
      content: the blocks.
      everywhere: whether Markdown shows it as well.
    """

    title: str
    content: Sequence["Block"]
    everywhere: bool = True


Block = Heading | Paragraph | Note | Numbered | Command | Table | Picture | Fold


def anchor(text: str) -> str:
    """Where a link to a headline leads, as code hosts make it from the text.

    Example:
      >>> anchor("Key-to-door: a test")
      'key-to-door-a-test'
    """
    kept = (letter if letter.isalnum() else "-" if letter in " -" else "" for letter in text.lower())
    return "".join(kept)
