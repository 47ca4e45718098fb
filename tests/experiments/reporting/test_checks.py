"""What was asked of the key-to-door table, reached and missed."""

import pytest

from experiments.reporting import blocks, catalog, checks, lines, published
from tests.experiments.reporting import made_up

SMALL, LARGE = published.SIZES["1K"], published.SIZES["10K"]
ABOUT = catalog.KEY_TO_DOOR


def runs(dataset, method, sampled, variant="balanced batches", count=5, **metrics):
    # The sampled score of made-up runs is half of the greedy one; each run has a recording of its own at 1K.
    found = made_up.runs(
        "key_to_door", dataset, method, made_up.spread(2 * sampled, count=count), "success", variant=variant, **metrics
    )
    for row in found if dataset == SMALL else ():
        row["metrics"]["data_seed"] = row["seed"]
    return found


def judge(*rows, random=0.027):
    every = made_up.bounds("key_to_door", SMALL, "success_sampled", random, 1.0)
    content = checks.blocks_of(ABOUT, lines.sort([*every, *(row for own in rows for row in own)]))
    (table,) = (block for block in content if isinstance(block, blocks.Table))
    told = [block.text for block in content if isinstance(block, blocks.Paragraph)]
    return {asked: (ours, badge.text) for asked, ours, badge in table.rows}, told


def test_without_runs_nothing_is_known_but_random_play():
    found, told = judge()
    assert found.pop("random play 2.7 ± 0.5 %") == ("2.70", "reached")
    assert {badge for _, badge in found.values()} == {"not yet run"}
    assert len(found) == 2 + 4 + 2 + 4
    assert told == []
    assert judge(random=0.033)[0]["random play 2.7 ± 0.5 %"][1] == "missed"


@pytest.mark.parametrize(("share", "badge"), [(0.02, "reached"), (0.046, "reached"), (0.048, "missed")])
def test_behavior_cloning_is_near_random_play(share, badge):
    found, _ = judge(runs(SMALL, "bc", share, "attention"))
    assert found["behavior cloning within 2 points of random play, 1K"][1] == badge


@pytest.mark.parametrize(
    ("dataset", "share", "badge"),
    [(SMALL, 0.68, "reached"), (SMALL, 0.655, "reached, not surely"), (LARGE, 0.66, "missed")],
)
def test_attention_and_percentile_cloning_reach_so_much(dataset, share, badge):
    found, told = judge(runs(dataset, "attention", share), runs(dataset, "percent_bc", share, "attention"))
    size = "1K" if dataset == SMALL else "10K"
    wanted = {"1K": "65", "10K": "90"}[size]
    for name in ("attention", "percentile behavior cloning"):
        assert found[f"{name} at least {wanted} %, {size}"][1] == badge
    assert len(told) == 1
    assert f"from {size} episodes it **equals within 5 points** the decision model (+0.0 [" in told[0]


def test_four_recordings_are_too_few():
    found, told = judge(runs(SMALL, "attention", 0.9, count=4), runs(SMALL, "percent_bc", 0.9, "attention", count=4))
    assert found["attention at least 65 %, 1K"] == ("-", "not yet run")
    assert told == []


@pytest.mark.parametrize(
    ("s4", "s4d", "badge"),
    [(0.7, 0.5, "reached"), (0.5, 0.7, "reached"), (0.5, 0.5, "missed"), (0.5, None, "not yet run")],
)
def test_one_state_space_model_is_enough(s4, s4d, badge):
    others = runs(SMALL, "s4d", s4d) if s4d else []
    found, _ = judge(runs(SMALL, "attention", 0.7), runs(SMALL, "s4", s4), others)
    ours, given = found["S4 or S4D as good as attention within 5 points, and not behind, 1K"]
    assert given == badge
    assert ours.startswith("s4 +0.0 [" if s4 == 0.7 else "s4 -20.0 [")


def test_a_wide_interval_is_no_equality():
    clones = runs(SMALL, "percent_bc", 0.65, "attention")
    for row, shift in zip(clones, (-0.1, -0.05, 0.0, 0.05, 0.1), strict=True):
        row["metrics"]["success_sampled"] += shift
    _, told = judge(runs(SMALL, "attention", 0.65), clones)
    assert "from 1K episodes it **may equal** the decision model (+0.0 [" in told[0]


def test_controls_are_well_below():
    found, _ = judge(runs(SMALL, "attention", 0.7, target_0_sampled=0.02, wrong_key_sampled=0.4))
    assert found["attention, asked for 0, below half of its success, 1K"] == ("2.0 [2.0, 2.0]", "reached")
    assert found["attention, key shown on a wrong cell, below half of its success, 1K"][1] == "missed"
