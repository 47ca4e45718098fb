"""The demo: its plan, its numbers, and one short run from the data to the page."""

import dataclasses
import io
import json

import numpy as np
import pytest
import rich.console

from experiments import demo
from jax_s4rl.agents import decision_transformer
from jax_s4rl.evaluation import result_rows, rollout
from tests.agents import runs
from tests.experiments import rows


def test_mixers_differ_in_nothing_else(monkeypatch):
    trained = []
    monkeypatch.setattr(
        decision_transformer, "train", lambda settings, *_, **__: trained.append(settings) or ()
    )
    plan = demo.plans(demo.Demo())[0]
    for mixer in ("attention", "s4d"):
        assert list(demo.run(plan, runs.TASK, mixer, 1, rich.console.Console(quiet=True))) == []
    attention, s4d = trained
    assert [each.model.mixer.name for each in trained] == ["attention", "s4d"]
    same = dataclasses.replace(
        s4d, model=dataclasses.replace(s4d.model, mixer=attention.model.mixer)
    )
    assert same == attention


def test_what_was_shown_last_is_kept_where_settings_cannot_be(tmp_path):
    old = tmp_path / "results.jsonl"
    old.write_text("kept")
    with pytest.raises(ValueError, match="foo"):
        demo.main(demo.Demo(folder=tmp_path, mixers=("foo",)))
    assert old.read_text() == "kept"


def test_the_table_fits_a_narrow_terminal():
    console = rich.console.Console(width=80, record=True, file=io.StringIO())
    for table in demo.tables(rows.demo()):
        console.print(table)
    text = console.export_text()
    assert "500.5" in text
    assert "60%" in text
    assert "…" not in text


def test_means_are_taken_by_target_and_choice():
    plan = demo.Plan("some", demo.plans(demo.Demo())[0].settings, (1, 2), episodes=2)
    targets = np.array([1, 1, 2, 2] * 2, np.float32)
    greedy = np.arange(8) < 4
    acted = rollout.Rollout(None, targets, greedy, 0.0, 0.0, 1)
    values = np.arange(8.0)
    assert demo._means(plan, acted, values, greedy=True) == [0.5, 2.5]
    assert demo._means(plan, acted, values, greedy=False) == [4.5, 6.5]


def test_publishing_leaves_lines_and_readme(tmp_path):
    readme, lines = tmp_path / "README.md", tmp_path / "results" / "demo.jsonl"
    readme.write_text("<!-- demo -->\n<!-- /demo -->\n")
    for _ in range(2):
        demo.publish(rows.demo(), readme, lines)
    assert len(list(result_rows.read_rows(lines))) == len(rows.demo())
    text = readme.read_text()
    assert text.count("| s4d |") == 2
    assert "500.5" in text
    assert "Means over 2 seeds" in text


@pytest.mark.slow
def test_a_short_demo_runs_from_the_data_to_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    settings = demo.Demo(
        seeds=1, cartpole_updates=50, umbrella_updates=50, folder=tmp_path / "demo"
    )
    demo.main(settings)
    lines = list(result_rows.read_rows(tmp_path / "demo" / "results.jsonl"))
    assert [(line["env"], line["method"]) for line in lines] == [
        ("CartPole-v1", "attention"),
        ("CartPole-v1", "s4d"),
        ("umbrella_length/9", "attention"),
        ("umbrella_length/9", "s4d"),
    ]
    for line in lines:
        assert {"compile", "train", "evaluate"} <= line["seconds"].keys()
        assert len(line["metrics"]["achieved_greedy"]) == 6
    assert (
        json.loads((tmp_path / "demo" / "results.jsonl").read_text().splitlines()[0])["experiment"]
        == "demo"
    )
    assert "umbrella_length/9" in (tmp_path / "demo" / "report.html").read_text()
