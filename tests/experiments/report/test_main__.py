"""The report says what the lines say, and the committed one what the committed lines say."""

import re
from pathlib import Path

import pytest

from experiments.report import __main__ as report
from experiments.report import document
from jax_s4rl.evaluation import documents
from tests.experiments.report import made_up


def write(folder):
    front = folder / "front.md"
    front.write_text("<!-- verdicts --><!-- /verdicts -->")
    settings = report.Config(
        folder / "page.html", folder / "README.md", front, folder / "lines", folder / "benchmarks"
    )
    report.main(settings)
    return settings.page.read_text(), settings.readme.read_text()


def test_one_page_and_one_readme(tmp_path):
    rows = made_up.bounds("cartpole", "cartpole/mixed", "return", 22.0, 500.0)
    for method in ("attention", "s4d"):
        rows += made_up.runs("cartpole", "cartpole/mixed", method, made_up.spread(200), "return")
    made_up.write(tmp_path / "lines", "cartpole", rows)
    stale, foreign = (tmp_path / report.PICTURES / f"{name}.svg" for name in ("stale", "foreign"))
    stale.parent.mkdir(parents=True)
    stale.write_text(f"<svg/>{report.STAMP} abc -->")
    foreign.write_text("<svg/>")
    page, readme = write(tmp_path)
    assert page.count("<svg") == 1
    assert not re.findall(r"(?:src|href)=['\"](?!#)", page)
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme)
    assert shown == ["results/pictures/cartpole-runs.svg"]
    assert all((tmp_path / path).exists() for path in shown)
    assert not stale.exists()
    assert foreign.exists()
    front = (tmp_path / "front.md").read_text()
    assert "| S4D beats the transformer in every environment | **" in front
    assert "| DT, balanced batches | 71.8 | - | 94.6 | - |" in front
    # Links lead to headlines that are there.
    assert set(re.findall(r"href='#([^']+)'", page)) <= set(re.findall(r" id='([^']+)'", page))


def test_a_folder_without_lines_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="has no result rows; name the folder"):
        write(tmp_path)
    assert not (tmp_path / "README.md").exists()
    assert (tmp_path / "front.md").read_text() == "<!-- verdicts --><!-- /verdicts -->"


def test_lines_without_a_description_are_refused(tmp_path):
    made_up.write(tmp_path / "lines", "surprise", [])
    with pytest.raises(ValueError, match=r"surprise\.jsonl: unknown to the report"):
        write(tmp_path)


@pytest.mark.slow
def test_the_committed_readme_is_what_the_lines_give():
    content = report.write(report.read(report.Config()))
    wanted = document.markdown(content, folder=report.PICTURES)
    assert report.README.read_text() == wanted, (
        "the lines have changed: run `make report` and commit what it writes"
    )


def test_the_committed_verdicts_are_what_the_lines_give():
    text, short = (
        (Path(__file__).parents[3] / "README.md").read_text(),
        report.in_short(report.read(report.Config())),
    )
    wanted = documents.replace_section(text, report.SECTION, short)
    assert text == wanted, "the lines have changed: run `make report` and commit what it writes"


@pytest.mark.slow
def test_the_committed_pictures_are_of_the_lines():
    for picture in report.shown_pictures(report.write(report.read(report.Config()))):
        path = report.README.parent / report.PICTURES / document.picture_file(picture)
        assert path.exists(), f"{path.name} is missing: run `make report`"
        assert picture.digest in path.read_text()[-60:], (
            f"{path.name} shows other lines: run `make report`"
        )
