"""Links to files of the checkout, which the site does not hold, become plain text there."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?!docs/)[^)]*\)")


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Rewrites links that leave the folder of pages.

    Args:
        markdown: Text of a page.
        page: The page; those in folders may link upwards to other pages.

    Returns:
        The text without such links.
    """
    if "/" in page.file.src_uri:
        return markdown
    return OUTSIDE.sub(r"\1", markdown)
