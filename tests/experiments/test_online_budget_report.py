"""The table of curves."""

from experiments import online_budget_report
from tests.experiments import test_online_budget as made


def test_the_table_shows_every_curve():
    rows = [
        made.row(method, made.tuning.GRID[0], seed, [value])
        for method, value in (("s4d", 3.0), ("attention", 2.0))
        for seed in (0, 1)
    ]
    lines = online_budget_report.table(rows, num_repeats=5).splitlines()
    assert lines[0].count("episodes") == len(online_budget_report.SHOWN)
    assert lines[2].startswith("| some | attention | 2.0 [2.0, 2.0] |")
    assert lines[3].endswith("| 3.0 [3.0, 3.0] |")


def test_the_script_prints_the_rows_of_a_file(tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text("")
    online_budget_report.main(online_budget_report.Config(path, repeats=2))
    assert capsys.readouterr().out.startswith("| dataset | mixer | 1 episodes |")
