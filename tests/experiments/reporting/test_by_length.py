"""Numbers at every length."""

from experiments.reporting import blocks, by_length, catalog, lines
from tests.experiments.reporting import made_up

ABOUT = catalog.UMBRELLA


def test_a_line_for_each_length_and_a_column_for_each_method():
    rows = [made_up.row("umbrella", "a", "random", length=3, first_action_greedy=0.5, first_action_sampled=0.5)]
    for length in (3, 1):
        rows += made_up.runs("umbrella", f"u/{length}", "s4d", [0.5, 0.7], "first_action", length=length)
    rows += made_up.runs("umbrella", "u/1", "s4d", [0.1], "first_action", length=1, variant="other")
    (fold,) = by_length.blocks_of(ABOUT, lines.sort(rows))
    assert isinstance(fold, blocks.Fold)
    table, note = fold.content
    assert isinstance(table, blocks.Table)
    assert table.head == ["length of the chain", "random", "s4d"]
    assert table.rows == [["1", "-", "60.0 / 30.0"], ["3", "50.0 / 50.0", "60.0 / 30.0"]]
    assert isinstance(note, blocks.Note)
    assert "greedy / sampled" in note.text


def test_nothing_before_anything_is_run():
    assert by_length.blocks_of(ABOUT, lines.sort([])) == []
