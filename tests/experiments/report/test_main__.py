"""The report says what the rows say, and the committed one what the committed rows say."""

import itertools
import re

import pytest

from experiments.report import __main__ as report
from experiments.report import (
    catalog,
    comparisons,
    credit,
    document,
    front,
    load,
    scores,
    sections,
    systems,
    verdicts,
)
from jax_s4rl.evaluation import documents
from tests.experiments.report import made_up

# Words that a reader can be asked for.
MARKS = " ".join(f"<!-- {name} --><!-- /{name} -->" for name in ("verdicts", "choices", "cost"))
MOST_WORDS = {report.README: 6_000, report.SYSTEMS: 4_000}


def write(folder):
    section, lines = folder / "results.md", folder / "front.md"
    section.write_text(MARKS)
    lines.write_text("<!-- results --><!-- /results -->")
    settings = report.Config(
        folder / "page.html",
        folder / "README.md",
        folder / "systems.md",
        section,
        folder / "lines",
        folder / "benchmarks",
        lines,
        folder / "overview",
    )
    report.main(settings)
    return [path.read_text() for path in (settings.page, settings.readme, settings.systems)]


def test_one_page_and_one_readme(tmp_path):
    rows = made_up.bounds("cartpole", "cartpole/mixed", "return", 22.0, 500.0)
    for method in ("attention", "s4d"):
        rows += made_up.runs("cartpole", "cartpole/mixed", method, made_up.spread(200), "return")
    made_up.write(tmp_path / "lines", "cartpole", rows)
    stale = tmp_path / report.PICTURES / "stale.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    page, readme, further = write(tmp_path)
    assert page.count("<img") == 2
    assert not re.findall(r"(?:src|href)=['\"](?!#|data:)", page)
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme)
    assert shown == ["results/pictures/forest.png", "results/pictures/cartpole.png"]
    assert all((tmp_path / path).exists() for path in shown)
    assert not stale.exists()
    tables = {path.stem for path in (tmp_path / report.TABLES).glob("*.csv")}
    assert tables == {"cartpole", "verdicts", "choices", "tuning", "trained_again"}
    assert (
        "| S4D beats attention in every environment | **" in (tmp_path / "results.md").read_text()
    )
    assert (tmp_path / "overview" / "overview.png").exists()
    # Systems have a document of their own, which names those without rows.
    assert "Recurrent PPO" in further
    assert "Recurrent PPO" not in readme
    assert "id='the-systems-that-the-paper-builds-on'" in page
    # Links lead to headlines that are there.
    assert set(re.findall(r"href='#([^']+)'", page)) <= set(re.findall(r" id='([^']+)'", page))


def made_rows(task):
    """Five runs of every compared mixer at every point of a task, under the names of its file."""
    lines = []
    points = dict.fromkeys(
        (data.replace("*", "x").replace("?", "1"), point.variant)
        for point in task.points
        for data in point.data
    )
    for data, variant in points:
        lines += made_up.bounds(task.file, data, task.score, 0.0, 1.0)
        for number, method in enumerate(("attention", "s4", "s4d", "lstm", "mlp")):
            lines += made_up.runs(
                *(task.file, data, method, made_up.spread(0.1 * number), task.score),
                variant=variant,
                length=10.0,
            )
    return lines


LATER = (catalog.LONG_MEMORY, catalog.HIDDEN_STATE, catalog.LOCOMOTION, catalog.PAPER_SIZE)
RECORDED = (
    systems.TRAJECTORY_TRANSFORMER,
    systems.FUTURE_LATENTS,
    systems.FUTURE_UMBRELLA,
)


ONLINE = (
    ("linear_key_to_door", "linear_key_to_door/23"),
    ("gated_ppo", "umbrella/20"),
    ("value_transport_online", "value_transport_online/90"),
    ("recurrent_ppo", "memory_chain/5"),
    ("recurrent_ppo", "repeat_first/1"),
    ("recurrent_ppo", "meta_cartpole/8"),
    ("algorithm_distillation", "meta_cartpole/8"),
    ("future_ppo", "umbrella/20"),
    ("future_ppo", "cartpole/delayed"),
    ("future_ppo", "key_to_door/30"),
)


@pytest.fixture(name="later")
def write_later(tmp_path):
    """What the report says if experiments without committed rows have some."""
    for task in (*LATER, *RECORDED):
        rows = made_rows(task)
        if task is catalog.LONG_MEMORY:
            longer = {f"success_at_{length}_greedy": 0.5 for length in load.TESTED}
            rows = [load.with_metrics(row, **longer) if row["seed"] == 0 else row for row in rows]
        made_up.write(tmp_path, task.file, rows)
    for file, env in ONLINE:
        more = {f"by_trial_{kind}": [0.1] * 8 for kind in ("greedy", "sampled")}
        more |= {"treasure": 0.5, "key": 0.5}
        made_up.write(tmp_path, file, made_up.online_runs(file, env, **more))
    founding = [
        made_up.row(
            *("founding_report", "umbrella_length/7/random", method, seed),
            variant="as they did (1,000 of 10,000 updates)",
            share_above_half_greedy=0.25,
        )
        for method in ("attention", "s4")
        for seed in (0, 1)
    ]
    made_up.write(tmp_path, "founding_report", founding)
    rows = report.read(report.Config(rows=tmp_path))
    measured = report.measure(rows)
    content = report.write(rows, measured, verdicts.judge(measured))
    return content, sections.of_systems(measured)


