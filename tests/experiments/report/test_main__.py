"""The report says what the rows say, and the committed one what the committed rows say."""

import re

import pytest

from experiments.report import __main__ as report
from experiments.report import catalog, document
from jax_s4rl.evaluation import documents
from tests.experiments.report import made_up


def write(folder):
    verdicts, front = folder / "results.md", folder / "front.md"
    verdicts.write_text("<!-- verdicts --><!-- /verdicts -->")
    front.write_text("<!-- results --><!-- /results -->")
    settings = report.Config(
        folder / "page.html",
        folder / "README.md",
        verdicts,
        folder / "lines",
        folder / "benchmarks",
        front,
        folder / "overview",
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
    verdicts = (tmp_path / "results.md").read_text()
    assert "| S4D beats the transformer in every environment | **" in verdicts
    assert "| DT, balanced batches | 71.8 | - | 94.6 | - |" in verdicts
    assert "| task and score | attention | s4d | s4 | best" in (tmp_path / "front.md").read_text()
    assert report.STAMP in (tmp_path / "overview" / "overview.svg").read_text()
    # Links lead to headlines that are there.
    assert set(re.findall(r"href='#([^']+)'", page)) <= set(re.findall(r" id='([^']+)'", page))


def test_a_folder_without_lines_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="has no result rows; name the folder"):
        write(tmp_path)
    assert not (tmp_path / "README.md").exists()
    assert (tmp_path / "results.md").read_text() == "<!-- verdicts --><!-- /verdicts -->"
    assert not (tmp_path / "overview").exists()


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


def test_the_committed_verdicts_and_front_page_are_what_the_lines_give():
    config = report.Config()
    measured = report.read(config)
    for path, section, content in (
        (config.verdicts, report.SECTION, report.in_short(measured)),
        (config.front, report.LINES, report.lines(measured)),
    ):
        text = path.read_text()
        wanted = documents.replace_section(text, section, content)
        assert text == wanted, f"{path.name} is old: run `make report` and commit what it writes"
    picture = report.front.picture(measured.experiments, measured.timings["train"])
    assert picture.digest in (config.pictures / "overview.svg").read_text()[-60:]


@pytest.mark.slow
def test_the_committed_pictures_are_of_the_lines():
    for picture in report.shown_pictures(report.write(report.read(report.Config()))):
        path = report.README.parent / report.PICTURES / document.picture_file(picture)
        assert path.exists(), f"{path.name} is missing: run `make report`"
        assert picture.digest in path.read_text()[-60:], (
            f"{path.name} shows other lines: run `make report`"
        )


def test_hours_are_told_by_machine(tmp_path):
    assert "No experiment" in report.hours([], []).text
    # Ten runs of three minutes and a compilation of one for each machine and method.
    rows = made_up.runs(
        "cartpole", "cartpole/mixed", "s4d", made_up.spread(1.0, count=10), "return"
    )
    others = [
        row | {"machine": "another"}
        for row in made_up.runs("pendulum", "p", "s4", [1.0] * 2, "return")
    ]
    made_up.write(tmp_path, "cartpole", rows)
    made_up.write(tmp_path, "pendulum", others)
    found = list(catalog.read(tmp_path).values())
    told = report.hours(found, []).text
    assert "took 0.6 hours of computing (0.5 on a machine; 0.1 on another)" in told
    assert "half" not in told
    assert "earlier.jsonl" not in told
    # Lines of earlier code, on a machine of one core.
    old = [
        row | {"machine": f"old{report.ONE_CORE}"}
        for row in made_up.runs("e", "d", "s4", [1.0] * 20, "return")
    ]
    told = report.hours(found, old).text
    assert "; 1.0 on old, one core)" in told
    assert "about half of the hours of one core: 0.5 by the clock" in told
    assert "20 rows in `experiments/results/earlier.jsonl`" in told
    assert "is in the sum (1.0 hours)" in told


def test_first_looks():
    assert report.looks([]) == []
    rows = [
        made_up.row(
            "benchmarks/quick_looks", None, "quick", seconds={"look": seconds}, look=name, lines=3
        )
        for name, seconds in (("cartpole", 100.0), ("umbrella", 31.4), ("cartpole", 70.0))
    ]
    (fold,) = report.looks(rows)
    assert isinstance(fold, document.Fold)
    table, note = fold.content
    assert isinstance(table, document.Table)
    assert table.rows == [["`cartpole`", "70", "a machine"], ["`umbrella`", "31", "a machine"]]
    assert isinstance(note, document.Note)
    assert "the longest took 70 s" in note.text
