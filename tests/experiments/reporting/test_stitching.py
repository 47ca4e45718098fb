"""Joining walks is measured by the best line that joins nothing, on the same data."""

import pytest

from experiments.reporting import blocks, catalog, scores, stitching, studies, verdicts
from tests.experiments.reporting import made_up

GRAPHS = {"random_walk": 0.2, "random_walk/graph-1": 0.4}
TAKES = "returns composed, one step"


def references():
    # The best line is another one on each graph.
    for graph, best in GRAPHS.items():
        for number, method in enumerate(stitching.EXACT):
            value = best if number == (graph != "random_walk") else 0.1
            yield made_up.row("random_walk", f"{graph}/nosuffix-1000", method, optimal_share_sampled=value)


def runs(method, middle, variant="", count=5, graphs=GRAPHS):
    found = []
    for graph in graphs:
        # The sampled score of made-up runs is half of the greedy one.
        values = made_up.spread(2 * (middle + GRAPHS[graph]), count=count)
        dataset = f"{graph}/nosuffix-1000"
        found += made_up.runs("random_walk", dataset, method, values, "optimal_share", variant=variant)
    return found


def leads(folder, *rows):
    made_up.write(folder, "random_walk", [*references(), *(row for own in rows for row in own)])
    (study,) = studies.read([catalog.RANDOM_WALK], folder)
    return stitching.leads(study)


def of_all(middle, **more):
    return [row for mixer in stitching.MIXERS for row in runs(mixer, middle, **more)]


def test_each_run_is_measured_by_the_best_exact_line_of_its_own_graph(tmp_path):
    (found,) = leads(tmp_path, runs("attention", 0.3), runs("bc", 0.1, "attention", graphs=["random_walk"]))
    assert found.interval.value == pytest.approx(0.3)
    assert found.num_runs == 10
    # The clone ran on one graph alone.
    assert found.over_clone is not None
    assert found.over_clone.value == pytest.approx(0.2)


def test_beating_lookup_alone_is_not_enough(tmp_path):
    dataset = "random_walk/nosuffix-1000"
    known = (("lookup", 0.0), ("random", 0.15), ("blind", 0.3))
    rows = [made_up.row("random_walk", dataset, method, optimal_share_sampled=value) for method, value in known]
    rows += made_up.runs("random_walk", dataset, "s4", made_up.spread(0.4), "optimal_share")
    made_up.write(tmp_path, "random_walk", rows)
    (study,) = studies.read([catalog.RANDOM_WALK], tmp_path)
    (found,) = stitching.leads(study)
    assert found.interval.value == pytest.approx(-0.1)
    assert not found.is_ahead


def test_what_models_were_trained_on_is_told_apart(tmp_path):
    variants = ("", "returns composed", "returns composed, no clock", "one step", TAKES, "no clock")
    found = leads(tmp_path, *(runs("s4d", 0.1, variant) for variant in variants))
    assert [lead.arm.setting.variant for lead in found if lead.is_plain] == [""]
    assert [lead.arm.setting.variant for lead in found if lead.has_what_it_takes] == list(variants[1:5])


def test_every_mixer_has_to_be_ahead(tmp_path):
    assert stitching.verdict([]).word == verdicts.OPEN
    assert stitching.verdict(leads(tmp_path / "all", of_all(0.3))).word == verdicts.HOLDS
    assert stitching.verdict(leads(tmp_path / "none", of_all(0.0))).word == verdicts.FAILS
    some = [*of_all(0.0), *runs("s4", 0.3, TAKES)]
    found = stitching.verdict(leads(tmp_path / "some", some))
    assert (found.word, found.where.splitlines()[0]) == (verdicts.PARTLY, "s4")


def test_one_of_its_variants_is_enough(tmp_path):
    found = leads(tmp_path, of_all(0.0, variant="one step"), of_all(0.3, variant=TAKES))
    assert stitching.verdict(found).word == verdicts.HOLDS
    assert stitching.numbers(found).splitlines()[0].startswith("attention +30.0 [")


def test_leads_are_told_by_the_way_of_having_what_joining_takes(tmp_path):
    rows = [*runs("s4", 0.0, "returns composed"), *runs("s4", 0.3, TAKES), *runs("s4d", 0.3, TAKES), *runs("s4", 0.3)]
    found = leads(tmp_path, rows)
    assert stitching.by_way(found).splitlines() == [
        "returns composed, history seen: no mixer",
        "returns composed, one step: s4d; s4",
    ]
    assert {lead.arm.setting.variant: lead.sees_history for lead in found} == {
        "": True,
        "returns composed": True,
        TAKES: False,
    }


def test_where_models_with_a_history_are_ahead_is_told(tmp_path):
    about = catalog.RANDOM_WALK

    def told():
        (last,) = stitching.blocks_of(about, about.read(tmp_path))[-1:]
        assert isinstance(last, blocks.Paragraph)
        return last.text

    leads(tmp_path, runs("s4", 0.0), runs("s4d", 0.3, TAKES))
    assert told().endswith("line nowhere.")
    data = "random_walk/random-100"
    rows = [made_up.row("random_walk", data, "lookup", optimal_share_sampled=0.2)]
    rows += made_up.runs("random_walk", data, "s4", made_up.spread(0.8), "optimal_share", variant="returns composed")
    made_up.write(tmp_path, "random_walk", rows)
    assert told().endswith("line on random-100, all graphs, returns composed (s4); nowhere on `nosuffix` data.")
    table = stitching.blocks_of(about, about.read(tmp_path))[1]
    assert isinstance(table, blocks.Table)
    assert [row[1] for row in table.rows if row[1].startswith("random-100")] == [
        "random-100, all graphs, returns composed"
    ]


def test_few_runs_do_not_count(tmp_path):
    (found,) = leads(tmp_path, runs("s4", 0.3, count=4, graphs=["random_walk"]))
    assert found.num_runs < scores.LEAST_RUNS
    assert stitching.verdict([found]).word == verdicts.OPEN


def test_its_table(tmp_path):
    about = catalog.RANDOM_WALK
    assert stitching.blocks_of(about, about.read(tmp_path)) == []
    leads(tmp_path, runs("attention", 0.3), runs("s4", 0.2))
    _, table, *_ = stitching.blocks_of(about, about.read(tmp_path))
    assert isinstance(table, blocks.Table)
    assert [(line[0], line[3], line[4]) for line in table.rows] == [("attention", "-", "10"), ("s4", "-", "10")]
