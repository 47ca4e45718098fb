"""Writes blocks as Markdown."""

from collections.abc import Sequence

from experiments.reporting import blocks


def write(content: Sequence[blocks.Block], *, folder: str) -> str:
    """Writes a document.

    Args:
      content: its blocks.
      folder: of the files of pictures, relative to the document.

    Returns:
      Its text.
    """
    parts = [part for block in content if (part := _write(block, folder))]
    return "\n\n".join(parts) + "\n"


def picture_file(picture: blocks.Picture) -> str:
    """Name of the file of a picture."""
    return f"{picture.name}.svg"


def _write(block: blocks.Block, folder: str) -> str:
    match block:
        case blocks.Heading(text, level):
            return f"{'#' * level} {text}"
        case blocks.Paragraph(text) | blocks.Note(text):
            return text
        case blocks.Numbered(items):
            return "\n".join(f"{number}. {item}" for number, item in enumerate(items, start=1))
        case blocks.Command(text):
            return f"```sh\n{text}\n```"
        case blocks.Table():
            return _table(block)
        case blocks.Picture():
            return f"![{block.text}]({folder}/{picture_file(block)})"
        case blocks.Fold(title, content, everywhere):
            if not everywhere:
                return ""
            inner = write(content, folder=folder).strip()
            return f"<details>\n<summary>{title}</summary>\n\n{inner}\n\n</details>"


def _table(table: blocks.Table) -> str:
    rules = ["---"] * table.left + ["---:"] * (len(table.head) - table.left)
    return "\n".join(_line(cells) for cells in (table.head, rules, *table.rows))


def _line(cells: Sequence[blocks.Cell]) -> str:
    texts = (f"**{cell.text}**" if isinstance(cell, blocks.Badge) else cell for cell in cells)
    return "| " + " | ".join(text.replace("|", "\\|").replace("\n", "<br>") for text in texts) + " |"
