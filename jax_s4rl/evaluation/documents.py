"""Sections of documents that scripts write, and the numbers in them.

A section lies between the marks `<!-- name -->` and `<!-- /name -->`. Text from files is escaped,
so that it stays text in Markdown and in HTML.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jax_s4rl.data import atomic_files
from jax_s4rl.evaluation import result_rows

# What has a meaning in a line of Markdown, besides that of HTML.
_MEANINGFUL = re.compile(r"[\"`|*\[\]\\]")
# Ends of lines, other controls, and marks that turn the direction of writing.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def escape(text: str) -> str:
    """Makes text of a file safe in a line of Markdown or HTML.

    Args:
        text: Text from a file.

    Returns:
        One line that shows the same in both: what has a meaning there is written as a number.

    Example:
        >>> escape("cartpole/mixed"), escape("a|b"), escape("<b>")
        ('cartpole/mixed', 'a&#124;b', '&lt;b&gt;')
    """
    line = html.escape(_INVISIBLE.sub(" ", text), quote=False)
    return _MEANINGFUL.sub(lambda found: f"&#{ord(found[0])};", line)


def escape_all(value: Any) -> Any:
    """Escapes all texts in a value of JSON, names included."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {escape(str(name)): escape_all(one) for name, one in value.items()}
    return [escape_all(one) for one in value] if isinstance(value, list) else value


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """Reads result rows for a document: their texts are escaped.

    Args:
        path: File of rows, see `result_rows.read_rows`.

    Yields:
        The rows.
    """
    yield from map(escape_all, result_rows.read_rows(path))


def replace_section(text: str, name: str, content: str) -> str:
    r"""Replaces the text between the two marks of a section.

    Args:
        text: Document with both marks.
        name: Name of the section.
        content: New text of the section.

    Returns:
        The document with the new section.

    Raises:
        ValueError: If the document does not have both marks.

    Example:
        >>> replace_section("a <!-- scores --> old <!-- /scores --> b", "scores", "new")
        'a <!-- scores -->\n\nnew\n\n<!-- /scores --> b'
    """
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found_opening, rest = text.partition(opening)
    _, found_closing, after = rest.partition(closing)
    if not (found_opening and found_closing):
        raise ValueError(
            f"got a text without the marks {opening} and {closing}; "
            "write both where the section belongs"
        )
    return f"{before}{opening}\n\n{content.strip()}\n\n{closing}{after}"


def write_section(path: Path, name: str, content: str) -> None:
    """Replaces a section of the file at `path`.

    Args:
        path: Document with both marks of the section.
        name: Name of the section.
        content: New text of the section.

    Raises:
        ValueError: If the document does not have both marks.
        OSError: If the disk refuses; the document stays as it was.
    """
    text = replace_section(path.read_text(), name, content)
    atomic_files.write_whole(path, lambda file: file.write(text.encode()))


def milliseconds(seconds: float) -> str:
    """Formats a time for a table, in milliseconds.

    Args:
        seconds: Time in seconds.

    Returns:
        Milliseconds with three significant digits; from 1000 on, rounded to whole ones with commas.
    """
    value = 1e3 * seconds
    return f"{value:.3g}" if value < 1e3 else f"{value:,.0f}"
