"""A description knows the names in its lines, its groups, and what random play and the optimum score."""

import dataclasses

from experiments.reporting import descriptions, lines
from tests.experiments.reporting import made_up

ABOUT = descriptions.Description(
    name="some",
    title="Some",
    question="?",
    metrics=(descriptions.Metric("return", "return"),),
    groups={"chain/*/random": "all lengths"},
)
SHARES = descriptions.Metric("success", "success", descriptions.SHARE)


def test_names_in_the_lines(tmp_path):
    assert ABOUT.score == "return_greedy"
    assert SHARES.keys == {"success, greedy": "success_greedy", "success, sampled": "success_sampled"}
    assert descriptions.Metric("cells", "key cells", kinds=()).keys == {"key cells": "cells"}
    assert ABOUT.path(tmp_path).name == "some.jsonl"
    assert ABOUT.read(tmp_path) == lines.Lines([], [], [], [])
    assert ABOUT.command == "python -m experiments.some"


def test_groups_of_data_sets():
    assert [ABOUT.group(name) for name in ("chain/3/random", "some/x", "other", None)] == [
        "all lengths",
        "x",
        "other",
        "",
    ]


def test_bounds_come_from_references_of_the_same_data():
    found = lines.sort([*made_up.bounds("some", "a", "return", 22.0, 500.0), made_up.row("some", "b", "random")])
    assert ABOUT.bounds(found, "a") == (22.0, 500.0)
    assert ABOUT.bounds(found, "b") is None


def test_a_reference_may_tell_ways_of_choosing_apart():
    assert ABOUT.reference(made_up.row("some", "a", "lookup", return_greedy=1.0, return_sampled=2.0)) == 1.0
    assert ABOUT.reference(made_up.row("some", "a", "lookup")) is None


def test_nothing_is_made_up_where_no_line_tells():
    about = descriptions.Description(name="some", title="Some", question="?", metrics=(SHARES,))
    assert about.bounds(lines.sort([]), "a") is None
    assert about.bounds(lines.sort([made_up.row("some", "a", "random", seed=None, shares=0.1)]), "a") is None


def test_the_kind_of_state_is_one_of_data_sets():
    about = dataclasses.replace(ABOUT, continuous=("masked/*",))
    assert about.is_continuous("masked/mixed")
    assert not about.is_continuous("bits/random")
    assert about.kinds_of_state == {True, False}
    assert dataclasses.replace(ABOUT, continuous=("*",), discrete=()).kinds_of_state == {True}
    assert ABOUT.kinds_of_state == {False}
