"""Sections between marks are replaced, and nothing else."""

import html
import os

import pytest

from jax_s4rl.evaluation import documents, result_rows


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


HOSTILE = "a|b\n# c `d` <script>alert(1)</script> [e](http://f) **g** &amp; \u202e\x00\\"


def test_text_of_files_stays_text_in_markdown_and_html():
    shown = documents.escape(HOSTILE)
    assert not set(shown) & set("|`<>[]*\\\n\x00\u202e")
    assert html.unescape(shown).split() == (
        HOSTILE.replace("\u202e", " ").replace("\x00", " ").split()
    )
    assert documents.escape("key_door/mixed (seed 3), -1.5 %") == "key_door/mixed (seed 3), -1.5 %"


def test_rows_are_escaped_for_documents(tmp_path):
    path = tmp_path / "rows.jsonl"
    fields = dict.fromkeys(("env", "dataset", "tokens", "context_length", "seed"))
    row = result_rows.make_row(
        experiment="e", method="m", parameters=1, updates=1, seconds={}, metrics={"x": [HOSTILE]},
        **fields,
    )  # fmt: skip
    result_rows.append_row(path, row)
    (read,) = documents.read_rows(path)
    assert read["metrics"]["x"] == [documents.escape(HOSTILE)]
    assert {**read, "metrics": None} == {**row, "metrics": None}


def test_a_full_disk_leaves_the_document_whole(tmp_path, monkeypatch):
    path = tmp_path / "page.md"
    path.write_text("Top\n\n<!-- table -->\n<!-- /table -->\n\nEnd\n")
    before = path.read_text()

    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        documents.write_section(path, "table", "new")
    assert path.read_text() == before
    assert len(list(tmp_path.iterdir())) == 1
