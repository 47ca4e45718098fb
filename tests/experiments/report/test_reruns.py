"""Runs that were trained again are compared with their rows, number by number."""

import csv
import io

import pytest

from experiments.report import load, reruns
from tests.experiments.report import made_up

LOST = sorted(load.LOST)[0]


def committed(metric="return", values=(1.0, 2.0, 3.0), **more):
    rows = made_up.runs("cartpole", "cartpole/random", "s4d", values, metric, **more)
    return [row | {"commit": LOST} for row in rows]


def again(rows, by=0.0, version="0.10.1", **more):
    changed = []
    for row in rows:
        name = reruns.score_of(row)
        metrics = row["metrics"] | {name: row["metrics"][name] + by} | more
        changed.append(row | {"versions": {"jaxlib": version}, "metrics": metrics})
    return changed


@pytest.mark.parametrize(
    ("by", "more", "same"),
    [(0.0, {"updates_per_second": 3.0}, True), (1e-12, {}, False), (0.0, {"other": 1.0}, False)],
)
def test_all_numbers_but_times_have_to_be_the_same(by, more, same):
    rows = committed()
    pairs = reruns.match(rows, again(rows[:2], by, **more))
    assert [pair.is_same for pair in pairs] == [same, same]
    assert reruns.match(rows, [row | {"experiment": "other"} for row in rows]) == []


@pytest.mark.parametrize(("by", "beyond"), [(0.01, False), (0.2, True)])
def test_the_standard_deviation_of_an_evaluation_says_what_sampling_leaves_open(by, beyond):
    rows = committed(std_sampled=1.0)
    pairs = reruns.match(rows, again(rows, by))
    assert [pair.is_beyond_sampling for pair in pairs] == [beyond] * 3


@pytest.mark.parametrize(("by", "beyond"), [(0.01, False), (0.2, True)])
def test_a_share_says_what_sampling_leaves_open(by, beyond):
    rows = [row | {"experiment": "key_to_door"} for row in committed("success", [0.5])]
    (pair,) = reruns.match(rows, again(rows, by))
    assert pair.is_beyond_sampling is beyond


@pytest.mark.parametrize(("by", "beyond"), [(0.9, False), (1.1, True)])
def test_else_the_range_of_the_runs_does(by, beyond):
    rows = committed()
    assert {pair.is_beyond_sampling for pair in reruns.match(rows, again(rows, by))} == {beyond}


def test_a_sentence_on_lost_commits_and_one_on_versions():
    rows = committed()
    lost, versions = reruns.texts(
        rows, again(rows[:2], 0.5), [*again(rows, 1.1), *again(rows, 0.0, reruns.HAZARDOUS)]
    )
    assert lost.startswith("3 of 3 rows name commits that the history lost")
    assert "2 of these runs were trained again, and 0 have the same numbers" in lost
    assert "3 runs were trained again with jaxlib 0.10.1" in versions
    assert "0 are the same to the last digit, and 3 differ by more than sampling" in versions
    assert "0 of 3 differ so" in versions


def test_nothing_is_said_of_nothing():
    known = [row | {"commit": "0" * 12} for row in committed()]
    assert reruns.texts(known, [], again(known, 0.0, reruns.HAZARDOUS)) == []


def test_every_pair_is_in_the_full_table():
    rows = committed()
    found = reruns.to_csv(rows, {"one": again(rows, 1.1), "two": again(rows[:1])})
    lines = list(csv.DictReader(io.StringIO(found)))
    assert [line["file"] for line in lines] == ["one"] * 3 + ["two"]
    assert [line["same"] for line in lines] == ["False"] * 3 + ["True"]
    assert lines[0]["difference"] == "1.1"
