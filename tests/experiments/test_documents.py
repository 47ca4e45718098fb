"""Sections between marks are replaced, and nothing else."""

import pytest

from experiments import documents


def test_a_section_is_replaced_as_often_as_one_likes(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("Top\n\n<!-- table -->\n<!-- /table -->\n\nEnd\n")
    for content in ("first", "second\n"):
        documents.write_section(path, "table", content)
    assert path.read_text() == "Top\n\n<!-- table -->\n\nsecond\n\n<!-- /table -->\n\nEnd\n"


def test_a_text_without_marks_is_refused():
    with pytest.raises(ValueError, match="without the marks <!-- table --> and <!-- /table -->"):
        documents.replace_section("nothing here", "table", "new")
