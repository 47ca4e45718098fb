"""Blocks of a document, texts and numbers in them, and writers for Markdown and HTML.

Texts are plain, but for `code`, **bold**, *italics* and [label](address). Cells keep line breaks.
"""

import base64
import functools
import html
import math
import re
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jax_s4rl.evaluation import bootstrap

TEMPLATES = Path(__file__).parent / "templates"
GOOD, BAD, MIXED, OPEN = "good", "bad", "mixed", "open"
# Lines of a cell with at most this many letters are not wrapped.
SHORT = 46


class Badge(NamedTuple):
    """A colored word in a cell; its tone is good, bad, mixed or open."""

    text: str
    tone: str


Cell = str | Badge


class Heading(NamedTuple):
    """A headline; level 1 is the title of the document."""

    text: str
    level: int = 2


class Paragraph(NamedTuple):
    """Running text."""

    text: str


class Note(NamedTuple):
    """Small text under a table or a picture."""

    text: str


class Numbered(NamedTuple):
    """A numbered list."""

    items: Sequence[str]


class Bullets(NamedTuple):
    """A list without numbers."""

    items: Sequence[str]


class Table(NamedTuple):
    """A table whose leading columns, up to `left`, hold words."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left: int = 1


class Picture(NamedTuple):
    """A PNG picture that is drawn only when it is written; the digest is that of its rows."""

    name: str
    text: str
    draw: Callable[[], bytes]
    digest: str


Block = Heading | Paragraph | Note | Numbered | Bullets | Table | Picture


@functools.cache
def parts(template: str) -> dict[str, str]:
    """Returns the parts of a template, by the headline ("# ...") above each."""
    text = (TEMPLATES / f"{template}.md").read_text()
    pieces = re.split(r"^# (.+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(pieces[::2], map(str.strip, pieces[1::2]), strict=True))


def text(template: str, name: str, /, **fields: object) -> str:
    """Returns a part of a template as one paragraph, with its named fields filled in."""
    return " ".join(parts(template)[name].split()).format(**fields)


def items(template: str, name: str, /, **fields: object) -> list[str]:
    """Returns the entries of a numbered list in a template; without such a part, none."""
    entries = re.split(r"^\d+\. ", parts(template).get(name, ""), flags=re.MULTILINE)[1:]
    return [" ".join(item.split()).format(**fields) for item in entries]


def join(*names: str, by: str = ", ") -> str:
    """Joins the names that are not empty, each once."""
    return by.join(dict.fromkeys(filter(None, names)))


def listed(names: Sequence[str]) -> str:
    """Lists names in a sentence.

    Example:
        >>> listed(["one", "two", "three"]), listed(["one"])
        ('one, two and three', 'one')
    """
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last


def count_words(text: str) -> int:
    """Counts words and numbers; rules and marks of tables are none.

    Example:
        >>> count_words("| S4 | 1.0 / 2.0 | - |")
        3
    """
    return sum(any(map(str.isalnum, word)) for word in text.split())


def note(name: str, **fields: object) -> Note:
    """Returns a part of `templates/notes.md` as a note."""
    return Note(text("notes", name, **fields))


def files(name: str, command: str) -> Note:
    """Returns a note that names the full table and the command of an experiment."""
    return note("end of a task", csv=f"results/tables/{name}.csv", command=command)


def show(interval: bootstrap.Interval | None, unit: str = "", *, signed: bool = False) -> str:
    """Returns an interval as text; None is a minus, and without ends only the value is shown.

    Example:
        >>> show(bootstrap.Interval(0.65, 0.6, 0.7), "%"), show(None)
        ('65.0 [60.0, 70.0]', '-')
    """
    if interval is None:
        return "-"
    largest = max(abs(end) for end in interval if not math.isnan(end))
    value, low, high = (number(end, unit, signed=signed, like=largest) for end in interval)
    return value if math.isnan(interval.low) else f"{value} [{low}, {high}]"


def number(value: Any, unit: str = "", *, signed: bool = False, like: float | None = None) -> str:
    """Returns a number as text: one decimal for percents and above 10, else two or three.

    It has as many decimals as the number that it should look like, if there is one. What is
    infinite was never reached.

    Example:
        >>> number(0.5), number(0.5, "%"), number(-0.0001), number(0.5, like=20.0), number(None)
        ('0.50', '50.0', '0.000', '0.5', '-')
        >>> number(math.inf)
        'never'
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    value *= 100 if unit == "%" else 1
    size = abs(value if like is None else like)
    decimals = 1 if unit == "%" or size >= 10 else 2 if size >= 0.1 or not size else 3
    # Adding zero removes the sign of a rounded negative zero.
    return f"{round(value, decimals) + 0.0:{'+' if signed else ''}.{decimals}f}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """Returns the mean of some runs with the least and the most of them; of one, its value.

    Thousands have no decimals. If some runs never got there, there is no mean.

    Example:
        >>> spread([0.1, 0.3], "%"), spread([1_000, 3_000]), spread([2_000, math.inf])
        ('20.0 (10.0 to 30.0)', '2,000 (1,000 to 3,000)', '2,000 to never')
    """
    ends = min(values), max(values)
    largest = max((abs(end) for end in ends if not math.isinf(end)), default=0.0)

    def text(value: float) -> str:
        is_large = largest >= 1_000 and not math.isinf(value)
        return f"{value:,.0f}" if is_large else number(value, unit, like=largest)

    low, high = map(text, ends)
    if low == high:
        return low
    if math.isinf(ends[1]):
        return f"{low} to {high}"
    return f"{text(sum(values) / len(values))} ({low} to {high})"


def show_ratio(value: float, ends: tuple[float, float] | None = None) -> str:
    """Returns a ratio as text, with its interval if it has one."""
    return f"{value:.2f}" if ends is None else f"{value:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"


def anchor(text: str) -> str:
    """Returns the address of a headline, as code hosts make it from the text.

    Example:
        >>> anchor("Key-to-door: a (long) test")
        'key-to-door-a-long-test'
    """
    return re.sub(r"[^\w-]|_", "", text.lower().replace(" ", "-"))


def markdown(content: Sequence[Block], *, folder: str) -> str:
    """Writes blocks as Markdown; the folder of pictures is relative to the document."""
    pieces = [piece for block in content if (piece := _markdown(block, folder))]
    return "\n\n".join(pieces) + "\n"


def picture_file(picture: Picture) -> str:
    """Returns the name of the file of a picture."""
    return f"{picture.name}.png"


def _markdown(block: Block, folder: str) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Paragraph(text) | Note(text):
            return text
        case Numbered(entries):
            return "\n".join(f"{number}. {item}" for number, item in enumerate(entries, start=1))
        case Bullets(entries):
            return "\n".join(f"* {item}" for item in entries)
        case Table(head, rows, left):
            rules = ["---"] * left + ["---:"] * (len(head) - left)
            return "\n".join(map(_markdown_line, (head, rules, *rows)))
        case Picture(_, text):
            return f"![{text}]({folder}/{picture_file(block)})"


def parse_table(text: str, left: int = 1) -> Table:
    r"""Returns a Markdown table as a block.

    Example:
        >>> parse_table("| a | b |\n| --- | ---: |\n| x | 1 |").rows
        [['x', '1']]
    """
    lines = [line.strip().strip("|").split("|") for line in text.strip().splitlines()]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return Table(head, rows, left)


def _markdown_line(cells: Sequence[Cell]) -> str:
    texts = (f"**{cell.text}**" if isinstance(cell, Badge) else cell for cell in cells)
    escaped = (text.replace("|", "\\|").replace("\n", "<br>") for text in texts)
    return f"| {' | '.join(escaped)} |"


def page(title: str, content: Sequence[Block]) -> str:
    """Writes blocks as one HTML page that fetches nothing, with links to its headlines."""
    heads = [block.text for block in content if isinstance(block, Heading) and block.level == 2]
    links = "".join(f"<a href='#{anchor(head)}'>{html.escape(head)}</a>" for head in heads)
    pieces = list(map(_html, content))
    if links:
        pieces.insert(1, f"<nav>{links}</nav>")
    template = string.Template((TEMPLATES / "page.html").read_text())
    return template.substitute(title=html.escape(title), content="\n".join(pieces))


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level} id='{anchor(text)}'>{_inline(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Note(text):
            return f"<p class='note'>{_inline(text)}</p>"
        case Numbered(entries):
            return f"<ol>{''.join(f'<li>{_inline(item)}</li>' for item in entries)}</ol>"
        case Bullets(entries):
            return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in entries)}</ul>"
        case Table():
            return _html_table(block)
        case Picture(_, text, draw):
            label = html.escape(text, quote=True)
            data = base64.b64encode(draw()).decode()
            return f"<figure><img alt='{label}' src='data:image/png;base64,{data}'></figure>"


def _html_table(table: Table) -> str:
    def line(cells: Sequence[Cell], tag: str) -> str:
        kinds = ["word"] * table.left + ["number"] * (len(cells) - table.left)
        pairs = zip(kinds, cells, strict=True)
        return "".join(f"<{tag} class='{kind}'>{_html_cell(cell)}</{tag}>" for kind, cell in pairs)

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in table.rows)
    head = f"<thead><tr>{line(table.head, 'th')}</tr></thead>"
    return f"<div class='wide'><table>{head}<tbody>\n{body}\n</tbody></table></div>"


def _html_cell(cell: Cell) -> str:
    if isinstance(cell, Badge):
        return f"<span class='badge {cell.tone}'>{html.escape(cell.text)}</span>"
    lines = cell.split("\n")
    return "<br>".join(_html_line(line, len(lines) > 1 and len(line) <= SHORT) for line in lines)


def _html_line(text: str, is_whole: bool) -> str:
    if is_whole:
        return f"<span class='whole'>{_inline(text)}</span>"
    # A value and its interval stay on one line.
    whole = r"<span class='whole'>\1 [\2, \3]</span>"
    return re.sub(r"(\S+) \[(\S+), (\S+)\]", whole, _inline(text))


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False)
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    escaped = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", escaped)
    escaped = re.sub(r"\*([^*]+)\*", r"<i>\1</i>", escaped)
    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", r"<a href='\2'>\1</a>", escaped)
