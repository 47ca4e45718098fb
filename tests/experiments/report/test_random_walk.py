"""Joining walks is measured by the best score without joining, on the same data."""

import xml.etree.ElementTree

import pytest

from experiments.report import catalog, document, load, random_walk, scores, verdicts
from tests.experiments.report import made_up

GRAPHS = {"random_walk": 0.2, "random_walk/graph-1": 0.4}
TAKES = "relabelled returns, one step"


def references():
    # The best line is another one on each graph.
    for graph, best in GRAPHS.items():
        for number, method in enumerate(random_walk.EXACT):
            value = best if number == (graph != "random_walk") else 0.1
            yield made_up.row(
                "random_walk", f"{graph}/nosuffix-1000", method, optimal_share_sampled=value
            )


def runs(method, middle, variant="", count=5, graphs=GRAPHS):
    found = []
    for graph in graphs:
        # The sampled score of made-up runs is half of the greedy one.
        values = made_up.spread(2 * (middle + GRAPHS[graph]), count=count)
        dataset = f"{graph}/nosuffix-1000"
        found += made_up.runs(
            "random_walk", dataset, method, values, "optimal_share", variant=variant
        )
    return found


def leads(folder, *rows):
    made_up.write(folder, "random_walk", [*references(), *(row for own in rows for row in own)])
    study = catalog.RANDOM_WALK.read(folder)
    return random_walk.leads(study)


def of_all(middle, **more):
    return [row for mixer in load.MIXERS for row in runs(mixer, middle, **more)]


def test_each_run_is_measured_by_the_best_exact_line_of_its_own_graph(tmp_path):
    (found,) = leads(
        tmp_path, runs("attention", 0.3), runs("bc", 0.1, "attention", graphs=["random_walk"])
    )
    assert found.interval.value == pytest.approx(0.3)
    assert found.num_runs == 10
    # The clone ran on one graph alone.
    assert found.over_clone is not None
    assert found.over_clone.value == pytest.approx(0.2)


def test_beating_lookup_alone_is_not_enough(tmp_path):
    dataset = "random_walk/nosuffix-1000"
    known = (("lookup", 0.0), ("random", 0.15), ("blind", 0.3))
    rows = [
        made_up.row("random_walk", dataset, method, optimal_share_sampled=value)
        for method, value in known
    ]
    rows += made_up.runs("random_walk", dataset, "s4", made_up.spread(0.4), "optimal_share")
    made_up.write(tmp_path, "random_walk", rows)
    study = catalog.RANDOM_WALK.read(tmp_path)
    (found,) = random_walk.leads(study)
    assert found.interval.value == pytest.approx(-0.1)
    assert not found.is_ahead


def test_what_models_were_trained_on_is_told_apart(tmp_path):
    variants = (
        "",
        "relabelled returns",
        "relabelled returns, no time embedding",
        "one step",
        TAKES,
        "no time embedding",
    )
    found = leads(tmp_path, *(runs("s4d", 0.1, variant) for variant in variants))
    assert [lead.group.variant for lead in found if lead.is_plain] == [""]
    assert [lead.group.variant for lead in found if lead.changes] == [
        "relabelled returns",
        "relabelled returns, no time embedding",
        "one step",
        TAKES,
    ]


def test_every_mixer_has_to_be_ahead(tmp_path):
    assert random_walk.verdict([]).word == verdicts.OPEN
    assert random_walk.verdict(leads(tmp_path / "all", of_all(0.3))).word == verdicts.HOLDS
    assert random_walk.verdict(leads(tmp_path / "none", of_all(0.0))).word == verdicts.FAILS
    some = [*of_all(0.0), *runs("s4", 0.3, TAKES)]
    found = random_walk.verdict(leads(tmp_path / "some", some))
    assert (found.word, found.where.splitlines()[0]) == (verdicts.PARTLY, "s4")


def test_one_of_its_variants_is_enough(tmp_path):
    found = leads(tmp_path, of_all(0.0, variant="one step"), of_all(0.3, variant=TAKES))
    assert random_walk.verdict(found).word == verdicts.HOLDS
    assert random_walk.numbers(found).splitlines()[0].startswith("attention +30.0 [")


