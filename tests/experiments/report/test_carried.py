"""Page one names who loses by a state that is never cleared, and which trainings mend that."""

import pytest

from experiments.report import carried, catalog, comparisons, document, load
from tests.experiments.report import made_up


def measure(mended):
    """Returns CartPole without velocities where S4 loses as trained, and an LSTM does not."""
    rows = []
    for method, training, never in (
        ("s4", load.AS_TRAINED, 10.0),
        ("lstm", load.AS_TRAINED, 80.0),
        ("s4", load.SHORT_MEMORY, mended),
        ("lstm", load.SHORT_MEMORY, 80.0),
    ):
        rows += [
            load.with_metrics(row, return_carried_sampled=never)
            for row in made_up.runs(
                *("carried_state", comparisons.MASKED, method, made_up.spread(160), "return"),
                variant=training,
            )
        ]
    bounds = made_up.bounds("memory", comparisons.MASKED, "return", 0.0, 100.0)
    every = {"memory": bounds, catalog.CARRIED: rows}
    return comparisons.Measured(catalog.tasks(every), [], [], [], every)


@pytest.mark.parametrize(("mended", "who"), [(78.0, "S4"), (50.0, "none")])
def test_what_mends_a_lost_state_is_named(mended, who):
    text = document.markdown(carried.section(measure(mended)), folder="pictures")
    assert f"## {carried.TITLE}" in text
    assert "On CartPole, S4 get worse if their state is never cleared." in text
    assert f"a cleared state: short memory for {who} of 1." in text
    assert f"holds in {1 if who == 'S4' else 0} of 1 cases" in text


def test_without_rows_there_is_no_section():
    assert carried.section(measure(0.0)._replace(rows={})) == []
