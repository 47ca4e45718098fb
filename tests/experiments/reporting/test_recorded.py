"""Recordings of a data set have a column each, and methods a mean over their training seeds."""

from experiments.reporting import blocks, catalog, lines, recorded
from tests.experiments.reporting import made_up

ABOUT = catalog.KEY_TO_DOOR
DATA = "key_to_door/dt/random-1000"


def runs(method, data_seed, values, variant="balanced batches"):
    known = {"successes_in_data": 28 + data_seed, "key_cells_in_data": 15}
    return made_up.runs(
        "key_to_door",
        DATA,
        method,
        [2 * value for value in values],
        "success",
        variant=variant,
        data_seed=data_seed,
        **known,
    )


def test_one_recording_needs_no_table():
    assert recorded.blocks_of(ABOUT, lines.sort(runs("s4d", 0, [0.5, 0.7]))) == []


def test_means_stand_by_recording():
    rows = [*runs("s4d", 3, [0.5, 0.7]), *runs("s4d", 0, [0.8]), *runs("cql", 3, [0.1], "conservatism 1")]
    rows += [*runs("cql", 4, [0.2], "conservatism 1"), *runs("s5", 0, [0.3], "critic"), *runs("s5", 3, [0.3], "critic")]
    _, table, _ = recorded.blocks_of(ABOUT, lines.sort(rows))
    assert isinstance(table, blocks.Table)
    assert table.head == [
        *("method", "variant", "seed 0: 28 successes, 15 cells", "seed 3: 31 successes, 15 cells"),
        "seed 4: 32 successes, 15 cells",
    ]
    assert table.rows == [
        ["s4d", "balanced batches", "80.0", "60.0", "-"],
        ["cql", "conservatism 1", "-", "10.0", "20.0"],
    ]
