"""Misbehaving environments: the same numbers, or a sentence that says where."""

import collections

import pytest

from tests.faults import outcomes, worlds


@pytest.mark.parametrize("door", [name for name in worlds.NAMES if name != "PPO"])
def test_every_environment_is_played_or_refused_with_its_place(door, tmp_path):
    check(worlds.attempts(door, 0, 0, len(worlds.ALL), tmp_path), least=30)


@pytest.mark.slow
def test_every_environment_is_trained_in_or_refused_with_its_place(tmp_path):
    check(worlds.attempts("PPO", 0, 0, 30, tmp_path), least=3)


def check(attempts, *, least):
    found = list(attempts)
    bad = [one for one in found if one.outcome in outcomes.BAD]
    assert not bad
    counted = collections.Counter(one.outcome for one in found)
    # Neither is everything refused, nor everything taken.
    assert min(counted[outcomes.RECOVERED], counted[outcomes.SENTENCE]) >= least


def test_there_are_more_than_a_hundred_kinds():
    assert len(worlds.ALL) > 100