def test_tasks_whose_rows_arrive_later_get_a_page_each(later):
    readme, further = (document.markdown(each, folder=report.PICTURES) for each in later)
    for task in (*LATER, catalog.LONGER_TESTS):
        assert f"## {task.title}\n" in readme
    without = (credit.HINDSIGHT, credit.CLONING, credit.TRANSPORT)
    for task in systems.TASKS:
        has_rows = task not in without
        assert (f"## {task.title}\n" in further) == has_rows
        assert f"## {task.title}\n" not in readme
    assert f"Not run yet: {'; '.join(task.title for task in without)}. " in further
    (missing,) = [line for line in readme.splitlines() if line.startswith("* Not run yet")]
    assert not any(task.title.partition(":")[0] in missing for task in LATER)
    assert "## The founding report's table" in readme
    assert "| umbrella 8: total reward above 0.5 | 0.36, 0.4925 | 0.25 " in readme
    assert "### One difference at a time" not in readme
    blocks = itertools.chain(*later)
    assert max(len(block.head) for block in blocks if isinstance(block, document.Table)) <= 8


@pytest.mark.slow
def test_their_pictures_can_be_drawn(later):
    pictures = report.shown_pictures([*itertools.chain(*later)])
    assert len(pictures) == len(LATER) + len(systems.TASKS) - 3 + 3
    assert all(picture.draw().startswith(b"\x89PNG") for picture in pictures)


def test_a_folder_without_lines_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="has no result rows; name the folder"):
        write(tmp_path)
    assert not (tmp_path / "README.md").exists()
    assert (tmp_path / "results.md").read_text() == MARKS
    assert not (tmp_path / "overview").exists()


def test_lines_without_a_description_are_refused(tmp_path):
    made_up.write(tmp_path / "lines", "surprise", [])
    with pytest.raises(ValueError, match=r"surprise\.jsonl: unknown to the report"):
        write(tmp_path)


@pytest.fixture(name="committed", scope="module")
def read_committed():
    rows = report.read(report.Config())
    measured = report.measure(rows)
    return rows, measured, verdicts.judge(measured)


@pytest.mark.slow
def test_the_committed_documents_and_pictures_are_what_the_lines_give(committed):
    contents = report.write(*committed), sections.of_systems(committed[1])
    for (path, most), content in zip(MOST_WORDS.items(), contents, strict=True):
        text = path.read_text()
        assert text == report.readme(content), (
            "the lines have changed: run `make report` and commit what it writes"
        )
        assert document.count_words(text) < most
    for picture in report.shown_pictures([*itertools.chain(*contents)]):
        path = report.README.parent / report.PICTURES / document.picture_file(picture)
        assert path.exists(), f"{path.name} is missing: run `make report`"
        assert picture.digest.encode() in path.read_bytes(), (
            f"{path.name} shows other lines: run `make report`"
        )


@pytest.mark.slow
def test_the_committed_full_tables_are_what_the_lines_give(committed):
    rows, measured, _ = committed
    folder = report.README.parent / report.TABLES
    wanted = report.every_table(rows, measured)
    assert {path.stem for path in folder.glob("*.csv")} == wanted.keys()
    for name, text in wanted.items():
        assert (folder / f"{name}.csv").read_text() == text, f"{name}: run `make report`"


@pytest.mark.slow
def test_the_committed_verdicts_and_front_page_are_what_the_lines_give(committed):
    config = report.Config()
    rows, measured, claims = committed
    contents = [(config.results, *own) for own in report.in_short(rows, measured, claims).items()]
    for path, section, content in (*contents, (config.front, report.LINES, report.lines(measured))):
        text = path.read_text()
        wanted = documents.replace_section(text, section, content)
        assert text == wanted, f"{path.name} is old: run `make report` and commit what it writes"
    picture = front.picture(rows.experiments, rows.lengths)
    assert picture.digest.encode() in (config.pictures / "overview.png").read_bytes()


@pytest.mark.slow
def test_the_committed_rows_give_five_findings(committed):
    _, measured, _ = committed
    findings = front.findings(measured)
    assert len(findings) == 5
    pairs = [pair for method in comparisons.S4_MIXERS for pair in measured.of(method)]
    for pair in pairs:
        assert pair.main.outcome in findings[0].text
        assert pair.main.outcome != scores.WORSE or pair.name in findings[0].text
