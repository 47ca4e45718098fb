"""Timing: what is measured, and what is left alone."""

import functools

import jax.numpy as jnp

from benchmarks import timing

WORK = (lambda x: jnp.sin(x) @ x, (jnp.ones((8, 8)),))


def test_a_function_is_measured_in_every_respect():
    measured = timing.measure({"some": WORK}, timing.Limits(repeats=3))["some"]
    assert set(measured.seconds) == {"compile", "minimum", "median"}
    assert 0 < measured.seconds["minimum"] <= measured.seconds["median"]
    assert measured.result.shape == (8, 8)
    assert measured.skipped is None


def test_what_is_too_large_is_not_run_and_what_is_too_slow_not_repeated():
    large = timing.measure({"some": WORK}, timing.Limits(temporary_mib=-1.0))["some"]
    assert large.result is None
    assert "MiB of temporaries, limit -1" in (large.skipped or "")
    slow = timing.measure({"some": WORK}, timing.Limits(seconds_per_run=0.0))["some"]
    assert slow.result is not None
    assert set(slow.seconds) == {"compile"}
    assert "one run takes" in (slow.skipped or "")


def test_all_turns_are_kept_and_can_be_of_a_part():
    called = []
    turns = timing.take_turns({name: functools.partial(called.append, name) for name in "ab"}, 3)
    assert called == list("ababab")
    assert all(len(times) == 3 for each in turns.values() for times in each)
    split = timing.Turns([1.0, 3.0, 2.0], [4.0, 4.0, 4.0]).split(2)
    assert split.wall == [0.5, 1.5, 1.0]
    assert split.seconds == {"minimum": 0.5, "median": 1.0, "cpu": 2.0}
