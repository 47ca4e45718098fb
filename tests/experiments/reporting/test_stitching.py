"""Joining walks is measured by repeating the best recorded one, on the same data."""

import pytest

from experiments.reporting import blocks, catalog, stitching, studies, verdicts
from tests.experiments.reporting import made_up


def read(folder, **middles):
    rows = []
    for graph, line in (("random_walk", 0.2), ("random_walk/graph-1", 0.4)):
        dataset = f"{graph}/nosuffix-1000"
        rows.append(made_up.row("random_walk", dataset, "lookup", optimal_share_sampled=line))
        for method, middle in middles.items():
            # The sampled score of made-up runs is half of the greedy one.
            values = made_up.spread(2 * (middle + line))
            rows += made_up.runs("random_walk", dataset, method, values, "optimal_share")
    made_up.write(folder, "random_walk", rows)
    (study,) = studies.read([catalog.RANDOM_WALK], folder)
    return stitching.leads(study)


def test_each_run_is_measured_by_its_own_graph(tmp_path):
    found = read(tmp_path, attention=0.3, bc=0.5)
    assert [lead.arm.method for lead in found] == ["attention"]
    assert found[0].interval.value == pytest.approx(0.3)
    assert stitching.verdict(found).word == verdicts.HOLDS
    assert stitching.numbers(found) == "nosuffix-1000, all graphs: +30.0 points over lookup"


def test_a_lead_that_may_be_none_fails(tmp_path):
    assert stitching.verdict(read(tmp_path, attention=0.0)).word == verdicts.FAILS
    assert stitching.verdict([]).word == verdicts.OPEN


def test_its_table(tmp_path):
    made_up.write(tmp_path, "random_walk", [])
    about = catalog.RANDOM_WALK
    assert stitching.blocks_of(about, about.read(tmp_path)) == []
    read(tmp_path, attention=0.3, s4=0.2)
    _, table, _ = stitching.blocks_of(about, about.read(tmp_path))
    assert isinstance(table, blocks.Table)
    assert [line[0] for line in table.rows] == ["attention", "s4"]