def test_leads_are_told_by_the_way_of_having_what_joining_takes(tmp_path):
    rows = [
        *runs("s4", 0.0, "relabelled returns"),
        *runs("s4", 0.3, TAKES),
        *runs("s4d", 0.3, TAKES),
        *runs("s4", 0.3),
    ]
    found = leads(tmp_path, rows)
    assert random_walk.by_way(found).splitlines() == [
        "relabelled returns, history seen: no mixer",
        "relabelled returns, one step: s4d; s4",
    ]
    assert {lead.group.variant: random_walk.ONE_STEP in lead.changes for lead in found} == {
        "": False,
        "relabelled returns": False,
        TAKES: True,
    }


def test_where_models_with_a_history_are_ahead_is_told(tmp_path):
    about = catalog.RANDOM_WALK

    def told():
        (last,) = random_walk.section(about.read(tmp_path))[-1:]
        assert isinstance(last, document.Paragraph)
        return last.text

    leads(tmp_path, runs("s4", 0.0), runs("s4d", 0.3, TAKES))
    assert told().endswith("score nowhere.")
    data = "random_walk/random-100"
    rows = [made_up.row("random_walk", data, "lookup", optimal_share_sampled=0.2)]
    rows += made_up.runs(
        "random_walk",
        data,
        "s4",
        made_up.spread(0.8),
        "optimal_share",
        variant="relabelled returns",
    )
    made_up.write(tmp_path, "random_walk", rows)
    assert told().endswith(
        "score on random-100, all graphs, relabelled returns (s4); nowhere on `nosuffix` data."
    )
    table = random_walk.section(about.read(tmp_path))[1]
    assert isinstance(table, document.Table)
    assert [row[1] for row in table.rows if row[1].startswith("random-100")] == [
        "random-100, all graphs, relabelled returns"
    ]


def test_few_runs_do_not_count(tmp_path):
    (found,) = leads(tmp_path, runs("s4", 0.3, count=4, graphs=["random_walk"]))
    assert found.num_runs < scores.LEAST_RUNS
    assert random_walk.verdict([found]).word == verdicts.OPEN


def test_its_table(tmp_path):
    about = catalog.RANDOM_WALK
    assert random_walk.section(about.read(tmp_path)) == []
    leads(tmp_path, runs("attention", 0.3), runs("s4", 0.2))
    _, table, *_ = random_walk.section(about.read(tmp_path))
    assert isinstance(table, document.Table)
    assert [(line[0], line[3], line[4]) for line in table.rows] == [
        ("attention", "-", "10"),
        ("s4", "-", "10"),
    ]


WALKS = "random_walk/nosuffix-1000"
SHOWN = {"histogram_sampled": [0.5, 0.25, 0.25]}


def read(folder, rows):
    made_up.write(folder, "random_walk", rows)
    about = catalog.RANDOM_WALK
    return random_walk.section(about.read(folder))


def test_there_is_none_before_walks_were_judged(tmp_path):
    assert read(tmp_path, []) == []
    assert (
        read(tmp_path, made_up.runs("random_walk", WALKS, "bc", [0.5], "optimal_share", **SHOWN))
        == []
    )


def test_every_setting_is_a_panel_and_no_other_data_are_beside_it(tmp_path):
    rows = [made_up.row("random_walk", WALKS, "lookup", histogram=[0.125, 0.375, 0.5])]
    rows += [
        made_up.row("random_walk", "random_walk/random-1000", "random", histogram=[1.0, 0.0, 0.0])
    ]
    for variant in ("", "one step"):
        for method in ("attention", "s4d"):
            rows += made_up.runs(
                "random_walk",
                WALKS,
                method,
                [0.5, 0.5],
                "optimal_share",
                variant=variant,
                cell=variant,
                **SHOWN,
            )
    heading, picture, _ = read(tmp_path, rows)
    assert isinstance(heading, document.Heading)
    assert isinstance(picture, document.Picture)
    svg = picture.draw()
    assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
    for text in ("nosuffix-1000, all graphs, one step", "attention", "s4d", "lookup", "never"):
        assert f">{text}<" in svg
    assert ">random<" not in svg
    assert svg == picture.draw()
