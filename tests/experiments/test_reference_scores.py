import dataclasses

import pytest

from experiments import reference_scores
from jax_s4rl.evaluation import result_rows

CONFIG = reference_scores.Config(scale=0.01)


def test_lines_hold_both_policies_and_what_they_should_reach():
    rows = reference_scores.rows_of(reference_scores.Setting("memory_len/0", {}, 2000, 200), CONFIG)
    assert [row["method"] for row in rows] == ["random", "optimal"]
    assert [row["metrics"]["num_episodes"] for row in rows] == [20, 2]
    assert rows[1]["metrics"]["mean_return"] == 1.0
    assert rows[1]["metrics"]["normalized_score"] == 100.0
    assert rows[0]["env"] == "memory_len/0"


@pytest.mark.slow
def test_every_environment_of_the_table_has_scores():
    for setting in reference_scores.SETTINGS:
        known = reference_scores.reference_scores.scores(setting.env_id, **setting.kwargs)
        assert known.random < known.optimal
    names = [reference_scores.name_of(setting) for setting in reference_scores.SETTINGS]
    assert len(set(names)) == len(names)
    registered = {setting.env_id for setting in reference_scores.SETTINGS}
    assert registered >= reference_scores.reference_scores.BY_ID.keys() - {"jax_s4rl/Bsuite-v0"}


def test_where_no_optimal_policy_is_known_random_play_stands_alone():
    rows = reference_scores.rows_of(reference_scores.Setting("memory_len/0", {}, 200, 0), CONFIG)
    assert [row["method"] for row in rows] == ["random"]
    assert reference_scores.table(rows).endswith("| not known |")


def test_some_are_played_and_the_lines_of_the_others_stay(tmp_path, monkeypatch):
    settings = [reference_scores.Setting(f"memory_len/{number}", {}, 200, 200) for number in (0, 1)]
    monkeypatch.setattr(reference_scores, "SETTINGS", settings)
    readme = tmp_path / "README.md"
    readme.write_text("<!-- reference-scores --><!-- /reference-scores -->")
    config = reference_scores.Config(scale=0.01, out=tmp_path / "rows.jsonl", readme=readme)
    reference_scores.main(config)
    first = list(result_rows.read_rows(config.out))
    reference_scores.main(dataclasses.replace(config, only=("memory_len/1",), seed=1))
    second = list(result_rows.read_rows(config.out))
    assert second[:2] == first[:2]
    assert [row["seed"] for row in second] == [0, 0, 1001, 1001]
    with pytest.raises(
        ValueError, match="got memory_len/2, wanted some of memory_len/0, memory_len/1"
    ):
        reference_scores.main(dataclasses.replace(config, only=("memory_len/2",)))


def test_graphs_are_one_line_of_the_table(tmp_path):
    walks = [
        reference_scores.Setting(reference_scores.WALK, {"graph_seed": seed}, 300, 300)
        for seed in (0, 1)
    ]
    rows = [row for setting in walks for row in reference_scores.rows_of(setting, CONFIG)]
    lines = reference_scores.table(rows).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("| `jax_s4rl/RandomWalk-v0` | 30 graphs |")
    for row in rows:
        result_rows.append_row(tmp_path / "rows.jsonl", row)
    assert (
        reference_scores.table(result_rows.read_rows(tmp_path / "rows.jsonl")).splitlines() == lines
    )


def test_the_script_writes_lines_and_table(tmp_path, monkeypatch, capsys):
    settings = (reference_scores.Setting("umbrella_length/0", {}, 1000, 1000),)
    monkeypatch.setattr(reference_scores, "SETTINGS", settings)
    readme = tmp_path / "README.md"
    readme.write_text("Scores:\n\n<!-- reference-scores -->\n<!-- /reference-scores -->\n\nEnd.\n")
    config = reference_scores.Config(scale=0.01, out=tmp_path / "rows.jsonl", readme=readme)
    for _ in range(2):  # a second run replaces the first
        reference_scores.main(config)
        assert len(list(result_rows.read_rows(config.out))) == 2
        assert readme.read_text().count("| `umbrella_length/0` |") == 1
    assert readme.read_text().startswith("Scores:\n\n<!-- reference-scores -->\n\n| environment |")
    assert readme.read_text().endswith("<!-- /reference-scores -->\n\nEnd.\n")
    assert "umbrella_length/0: optimal 1.00, played 1.00" in capsys.readouterr().out
