"""Whatever line a signal meets, no file and no thread stays behind, and the second one counts."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from jax_s4rl.agents import _second_signal, interruption

FILES = {module.__file__ for module in (_second_signal, interruption)}


class Tracer:
    """Sends a signal to this process at one of the lines of the watching itself."""

    def __init__(self, at):
        self.at, self.seen = at, 0

    def __call__(self, frame, event, _):
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            self.seen += 1
            if self.seen == self.at:
                os.kill(os.getpid(), signal.SIGTERM)
        return self


def open_files():
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def stopped_at(line):
    """Watches inside a watch, with a signal at a line; returns the number of lines that ran."""
    tracer = Tracer(line)
    try:
        with interruption.raised():
            sys.settrace(tracer)
            with interruption.watched():
                pass
            sys.settrace(None)
    except interruption.Interrupted:
        pass
    finally:
        sys.settrace(None)
    return tracer.seen


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_a_signal_at_any_line_leaves_no_file_and_no_thread():
    lines = stopped_at(0)
    assert lines > 20
    before = open_files()
    for line in range(1, lines + 1):
        stopped_at(line)
        assert open_files() == before, line
    # And watching still works.
    with interruption.watched() as arrived:
        os.kill(os.getpid(), signal.SIGTERM)
        assert arrived() == signal.SIGTERM


def test_signals_of_an_earlier_watch_do_not_count():
    for _ in range(50):
        with interruption.watched() as arrived:
            os.kill(os.getpid(), signal.SIGTERM)
            assert arrived()


def test_the_second_signal_counts_in_a_watch_inside_another_and_in_a_forked_child():
    code = (
        "import os, signal, time\n"
        "from jax_s4rl.agents import interruption\n"
        "with interruption.watched():\n"
        "    with interruption.watched():\n"
        "        pass\n"
        "    child = os.fork()\n"
        "    with interruption.watched():\n"
        "        if not child:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "            time.sleep(5)\n"
        "            os._exit(0)\n"
        "    print(os.waitstatus_to_exitcode(os.wait()[1]))\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-u", "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "143\n", done.stderr
    assert done.returncode == 143
