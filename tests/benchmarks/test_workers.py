"""Workers answer when they are asked, in turns, and are missed when they end."""

import io
import json
import subprocess
import sys

import pytest

from benchmarks import workers

ANSWERING = """
import sys
from benchmarks import workers
workers.serve(lambda: sum(range(1000)), {"parameters": 3})
"""


def start(code):
    pipes = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.DEVNULL,
        "text": True,
    }
    return subprocess.Popen([sys.executable, "-c", code], **pipes)


def test_an_answer_for_each_question(monkeypatch, capsys):
    made = []
    monkeypatch.setattr(sys, "stdin", io.StringIO("0\n0.01\n"))
    workers.serve(lambda: made.append(1), {"parameters": 3})
    facts, *answers = map(json.loads, capsys.readouterr().out.splitlines())
    assert facts == {"parameters": 3}
    assert len(answers) == 2
    assert all(answer["wall"] >= 0 and answer["cpu"] >= 0 for answer in answers)
    # Once to be ready, twice timed, and some times to settle.
    assert len(made) > 3


@pytest.mark.slow
def test_processes_take_turns():
    with start(ANSWERING) as process:
        worker = workers.Worker(process, "adder")
        assert worker.facts == {"parameters": 3}
        (found,) = workers.take_turns({"adder": worker}, 3, 0.0).values()
        process.stdin.close()
    assert len(found.wall) == len(found.cpu) == 3
    assert 0 < found.seconds["minimum"] <= found.seconds["median"]


def test_a_process_that_ends_is_missed():
    with start("") as process, pytest.raises(SystemExit, match="the process of nobody ended"):
        workers.Worker(process, "nobody")


@pytest.mark.slow
def test_a_module_that_fails_is_missed():
    with (
        pytest.raises(SystemExit, match="the process of nothing ended"),
        workers.apart("nothing", "at", "all"),
    ):
        pytest.fail("there is no such module")
