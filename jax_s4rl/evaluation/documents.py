"""Sections of a document that a script writes, between `<!-- name -->` and `<!-- /name -->`, and its numbers."""

from pathlib import Path


def replace_section(text: str, name: str, content: str) -> str:
    """Replaces what stands between the two marks of `name`.

    Raises:
      ValueError: the text does not have both.

    Example:
      >>> replace_section("a <!-- scores --> old <!-- /scores --> b", "scores", "new")
      'a <!-- scores -->\\n\\nnew\\n\\n<!-- /scores --> b'
    """
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found_opening, rest = text.partition(opening)
    _, found_closing, after = rest.partition(closing)
    if not (found_opening and found_closing):
        raise ValueError(f"got a text without the marks {opening} and {closing}; write both where the section shall be")
    return f"{before}{opening}\n\n{content.strip()}\n\n{closing}{after}"


def write_section(path: Path, name: str, content: str) -> None:
    """Replaces a section of the file at `path`."""
    path.write_text(replace_section(path.read_text(), name, content))


def milliseconds(seconds: float) -> str:
    """Writes a time as a table does: three digits, or all before the point.

    Args:
      seconds: of anything.

    Returns:
      Milliseconds.
    """
    value = 1e3 * seconds
    return f"{value:.3g}" if value < 1e3 else f"{value:,.0f}"
