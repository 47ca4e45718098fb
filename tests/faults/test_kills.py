"""Kills and signals: the next run is as if there had been none. Training is killed elsewhere."""

import signal

import pytest

from tests.faults import children, kills, outcomes

QUICK = ("collection", "saving", "report", "policy")


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_after_a_kill_the_next_run_makes_the_same(name, tmp_path):
    for tried in kills.attempts(name, 1, 0, 4, tmp_path):
        assert tried.outcome == outcomes.RECOVERED, tried


@pytest.mark.parametrize(
    ("status", "output", "sent", "wanted"),
    [
        (-9, "", signal.SIGKILL, outcomes.SENTENCE),
        (143, "stopped by SIGTERM", signal.SIGTERM, outcomes.SENTENCE),
        (0, "stopped with a checkpoint", signal.SIGINT, outcomes.SENTENCE),
        (-15, "", signal.SIGTERM, outcomes.SENTENCE),
        (-15, "begun", signal.SIGTERM, outcomes.TRACEBACK),
        (1, "", signal.SIGINT, outcomes.TRACEBACK),
        (130, "begun", signal.SIGINT, outcomes.TRACEBACK),
        (130, "Traceback (most recent call last):", signal.SIGINT, outcomes.TRACEBACK),
    ],
)
def test_an_end_is_judged_by_status_and_output(status, output, sent, wanted):
    ended = children.Ended(status, output, "", 1.0)
    assert kills.judge_end(ended, sent).outcome == wanted
    assert kills.judge_end(ended._replace(outside="x"), sent).outcome == outcomes.OUTSIDE
