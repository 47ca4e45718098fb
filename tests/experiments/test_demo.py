"""The demo: settings, tables in a terminal, and one short run from the data to the page."""

import dataclasses
import io

import pytest
import rich.console

from experiments import demo, demo_report
from jax_s4rl.evaluation import result_rows
from tests.experiments import rows


def test_mixers_differ_in_nothing_else():
    attention, s4d = demo.settings("attention", 10), demo.settings("s4d", 10)
    assert [each.model.mixer.name for each in (attention, s4d)] == ["attention", "s4d"]
    model = dataclasses.replace(s4d.model, mixer=attention.model.mixer)
    assert dataclasses.replace(s4d, model=model) == attention


def test_an_unknown_mixer_leaves_the_last_results(tmp_path):
    old = tmp_path / "results.jsonl"
    old.write_text("kept")
    with pytest.raises(ValueError, match="foo"):
        demo.main(demo.Demo(folder=tmp_path, mixers=("foo",)))
    assert old.read_text() == "kept"


def test_the_tables_fit_a_narrow_terminal():
    console = rich.console.Console(width=80, record=True, file=io.StringIO())
    for kind in demo_report.KINDS:
        demo.show(demo_report.table(rows.demo(), kind), console)
    text = console.export_text()
    assert "0.95" in text
    assert "s4d 95 %" in " ".join(text.split())
    assert "…" not in text


def test_publishing_leaves_rows_and_page(tmp_path):
    page, lines = tmp_path / "results.md", tmp_path / "results" / "demo.jsonl"
    page.write_text("<!-- demo -->\n<!-- /demo -->\n")
    for _ in range(2):
        demo.publish(rows.demo(), page, lines)
    assert len(list(result_rows.read_rows(lines))) == len(rows.demo())
    assert page.read_text().count("| s4d |") == 2


@pytest.mark.slow
def test_a_short_demo_runs_from_the_data_to_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "EPISODES", 3)
    folder = tmp_path / "demo"
    demo.main(demo.Demo(mixers=("mlp", "s4d"), updates=4, lengths=(16,), folder=folder))
    lines = list(result_rows.read_rows(folder / "results.jsonl"))
    found = [(line["metrics"]["kind"], line["method"], line["seed"]) for line in lines]
    assert found == [
        *(("memory", method, seed) for method in ("mlp", "s4d") for seed in (0, 1)),
        ("time", "attention", 0),
        ("time", "s4d", 0),
    ]
    assert (folder / "maze.gif").stat().st_size > 1_000
    assert "data:image/gif" in (folder / "report.html").read_text()
