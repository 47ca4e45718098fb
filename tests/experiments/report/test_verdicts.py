"""Every rule, on both sides of its threshold."""

from typing import NamedTuple

import pytest

from experiments.report import scores, verdicts
from experiments.report.verdicts import FAILS, HOLDS, OPEN, PARTLY, UNDECIDED
from jax_s4rl.evaluation.bootstrap import Interval
from tests.experiments.report import made_up


class Comparison(NamedTuple):
    name: str
    score: scores.Difference

    @property
    def outcome(self):
        return self.score.outcome

    @property
    def has_runs(self):
        return self.outcome != scores.FEW


class Ratio(NamedTuple):
    pair: str
    series: str
    place: str
    value: float
    context: int | None = 0


def match(name, middle, count=5):
    found = scores.difference({0: made_up.spread(middle, count=count)}, {0: made_up.spread(0.5)})
    return Comparison(name, found)


AHEAD, LEVEL, BEHIND = match("ahead", 0.9), match("level", 0.5), match("behind", 0.1)


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
        ({"a": [match("few", 0.9, count=2)]}, [], OPEN, "fewer than five runs of each: a"),
        (
            {"a": [AHEAD], "b": [match("few", 0.9, count=2)]},
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
    ratios = [Ratio("pair", "", str(place), value, place) for place, value in enumerate(values)]
    assert verdicts.at_least(ratios, verdicts.SEVERAL) == verdicts.Verdict(word, told)


def test_where_a_pair_is_faster_is_told_by_series_and_task():
    ratios = [
        Ratio("a", "1 at once", "16 steps", 1.0, 16),
        Ratio("a", "1 at once", "64 steps", 4.0, 64),
    ]
    ratios += [Ratio("a", "64 at once", "16 steps", 4.0, 16), Ratio("b", "", "16 steps", 1.0, 16)]
    told, longest = verdicts.at_least(ratios, 3.0).where.splitlines()
    assert told == "a: 1 at once from 64 steps; 64 at once everywhere"
    assert longest == "timed up to 64 steps (b up to 16 steps)"
    tasks = [Ratio("a", "", task, value, None) for task, value in (("walk", 1.0), ("door", 4.0))]
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
