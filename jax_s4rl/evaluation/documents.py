"""Sections of documents that scripts write, and the numbers in them.

A section lies between the marks `<!-- name -->` and `<!-- /name -->`.
"""

from pathlib import Path


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
    """
    path.write_text(replace_section(path.read_text(), name, content))


def milliseconds(seconds: float) -> str:
    """Formats a time for a table, in milliseconds.

    Args:
        seconds: Time in seconds.

    Returns:
        Milliseconds with three significant digits; from 1000 on, rounded to whole ones with commas.
    """
    value = 1e3 * seconds
    return f"{value:.3g}" if value < 1e3 else f"{value:,.0f}"
