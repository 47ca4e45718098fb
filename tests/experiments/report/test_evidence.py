"""All comparisons, losses under single changes, times and cost."""

import dataclasses

from experiments.report import catalog, document, evidence, load, scores, speeds
from tests.experiments.report import made_up


def gather(folder, training=()):
    return evidence.Evidence(catalog.read(folder), list(training))


def test_comparisons_and_times(tmp_path):
    rows = []
    for method, value in (("attention", 100.0), ("s4d", 200.0)):
        rows += made_up.runs("cartpole", "cartpole/mixed", method, made_up.spread(value), "return")
    made_up.write(tmp_path, "cartpole", rows)
    timed = [made_up.timed(who, speeds.ONE, 32, 1.0) for who in ("attention", "s4d")]
    found = gather(tmp_path, timed)
    _, table, *_ = evidence.comparisons(found)
    assert isinstance(table, document.Table)
    (line,) = table.rows
    assert line[1:4] == ["mixed", "s4d", document.Badge("ahead", document.GOOD)]
    assert line[4:6] == ["100.0 [100.0, 100.0]", "50.0 [50.0, 50.0]"]
    content = evidence.times(found)
    assert (
        next(block for block in content if isinstance(block, document.Table)).rows[0][0]
        == "s4d, one token"
    )
    assert document.Paragraph("Not yet run.") in content


def test_hours_are_told_by_machine(tmp_path):
    assert "No experiment" in evidence.hours(gather(tmp_path)).text
    # Ten runs of three minutes and a compilation of one for each machine and method.
    rows = made_up.runs(
        "cartpole", "cartpole/mixed", "s4d", made_up.spread(1.0, count=10), "return"
    )
    others = [
        row | {"machine": "another"}
        for row in made_up.runs("pendulum", "p", "s4", [1.0] * 2, "return")
    ]
    made_up.write(tmp_path, "cartpole", rows)
    made_up.write(tmp_path, "pendulum", others)
    found = gather(tmp_path)
    told = evidence.hours(found).text
    assert "took 0.6 hours of computing (0.5 on a machine; 0.1 on another)" in told
    assert "half" not in told
    assert "earlier.jsonl" not in told
    # Lines of earlier code, on a machine of one core.
    old = [
        row | {"machine": f"old{evidence.ONE_CORE}"}
        for row in made_up.runs("e", "d", "s4", [1.0] * 20, "return")
    ]
    told = evidence.hours(found._replace(earlier=old)).text
    assert "; 1.0 on old, one core)" in told
    assert "about half of the hours of one core: 0.5 by the clock" in told
    assert "20 rows in `experiments/results/earlier.jsonl`" in told
    assert "is in the sum (1.0 hours)" in told


def test_first_looks(tmp_path):
    found = gather(tmp_path)
    assert evidence.looks(found) == []
    rows = [
        made_up.row(
            "benchmarks/quick_looks", None, "quick", seconds={"look": seconds}, look=name, lines=3
        )
        for name, seconds in (("cartpole", 100.0), ("umbrella", 31.4), ("cartpole", 70.0))
    ]
    (fold,) = evidence.looks(found._replace(looks=rows))
    assert isinstance(fold, document.Fold)
    table, note = fold.content
    assert isinstance(table, document.Table)
    assert table.rows == [["`cartpole`", "70", "a machine"], ["`umbrella`", "31", "a machine"]]
    assert isinstance(note, document.Note)
    assert "the longest took 70 s" in note.text


def test_without_lines(tmp_path):
    assert document.Paragraph("No experiment has rows of both mixers yet.") in evidence.comparisons(
        gather(tmp_path)
    )


ABOUT = dataclasses.replace(catalog.CARTPOLE, judged_by="greedy")


def study(folder, values):
    """Made of values by method, variant and data."""
    for (method, variant, data), value in values.items():
        rows = made_up.runs(
            ABOUT.name, f"cartpole/{data}", method, made_up.spread(value), "return", variant=variant
        )
        made_up.write(folder, ABOUT.name, rows)
    return ABOUT.read(folder)


def shown(found):
    matches = [match for mixer in ("s4d", "s4") for match in scores.against(found, mixer)]
    return evidence.losses(matches)


