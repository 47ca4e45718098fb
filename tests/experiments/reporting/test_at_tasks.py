"""Ratios of times are taken task by task, with intervals where there are turns."""

from experiments.reporting import at_tasks, blocks, methods
from tests.experiments.reporting import made_up

ABOUT = methods.SPEED_PER_TASK


def read(folder, rows):
    made_up.write(folder, ABOUT.name, rows)
    return at_tasks.blocks_of(ABOUT, ABOUT.read(folder))


def line(method, task, milliseconds, turns=()):
    told = {"act_1_median": milliseconds / 1e3, "update_median": milliseconds / 2e3, "compile": 1.0}
    return made_up.row(ABOUT.name, task, method, seconds=told, task=task, update_turns=list(turns), cell=method + task)


def test_before_anything_was_run(tmp_path):
    assert read(tmp_path, []) == []


def test_ratios(tmp_path):
    rows = [line("attention", "a", 8.0, [4.0, 4.4, 4.2]), line("s4", "a", 2.0, [1.0, 1.1, 1.05])]
    _, table, _ = read(tmp_path, [*rows, line("attention", "b", 3.0), line("s4", "b", 6.0), line("s5", "c", 1.0)])
    assert isinstance(table, blocks.Table)
    assert table.rows == [
        ["a", "s4", "4.00 [4.00, 4.00]", "4.00", "-"],
        ["b", "s4", "0.50", "0.50", "-"],
    ]
