"""Every rule, on both sides of its threshold; who lost is told with what changes it."""

import dataclasses
from typing import NamedTuple

import pytest

from experiments.report import catalog, scores, verdicts
from experiments.report.verdicts import FAILS, HOLDS, OPEN, PARTLY, UNDECIDED
from jax_s4rl.evaluation.bootstrap import Interval
from tests.experiments.report import made_up, walks


class Comparison(NamedTuple):
    name: str
    score: scores.Difference

    @property
    def outcome(self):
        return self.score.outcome

    @property
    def has_runs(self):
        return self.outcome != scores.FEW


def comparison(name, middle, count=5):
    found = scores.difference({0: made_up.spread(middle, count=count)}, {0: made_up.spread(0.5)})
    return Comparison(name, found)


AHEAD, LEVEL, BEHIND = comparison("ahead", 0.9), comparison("level", 0.5), comparison("behind", 0.1)


@pytest.mark.parametrize(
    ("matches", "missing", "word", "told"),
    [
        ({"a": [AHEAD, LEVEL], "b": [AHEAD]}, [], HOLDS, ""),
        ({"a": [AHEAD], "b": [LEVEL]}, [], PARTLY, "ahead"),
        ({"a": [AHEAD, BEHIND]}, [], PARTLY, "ahead\nbehind in behind"),
        ({"a": [LEVEL]}, [], FAILS, "no setting shows a difference"),
        ({"a": [BEHIND]}, [], FAILS, "behind in behind"),
        ({"a": [AHEAD]}, ["b"], verdicts.HOLDS_SO_FAR, "not yet run: b"),
        ({"a": [LEVEL]}, ["b"], verdicts.FAILS_SO_FAR, "not yet run: b"),
        ({"a": [AHEAD, BEHIND]}, ["b"], PARTLY, "not yet run: b"),
        ({}, ["a", "b"], OPEN, "not yet run: a; b"),
        ({"a": [comparison("few", 0.9, count=2)]}, [], OPEN, "fewer than five runs of each: a"),
        (
            {"a": [AHEAD], "b": [comparison("few", 0.9, count=2)]},
            [],
            verdicts.HOLDS_SO_FAR,
            "fewer than five runs of each: b",
        ),
    ],
)
def test_everywhere(matches, missing, word, told):
    found = verdicts.everywhere(matches, missing)
    assert found.word == word
    assert told in found.where


def test_what_is_said_of_losses_is_told_line_by_line():
    found = verdicts.everywhere(
        {"a": [AHEAD, BEHIND, BEHIND]}, [], lambda match: f"{match.name}; level with x"
    )
    assert (
        found.where.splitlines() == ["ahead; level with x"] + ["behind in behind; level with x"] * 2
    )


@pytest.mark.parametrize(
    ("values", "word", "told"),
    [
        ([3.0, 4.0], HOLDS, "timed up to 1"),
        ([2.9, 4.0], PARTLY, "pair: from 1\ntimed up to 1"),
        ([2.9, 4.0, 4.0], PARTLY, "pair: from 1\ntimed up to 2"),
        ([4.0, 4.0, 2.9], PARTLY, "pair: up to 1\ntimed up to 2"),
        ([4.0, 2.9, 4.0], PARTLY, "pair: but not at 1\ntimed up to 2"),
        ([2.9, 4.0, 2.9], PARTLY, "pair: at 1\ntimed up to 2"),
        ([2.9, 1.0], FAILS, "at most 2.9 times\ntimed up to 1"),
        ([], OPEN, ""),
    ],
)
def test_times(values, word, told):
    ratios = [
        scores.Ratio("pair", "", str(place), value, place) for place, value in enumerate(values)
    ]
    assert verdicts.at_least(ratios, verdicts.SEVERAL) == verdicts.Verdict(word, told)