def test_the_loser_is_changed_first_then_the_other_side(tmp_path):
    found = study(
        tmp_path,
        {
            ("attention", "", "mixed"): 100.0,
            ("s4d", "", "mixed"): 50.0,
            ("attention", "learning rate 0.001", "mixed"): 40.0,
            ("s4d", "learning rate 0.01", "mixed"): 100.0,
            # Neither of another variant nor on other data.
            ("s4d", "composed, learning rate 0.01", "mixed"): 70.0,
            ("s4d", "learning rate 0.01", "medium"): 70.0,
        },
    )
    _, table, _ = shown(found)
    assert isinstance(table, document.Table)
    assert [(line[1], *line[3:]) for line in table.rows] == [
        (
            "s4d behind attention",
            "5, 5",
            "s4d: learning rate 0.01",
            "+0.000 [-0.023, +0.023]",
            "5, 5",
            "level",
        ),
        (
            "s4d behind attention",
            "5, 5",
            "attention: learning rate 0.001",
            "+10.0 [+10.0, +10.0]",
            "5, 5",
            "ahead",
        ),
    ]
    assert {line[2] for line in table.rows} == {"-50.0 [-50.0, -50.0]"}


def test_attention_loses_as_well_as_others(tmp_path):
    found = study(
        tmp_path,
        {
            ("attention", "", "mixed"): 50.0,
            ("attention", "dropout 0.1", "mixed"): 100.0,
            ("s4d", "", "mixed"): 100.0,
        },
    )
    (won,) = scores.against(found, "s4d")
    assert evidence.tell(won) == "CartPole, mixed; attention level with dropout 0.1"
    lost = evidence.of_loser(won)
    assert lost is not None
    assert (lost.group.method, lost.other.method) == ("attention", "s4d")
    assert lost.outcome == "behind"


def test_a_loss_that_nobody_took_apart_is_shown_and_no_loss_is_not(tmp_path):
    found = study(
        tmp_path,
        {("attention", "", "mixed"): 100.0, ("s4", "", "mixed"): 50.0, ("s4d", "", "mixed"): 150.0},
    )
    _, table, _ = shown(found)
    assert isinstance(table, document.Table)
    assert [(line[1], *line[4:]) for line in table.rows] == [
        ("attention behind s4d", "-", "-", "-", "-"),
        ("s4 behind attention", "-", "-", "-", "-"),
    ]
    level = study(tmp_path / "level", {("attention", "", "mixed"): 1.0, ("s4d", "", "mixed"): 1.0})
    assert shown(level) == []
    (match,) = scores.against(level, "s4d")
    assert evidence.tell(match) == match.name


def test_a_loss_is_told_with_what_changes_of_the_loser_make_of_it(tmp_path):
    found = study(
        tmp_path,
        {
            ("attention", "", "mixed"): 100.0,
            ("attention", "dropout 0.1", "mixed"): 10.0,
            ("s4d", "", "mixed"): 50.0,
            ("s4d", "learning rate 0.01", "mixed"): 100.0,
            ("s4d", "learning rate 0.001", "mixed"): 20.0,
            ("s4d", "initialization LegS", "mixed"): 100.0,
        },
    )
    few = made_up.runs(
        ABOUT.name, "cartpole/mixed", "s4d", [100.0] * 3, "return", variant="dropout 0.1"
    )
    made_up.write(tmp_path, ABOUT.name, few)
    found = ABOUT.read(tmp_path)
    (lost,) = scores.against(found, "s4d")
    assert evidence.tell(lost).split("; ") == [
        "CartPole, mixed",
        "level with learning rate 0.01, initialization LegS",
        "behind with learning rate 0.001",
        "too few runs with dropout 0.1 (3 of 5 runs)",
    ]


def test_an_ablation_counts_for_no_claim():
    assert ABOUT.split("composed, learning rate 0.01") == ("composed", "learning rate 0.01")
    assert ABOUT.split("learning rate 0.01") == ("", "learning rate 0.01")
    assert ABOUT.split("composed, other") == ("composed, other", "")
    for change in (
        "learning rate 0.01",
        "dropout 0.1",
        load.SAME_RATE,
        "initialization LegS",
    ):
        assert not ABOUT.counts(change)
    assert ABOUT.counts("")
