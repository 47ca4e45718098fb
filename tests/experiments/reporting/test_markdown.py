"""Blocks as Markdown."""

from experiments.reporting import blocks, markdown


def test_every_block():
    picture = blocks.Picture("dots", "every run", lambda: "", "0")
    content = [
        blocks.Heading("Title", 1),
        blocks.Paragraph("Text."),
        blocks.Note("Small."),
        blocks.Numbered(["a", "b"]),
        blocks.Command("make report"),
        blocks.Table(["x", "y"], [["a|b\nc", blocks.Badge("holds", blocks.GOOD)]]),
        picture,
        blocks.Fold("More", [blocks.Paragraph("Inside.")]),
        blocks.Fold("Too much", [blocks.Paragraph("Left out.")], everywhere=False),
    ]
    assert markdown.write(content, folder="pictures") == (
        "# Title\n\nText.\n\nSmall.\n\n1. a\n2. b\n\n```sh\nmake report\n```\n\n"
        "| x | y |\n| --- | ---: |\n| a\\|b<br>c | **holds** |\n\n"
        "![every run](pictures/dots.svg)\n\n"
        "<details>\n<summary>More</summary>\n\nInside.\n\n</details>\n"
    )
