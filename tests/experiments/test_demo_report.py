"""The page holds all that it shows, and every number of it comes from a result row."""

import re

import pytest

from experiments import demo_report
from tests.experiments import rows


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.gif"
    path.write_bytes(b"GIF89a")
    return path


def test_the_page_is_self_contained(tmp_path, film):
    path = tmp_path / "deep" / "report.html"
    page = demo_report.write(path, rows.demo(), title="A & B", film=film).read_text()
    assert "<h1>A &amp; B</h1>" in page
    assert page.count("<svg") == len(demo_report.KINDS)
    # Nothing is fetched: figures and film are in the page.
    assert re.findall(r"(?:src|href)=['\"](?!#)([^'\"]*)", page) == [
        "data:image/gif;base64,R0lGODlh"
    ]


def test_the_tables_hold_means_over_seeds():
    shown = demo_report.table(rows.demo(), demo_report.MEMORY)
    assert dict(zip(shown.head, shown.lines[2], strict=True)) == {
        "mixer": "s4d",
        "parameters": "123,456",
        "asked 0": "0.05",
        "asked 1": "0.95",
        "0, sampled": "0.05",
        "1, sampled": "0.90",
        "s": "2",
    }
    assert "mlp 45 %, attention 85 %, s4d 95 %. A coin does 49 %" in shown.sentence


def test_the_sentence_on_time_compares_both_ends():
    shown = demo_report.table(rows.demo(), demo_report.TIME)
    assert shown.lines == [("attention", "10", "40"), ("s4d", "5", "10")]
    assert "From 64 to 256 steps" in shown.sentence
    assert "4.0 times (attention) and 2.0 times (s4d)" in shown.sentence


def test_the_markdown_says_what_was_measured_where():
    text = demo_report.markdown(rows.demo())
    assert text.count("| s4d |") == 2
    assert "means over 2 seeds" in text
    assert rows.demo()[0]["machine"] in text


def test_no_rows_make_no_page(tmp_path, film):
    with pytest.raises(ValueError, match="got no result rows of the kind memory"):
        demo_report.write(tmp_path / "report.html", [], title="t", film=film)
