"""An experiment knows the names in its rows, its groups, and the ends of its scale."""

import dataclasses

from experiments.report import experiment, load
from tests.experiments.report import made_up

ABOUT = experiment.Experiment(
    name="some",
    title="Some",
    metrics=(experiment.Metric("return", "return"),),
    patterns={"chain/*/random": "all lengths"},
)
SHARES = experiment.Metric("success", "success", experiment.SHARE)


def test_names_in_the_lines(tmp_path):
    assert ABOUT.score == "return_greedy"
    assert SHARES.keys == {
        "success, greedy, %": "success_greedy",
        "success, sampled, %": "success_sampled",
    }
    assert experiment.Metric("cells", "key cells", kinds=()).keys == {"key cells": "cells"}
    assert ABOUT.read(tmp_path).rows == load.Rows([], [], [], [])
    assert ABOUT.command == "python -m experiments.some"


def test_groups_of_data_sets():
    assert [ABOUT.group_name(name) for name in ("chain/3/random", "some/x", "other", None)] == [
        "all lengths",
        "x",
        "other",
        "",
    ]


def test_bounds_come_from_references_of_the_same_data():
    found = ABOUT.holding(
        [*made_up.bounds("some", "a", "return", 22.0, 500.0), made_up.row("some", "b", "random")]
    )
    assert found.bounds("a") == (22.0, 500.0)
    assert found.bounds("b") is None


def test_a_reference_may_tell_ways_of_choosing_apart():
    assert (
        ABOUT.reference(made_up.row("some", "a", "lookup", return_greedy=1.0, return_sampled=2.0))
        == 1.0
    )
    assert ABOUT.reference(made_up.row("some", "a", "lookup")) is None


def test_nothing_is_made_up_where_no_line_tells():
    about = experiment.Experiment(name="some", title="Some", metrics=(SHARES,))
    assert about.bounds("a") is None
    assert about.holding([made_up.row("some", "a", "random", shares=0.1)]).bounds("a") is None


def test_the_kind_of_state_is_one_of_data_sets():
    about = dataclasses.replace(ABOUT, continuous=("masked/*",))
    assert about.is_continuous("masked/mixed")
    assert not about.is_continuous("bits/random")
    assert about.kinds_of_state == {True, False}
    assert dataclasses.replace(ABOUT, continuous=("*",), discrete=()).kinds_of_state == {True}
    assert ABOUT.kinds_of_state == {False}
