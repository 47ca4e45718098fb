"""Writes blocks as one HTML page that fetches nothing."""

import html
import re
from collections.abc import Sequence

from experiments.reporting import blocks

# Lines of a cell with so few letters are not broken.
SHORT = 46
STYLE = """
:root { --ink: #222; --quiet: #595959; --line: #e6e6e6; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; } h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
h2 { font-size: 1.3rem; margin-top: 3rem; border-bottom: 1px solid #ccc; padding-bottom: .2rem; }
p { max-width: 54rem; margin: .5rem 0; } p.note { color: var(--quiet); font-size: .9rem; }
a { color: #1f5f9f; } code { background: #f3f3f3; padding: 0 .25em; border-radius: 3px; font-size: .9em; }
pre { background: #f3f3f3; padding: .5rem .8rem; border-radius: 4px; overflow-x: auto; } pre code { padding: 0; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 1rem 0; font-size: .92rem; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .8rem .28rem 0; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; border-bottom-color: #bbb; vertical-align: bottom; } td.word, th.word { text-align: left; }
td.number, .whole { white-space: nowrap; } tbody tr:hover { background: #f8f8f5; }
.badge { display: inline-block; padding: 0 .55em; border-radius: 1em; font-weight: 600; white-space: nowrap; }
.good { background: #d9f0df; color: #14532d; } .bad { background: #fbdcd9; color: #7a1710; }
.mixed { background: #fdedc8; color: #664400; } .open { background: #ececec; color: #444; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; } details { margin: .8rem 0; }
summary { cursor: pointer; color: #1f5f9f; } ol { max-width: 54rem; padding-left: 1.4rem; }
footer { color: var(--quiet); font-size: .85rem; margin-top: 3rem; }
@media print { nav { display: none; } body { max-width: none; } }
"""


def write(title: str, content: Sequence[blocks.Block]) -> str:
    """Writes a page, with links to its headlines under the first of them.

    Args:
      title: of the window.
      content: its blocks.

    Returns:
      The page.
    """
    parts = [_write(block) for block in content]
    places = [block for block in content if isinstance(block, blocks.Heading) and block.level == 2]
    links = "".join(f"<a href='#{blocks.anchor(block.text)}'>{html.escape(block.text)}</a>" for block in places)
    if links:
        parts.insert(1, f"<nav>{links}</nav>")
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _write(block: blocks.Block) -> str:
    match block:
        case blocks.Heading(text, level):
            return f"<h{level} id='{blocks.anchor(text)}'>{_inline(text)}</h{level}>"
        case blocks.Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case blocks.Note(text):
            return f"<p class='note'>{_inline(text)}</p>"
        case blocks.Numbered(items):
            return f"<ol>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ol>"
        case blocks.Command(text):
            return f"<pre><code>{html.escape(text)}</code></pre>"
        case blocks.Table():
            return _table(block)
        case blocks.Picture():
            return f"<figure role='img' aria-label='{html.escape(block.text, quote=True)}'>{block.draw()}</figure>"
        case blocks.Fold(title, content):
            inner = "\n".join(_write(inner) for inner in content)
            return f"<details><summary>{_inline(title)}</summary>\n{inner}\n</details>"


def _table(table: blocks.Table) -> str:
    def line(cells: Sequence[blocks.Cell], tag: str) -> str:
        kinds = ["word"] * table.left + ["number"] * (len(cells) - table.left)
        return "".join(f"<{tag} class='{kind}'>{_cell(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in table.rows)
    head = f"<thead><tr>{line(table.head, 'th')}</tr></thead>"
    return f"<div class='wide'><table>{head}<tbody>\n{body}\n</tbody></table></div>"


def _cell(cell: blocks.Cell) -> str:
    if isinstance(cell, blocks.Badge):
        return f"<span class='badge {cell.tone}'>{html.escape(cell.text)}</span>"
    parts = cell.split("\n")
    return "<br>".join(_unbroken(part) if len(parts) > 1 and len(part) <= SHORT else _line(part) for part in parts)


def _line(text: str) -> str:
    # Intervals are not broken.
    return re.sub(r"(\S+) \[(\S+), (\S+)\]", r"<span class='whole'>\1 [\2, \3]</span>", _inline(text))


def _unbroken(text: str) -> str:
    return f"<span class='whole'>{_inline(text)}</span>"


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False)
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    escaped = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", escaped)
    escaped = re.sub(r"\*([^*]+)\*", r"<i>\1</i>", escaped)
    return re.sub(r"\[([^\]]+)\]\((#[^)\s]+|[^)\s]+)\)", r"<a href='\2'>\1</a>", escaped)
