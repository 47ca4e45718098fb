"""The tables of online runs."""

from experiments import online_report
from tests.experiments.report import made_up


def row(env, method, seed, treasure):
    return made_up.row("linear_key_to_door", None, method, seed, treasure=treasure) | {"env": env}


def test_the_table_has_the_mean_of_the_latest_runs():
    rows = [row("line/23", "reward", seed, 0.5) for seed in (0, 1, 2)]
    rows += [row("line/23", "reward", 2, 0.8), row("line/43", "none", 0, 0.25)]
    lines = online_report.table("linear_key_to_door", rows).splitlines()
    assert lines[0].endswith("| line/23 | line/43 |")
    assert lines[2].startswith("| reward | 60.0% [50.0%, 80.0%] of 3 | - |")
    assert lines[3].startswith("| none | - | 25.0% of 1 |")


def test_the_script_prints_what_has_rows(tmp_path, capsys):
    (tmp_path / "linear_key_to_door.jsonl").write_text("")
    online_report.main(online_report.Config(tmp_path))
    assert capsys.readouterr().out.count("| --- |") == 1
