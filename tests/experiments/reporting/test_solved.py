"""Lengths are counted for each training seed, and only where a seed has them all."""

from experiments.reporting import blocks, catalog, solved
from tests.experiments.reporting import made_up


def read(folder, rows):
    made_up.write(folder, "umbrella", rows)
    return solved.blocks_of(catalog.UMBRELLA, catalog.UMBRELLA.read(folder))


def line(length, method, seed, greedy, sampled=0.0):
    solved_by = {"solved_greedy": greedy, "solved_sampled": sampled}
    return made_up.row("umbrella", f"umbrella_length/{length}/random", method, seed, **solved_by)


def test_before_anything_was_run(tmp_path):
    assert read(tmp_path, []) == []


def test_counts(tmp_path):
    rows = [line(length, "optimal", None, 1.0, 1.0) for length in range(3)]
    rows += [line(length, "s4d", seed, float(length < 2)) for length in range(3) for seed in range(4)]
    rows.append(line(0, "s4d", 9, 1.0))
    _, table, _ = read(tmp_path, rows)
    assert isinstance(table, blocks.Table)
    assert table.rows == [
        ["optimal", "-", "3", "3", "3"],
        ["s4d", "-", "3", "2.00 [2.00, 2.00]", "0.00 [0.00, 0.00]"],
    ]
