"""Sections between marks are replaced, and nothing else."""

import pytest

from jax_s4rl.evaluation import documents


def test_a_section_is_replaced_as_often_as_one_likes(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("Top\n\n<!-- table -->\n<!-- /table -->\n\nEnd\n")
    for content in ("first", "second\n"):
        documents.write_section(path, "table", content)
    assert path.read_text() == "Top\n\n<!-- table -->\n\nsecond\n\n<!-- /table -->\n\nEnd\n"


def test_a_text_without_marks_is_refused():
    with pytest.raises(ValueError, match="without the marks <!-- table --> and <!-- /table -->"):
        documents.replace_section("nothing here", "table", "new")


@pytest.mark.parametrize(
    ("seconds", "written"), [(1.2345e-6, "0.00123"), (0.0429, "42.9"), (1.29961, "1,300")]
)
def test_times_have_three_digits_or_all_before_the_point(seconds, written):
    assert documents.milliseconds(seconds) == written