def test_where_a_pair_is_faster_is_told_by_series_and_task():
    ratios = [
        scores.Ratio("a", "1 at once", "16 steps", 1.0, 16),
        scores.Ratio("a", "1 at once", "64 steps", 4.0, 64),
    ]
    ratios += [
        scores.Ratio("a", "64 at once", "16 steps", 4.0, 16),
        scores.Ratio("b", "", "16 steps", 1.0, 16),
    ]
    told, longest = verdicts.at_least(ratios, 3.0).where.splitlines()
    assert told == "a: 1 at once from 64 steps; 64 at once everywhere"
    assert longest == "timed up to 64 steps (b up to 16 steps)"
    tasks = [
        scores.Ratio("a", "", task, value, None) for task, value in (("walk", 1.0), ("door", 4.0))
    ]
    assert verdicts.at_least(tasks, 3.0).where == "a: at door"


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        (Interval(0.3, 0.2, 0.4), Interval(0.1, 0.0, 0.15), HOLDS),
        (Interval(0.3, 0.1, 0.4), Interval(0.1, 0.0, 0.15), UNDECIDED),
        (Interval(0.1, -0.1, 0.2), Interval(-0.5, -0.6, -0.4), UNDECIDED),
        (Interval(0.1, 0.05, 0.2), Interval(0.5, 0.4, 0.6), FAILS),
        (Interval(-0.2, -0.3, -0.1), Interval(-0.2, -0.3, 0.0), FAILS),
        (None, Interval(0.5, 0.4, 0.6), OPEN),
        (Interval(0.5, 0.4, 0.6), None, OPEN),
    ],
)
def test_more_in_the_first(first, second, word):
    assert verdicts.more_in_the_first(first, second).word == word


GOOD, WORSE, WIDE = Interval(0.0, -0.04, 0.1), Interval(-0.2, -0.3, -0.1), Interval(0.0, -0.3, 0.3)


@pytest.mark.parametrize(
    ("gains", "word"),
    [
        ({"a": GOOD, "b": GOOD}, HOLDS),
        ({"a": GOOD, "b": WORSE}, PARTLY),
        ({"a": GOOD, "b": WIDE}, PARTLY),
        ({"a": WIDE, "b": WORSE}, FAILS),
        ({"a": WIDE}, UNDECIDED),
        ({}, OPEN),
    ],
)
def test_as_well_as(gains, word):
    assert verdicts.as_well_as(gains).word == word


def test_data_sets_that_decide_nothing_are_told():
    told = verdicts.as_well_as({"a": GOOD, "b": WORSE, "c": WIDE, "d": WIDE}).where
    assert told.splitlines() == ["a", "worse in b", "undecided in c; d"]


def test_a_published_number_agrees_within_five_points():
    ours = Interval(0.65, 0.60, 0.70)
    found = [verdicts.agrees(published, ours) for published in (54.9, 55.0, 65.0, 75.0, 75.1)]
    assert [each.word for each in found] == [FAILS, HOLDS, HOLDS, HOLDS, FAILS]
    assert (found[0].where, found[-1].where) == ("ours is higher", "ours is lower")
    # Nearly everything lies near an interval that is wide.
    assert verdicts.agrees(13.1, Interval(0.57, 0.11, 0.83)).word == UNDECIDED
    assert verdicts.agrees(3.1, Interval(0.027, float("nan"), float("nan"))).word == HOLDS


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ((HOLDS, HOLDS), HOLDS),
        ((HOLDS, FAILS), PARTLY),
        ((FAILS, FAILS), FAILS),
        ((HOLDS, OPEN), verdicts.HOLDS_SO_FAR),
        ((FAILS, OPEN), verdicts.FAILS_SO_FAR),
        ((OPEN, OPEN), OPEN),
    ],
)
def test_all_of(words, word):
    assert (
        verdicts.all_of({str(n): verdicts.Verdict(each) for n, each in enumerate(words)}).word
        == word
    )


def test_every_word_has_a_color():
    for word in verdicts.TONES:
        assert verdicts.Verdict(word).badge.text == word


ABOUT = dataclasses.replace(catalog.CARTPOLE, judged_by="greedy")


