"""Tuning: the best mean is chosen, of equals the first, and only from whole grids."""

import json

import pytest

from experiments import suites, tuning
from jax_s4rl.agents import decision_transformer
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import configs


def rows(method, values, metric="score", **more):
    """Lines of two seeds for each point, as far as there are values."""
    return [
        {"method": method, "metrics": {"variant": point.variant, metric: value}} | more
        for seed in (0, 1)
        for point, value in zip(tuning.GRID, values, strict=False)
    ]


def test_the_best_mean_is_chosen():
    lines = rows("s4d", [1.0, 3.0, 2.0, 0.0, 0.0]) + rows("s4", [2.0, 2.0, 1.0, 2.0, 1.0])
    lines += [{"method": "s4d", "metrics": {"variant": "other", "score": 9.0}}, {"method": "random", "metrics": {}}]
    assert tuning.choose(lines, "score") == {"s4d": tuning.GRID[1], "s4": tuning.GRID[0]}


def test_a_grid_with_gaps_chooses_nothing():
    assert tuning.choose(rows("s4d", [1.0, 3.0, 2.0]), "score") == {}


def test_lines_of_earlier_settings_do_not_count():
    lines = rows("s4d", [9.0, 3.0, 2.0, 0.0, 0.0]) + rows("s4d", [1.0])
    for row in lines[-2:]:
        row["metrics"]["cell"] = "later"
    assert tuning.choose(lines, "score") == {"s4d": tuning.GRID[1]}


def test_lines_are_grouped_by_all_fields_asked_for():
    lines = rows("s4d", [1.0, 3.0, 2.0, 0.0, 0.0], tokens="a") + rows("s4d", [0.0, 0.0, 0.0, 1.0, 0.0], tokens="b")
    found = tuning.choose(lines, "score", by=("method", "tokens"))
    assert found == {("s4d", "a"): tuning.GRID[1], ("s4d", "b"): tuning.GRID[3]}


def test_a_point_changes_two_settings():
    settings = tuning.Point(rate=0.5, dropout=0.25).of(decision_transformer.Settings())
    assert (settings.optimization.learning_rate, settings.model.dropout) == (0.5, 0.25)
    assert settings.optimization.weight_decay == decision_transformer.Settings().optimization.weight_decay
    assert settings.model.width == configs.ModelConfig().width


@pytest.mark.parametrize("point", tuning.GRID)
def test_every_point_has_a_name_of_its_own(point):
    assert sum(point.variant == other.variant for other in tuning.GRID) == 1
    assert point.variant.startswith(tuning.TITLE)


def write(path, lines, experiment="walks"):
    empty = dict.fromkeys(result_rows.FIELDS)
    path.write_text("".join(json.dumps(empty | line | {"experiment": experiment}) + "\n" for line in lines))


def test_settings_follow_the_lines_of_a_run_then_the_committed_ones(tmp_path, monkeypatch):
    committed, out = tmp_path / "committed.jsonl", tmp_path / "out.jsonl"
    monkeypatch.setattr(suites, "path", lambda name: committed)
    chosen, options = tuning.Chosen("walks", "score"), suites.Options(out=out)
    assert chosen.of("s4d", options) == tuning.Point()
    write(committed, rows("s4d", [0.0, 1.0, 0.0, 0.0, 0.0]))
    assert chosen.of("s4d", options) == tuning.GRID[1]
    write(out, rows("s4d", [0.0, 0.0, 0.0, 1.0, 0.0]), experiment="another")
    assert chosen.of("s4d", options) == tuning.GRID[1]
    write(out, rows("s4d", [0.0, 0.0, 0.0, 1.0, 0.0]) + rows("s4", [1.0]))
    assert chosen.of("s4d", options) == tuning.GRID[3]
    assert chosen.of("s4", options) == tuning.Point()
    assert chosen.of("s4d", suites.Options()) == tuning.GRID[1]
