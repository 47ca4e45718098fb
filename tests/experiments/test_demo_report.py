"""The page holds all that it shows, and every number of it comes from a result line."""

import re

import pytest

from experiments import demo_report
from tests.experiments import rows


def test_the_page_is_self_contained(tmp_path):
    page = demo_report.write(
        tmp_path / "deep" / "report.html", rows.demo(), title="A & B"
    ).read_text()
    assert "<h1>A &amp; B</h1>" in page
    assert page.count("<svg") == 4 + 5
    assert "some/&lt;data&gt;" in page
    # Nothing is fetched: the only addresses are names of XML vocabularies.
    assert not re.findall(r"(?:src|href)=['\"](?!#)", page)


def test_every_seed_stands_in_the_table(tmp_path):
    page = demo_report.write(tmp_path / "report.html", rows.demo(), title="t").read_text()
    assert page.count("<tr><td>s4d</td>") == 2 * 2 * 2
    assert "<td>501.0</td>" in page
    assert "<td>499.0</td>" in page


def test_no_lines_make_no_page(tmp_path):
    with pytest.raises(ValueError, match="there are no result rows to report"):
        demo_report.write(tmp_path / "report.html", [], title="t")