def study(folder, values):
    """Made of values by method, variant and data."""
    for (method, variant, data), value in values.items():
        rows = made_up.runs(
            ABOUT.name, f"cartpole/{data}", method, made_up.spread(value), "return", variant=variant
        )
        made_up.write(folder, ABOUT.name, rows)
    return ABOUT.read(folder)


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
    assert verdicts.tell(won) == "CartPole, mixed; attention level with dropout 0.1"
    lost = verdicts.of_loser(won)
    assert lost is not None
    assert (lost.group.method, lost.other.method) == ("attention", "s4d")
    assert lost.outcome == "behind"


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
    assert verdicts.tell(lost).split("; ") == [
        "CartPole, mixed",
        "level with learning rate 0.01, initialization LegS",
        "behind with learning rate 0.001",
        "too few runs with dropout 0.1 (3 of 5 runs)",
    ]


def test_each_run_is_measured_by_the_best_exact_line_of_its_own_graph(tmp_path):
    (found,) = walks.leads(
        tmp_path,
        walks.runs("attention", 0.3),
        walks.runs("bc", 0.1, "attention", graphs=["random_walk"]),
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
    (found,) = verdicts.leads(study)
    assert found.interval.value == pytest.approx(-0.1)
    assert not found.is_ahead


def test_what_models_were_trained_on_is_told_apart(tmp_path):
    variants = (
        "",
        "relabelled returns",
        "relabelled returns, no time embedding",
        "one step",
        walks.TAKES,
        "no time embedding",
    )
    found = walks.leads(tmp_path, *(walks.runs("s4d", 0.1, variant) for variant in variants))
    assert [lead.group.variant for lead in found if not lead.group.variant] == [""]
    assert [lead.group.variant for lead in found if lead.changes] == [
        "relabelled returns",
        "relabelled returns, no time embedding",
        "one step",
        walks.TAKES,
    ]


def test_every_mixer_has_to_be_ahead(tmp_path):
    assert verdicts.joins_walks([]).word == verdicts.OPEN
    assert (
        verdicts.joins_walks(walks.leads(tmp_path / "all", walks.of_all(0.3))).word
        == verdicts.HOLDS
    )
    assert (
        verdicts.joins_walks(walks.leads(tmp_path / "none", walks.of_all(0.0))).word
        == verdicts.FAILS
    )
    some = [*walks.of_all(0.0), *walks.runs("s4", 0.3, walks.TAKES)]
    found = verdicts.joins_walks(walks.leads(tmp_path / "some", some))
    assert (found.word, found.where.splitlines()[0]) == (verdicts.PARTLY, "s4")


def test_few_runs_do_not_count(tmp_path):
    (found,) = walks.leads(tmp_path, walks.runs("s4", 0.3, count=4, graphs=["random_walk"]))
    assert found.num_runs < scores.LEAST_RUNS
    assert verdicts.joins_walks([found]).word == verdicts.OPEN


def test_one_of_its_variants_is_enough(tmp_path):
    found = walks.leads(
        tmp_path, walks.of_all(0.0, variant="one step"), walks.of_all(0.3, variant=walks.TAKES)
    )
    assert verdicts.joins_walks(found).word == verdicts.HOLDS


def test_leads_are_told_by_the_way_of_having_what_joining_takes(tmp_path):
    rows = [
        *walks.runs("s4", 0.0, "relabelled returns"),
        *walks.runs("s4", 0.3, walks.TAKES),
        *walks.runs("s4d", 0.3, walks.TAKES),
        *walks.runs("s4", 0.3),
    ]
    found = walks.leads(tmp_path, rows)
    assert verdicts.joins_walks(found).where.splitlines()[-2:] == [
        "relabelled returns, history seen: no mixer",
        "relabelled returns, one step: s4d; s4",
    ]
    assert {lead.group.variant: verdicts.ONE_STEP in lead.changes for lead in found} == {
        "": False,
        "relabelled returns": False,
        walks.TAKES: True,
    }
