"""What becomes of a loss when one thing is changed."""

import dataclasses

from experiments.reporting import blocks, catalog, losses, studies
from tests.experiments.reporting import made_up

ABOUT = dataclasses.replace(catalog.CARTPOLE, judged_by="greedy")


def study(folder, scores):
    """Made of scores by method, variant and data."""
    for (method, variant, data), value in scores.items():
        rows = made_up.runs(ABOUT.name, f"cartpole/{data}", method, made_up.spread(value), "return", variant=variant)
        made_up.write(folder, ABOUT.name, rows)
    (found,) = studies.read([ABOUT], folder)
    return found


def shown(found):
    matches = [match for mixer in ("s4d", "s4") for match in studies.against(found, mixer)]
    return losses.blocks_of(matches)


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
    assert isinstance(table, blocks.Table)
    assert [(line[1], *line[3:]) for line in table.rows] == [
        ("s4d behind attention", "5, 5", "s4d: learning rate 0.01", "+0.000 [-0.023, +0.023]", "5, 5", "level"),
        ("s4d behind attention", "5, 5", "attention: learning rate 0.001", "+10.0 [+10.0, +10.0]", "5, 5", "ahead"),
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
    (won,) = studies.against(found, "s4d")
    assert losses.told(won) == "CartPole, mixed; attention level with dropout 0.1"
    lost = losses.seen_by_loser(won)
    assert lost is not None
    assert [arm.method for arm in lost.arms] == ["attention", "s4d"]
    assert lost.comparison.outcome == "behind"


def test_a_loss_that_nobody_took_apart_is_shown_and_no_loss_is_not(tmp_path):
    found = study(
        tmp_path,
        {("attention", "", "mixed"): 100.0, ("s4", "", "mixed"): 50.0, ("s4d", "", "mixed"): 150.0},
    )
    _, table, _ = shown(found)
    assert isinstance(table, blocks.Table)
    assert [(line[1], *line[4:]) for line in table.rows] == [
        ("attention behind s4d", "-", "-", "-", "-"),
        ("s4 behind attention", "-", "-", "-", "-"),
    ]
    level = study(tmp_path / "level", {("attention", "", "mixed"): 1.0, ("s4d", "", "mixed"): 1.0})
    assert shown(level) == []
    (match,) = studies.against(level, "s4d")
    assert losses.told(match) == match.name


def test_a_loss_is_told_with_what_changes_of_the_loser_make_of_it(tmp_path):
    found = study(
        tmp_path,
        {
            ("attention", "", "mixed"): 100.0,
            ("attention", "dropout 0.1", "mixed"): 10.0,
            ("s4d", "", "mixed"): 50.0,
            ("s4d", "learning rate 0.01", "mixed"): 100.0,
            ("s4d", "learning rate 0.001", "mixed"): 20.0,
            ("s4d", "born as legs", "mixed"): 100.0,
        },
    )
    few = made_up.runs(ABOUT.name, "cartpole/mixed", "s4d", [100.0] * 3, "return", variant="dropout 0.1")
    made_up.write(tmp_path, ABOUT.name, few)
    (found,) = studies.read([ABOUT], tmp_path)
    (lost,) = studies.against(found, "s4d")
    assert losses.told(lost).split("; ") == [
        "CartPole, mixed",
        "level with learning rate 0.01, born as legs",
        "behind with learning rate 0.001",
        "too few runs with dropout 0.1 (3 of 5 runs)",
    ]


def test_an_ablation_counts_for_no_claim():
    assert ABOUT.split("composed, learning rate 0.01") == ("composed", "learning rate 0.01")
    assert ABOUT.split("learning rate 0.01") == ("", "learning rate 0.01")
    assert ABOUT.split("composed, other") == ("composed, other", "")
    for change in ("learning rate 0.01", "dropout 0.1", "state space rate as the rest", "born as legs"):
        assert not ABOUT.counts(change)
    assert ABOUT.counts("")
