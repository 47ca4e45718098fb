"""The newcomer's way: its scripts, its table, and what happens if a step fails."""

import json
import sys

import gymnasium
import pytest
from gymnasium.utils import env_checker

from benchmarks import walk
from jax_s4rl.evaluation import documents, result_rows


def test_its_environment_is_a_valid_one():
    names = {}
    exec(compile(walk.ENVIRONMENT, "tank.py", "exec"), names)
    env = names["Tank"](render_mode="rgb_array")
    assert isinstance(env, gymnasium.Env)
    env_checker.check_env(env, skip_render_check=True)
    env.reset(seed=0)
    assert env.render().shape == (80, 60, 3)


def test_its_scripts_are_python_and_every_step_uses_what_is_there(tmp_path):
    scripts = walk.scripts()
    for name, text in scripts.items():
        compile(text, name, "exec")
    words = [word for step in walk.steps(tmp_path) for word in step.command]
    assert {name for name in scripts if name != "tank.py"} <= set(words)


def fake(*codes):
    return [
        walk.Step(f"step {number}", (sys.executable, "-c", code))
        for number, code in enumerate(codes)
    ]


def saves(name, actions):
    text = json.dumps({"actions": actions} if name == "acted.json" else actions)
    return f"open({name!r}, 'w').write({text!r})"


def test_steps_are_timed_and_written(tmp_path, monkeypatch):
    steps = fake(saves("acted.json", [[0.5]]), saves("acted_without.json", [[0.5]]))
    monkeypatch.setattr(walk, "steps", lambda _: steps)
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- walk -->\n<!-- /walk -->\n")
    walk.main(walk.Config(path=tmp_path / "rows.jsonl", page=page))
    rows = list(result_rows.read_rows(tmp_path / "rows.jsonl"))
    assert [row["metrics"]["step"] for row in rows] == ["step 0", "step 1"]
    assert all(row["seconds"]["step"] > 0 for row in rows)
    assert f"| step 1 | {rows[1]['seconds']['step']:.0f} |" in page.read_text()


@pytest.mark.parametrize("other", [0.6, float("nan")])
def test_other_actions_are_an_error(tmp_path, monkeypatch, other):
    steps = fake(saves("acted.json", [[0.5]]), saves("acted_without.json", [[other]]))
    monkeypatch.setattr(walk, "steps", lambda _: steps)
    with pytest.raises(RuntimeError, match="acts otherwise than the agent"):
        list(walk.walk(tmp_path))


def test_a_step_that_fails_is_named_with_its_output(tmp_path, monkeypatch):
    monkeypatch.setattr(walk, "steps", lambda _: fake("print('why'); raise SystemExit(3)"))
    with pytest.raises(RuntimeError, match=r"step 0 ended with status 3:\nwhy"):
        list(walk.walk(tmp_path))


def test_the_table_of_the_page_is_that_of_the_rows():
    rows = list(documents.read_rows(walk.RESULTS))
    text = walk.PAGE.read_text()
    assert documents.replace_section(text, walk.SECTION, walk.table(rows)) == text
    done = {row["metrics"]["step"] for row in rows}
    assert done == {step.name for step in walk.steps(walk.ROOT)}
