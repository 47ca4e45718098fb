"""Signals: the first is remembered or raised, the second ends the process, handlers come back."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from jax_s4rl.agents import interruption


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_a_signal_is_remembered_and_the_old_handler_comes_back(number):
    heard = []
    before = signal.signal(number, lambda *_: heard.append(True))
    try:
        with interruption.watched() as arrived:
            assert arrived() is None
            os.kill(os.getpid(), number)
            assert arrived() == number
        assert not heard
        os.kill(os.getpid(), number)
        assert heard
    finally:
        signal.signal(number, before)


def test_a_signal_is_raised_where_work_is_done():
    with (
        pytest.raises(interruption.Interrupted, match="stopped by Ctrl-C") as stopped,
        interruption.raised(),
    ):
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.number == signal.SIGINT


def test_a_signal_in_a_finalizer_is_not_lost():
    class Last:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            # The handler runs before the next loop begins, and Python drops what it raises here.
            for _ in range(1000):
                pass

    hook = sys.unraisablehook

    def work():
        Last()
        time.sleep(5)

    with pytest.raises(interruption.Interrupted), interruption.raised():
        work()
    assert sys.unraisablehook is hook


def test_a_background_job_that_ignores_the_key_goes_on_ignoring_it():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruption.watched() as arrived:
            os.kill(os.getpid(), signal.SIGINT)
            assert arrived() is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_get_no_signals_and_watch_none():
    seen = []

    def work():
        with interruption.watched() as arrived:
            seen.append(arrived())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_the_second_signal_ends_even_a_process_whose_main_thread_runs_no_python(number):
    # The lock is taken twice in C, so that no handler of Python runs: as in a long compilation.
    code = (
        "import ctypes, os, sys, time, threading\n"
        "from jax_s4rl.agents import interruption\n"
        "with interruption.watched():\n"
        "    print('ready', flush=True)\n"
        "    sleep = ctypes.CDLL(None).usleep\n"
        "    while True: sleep(20_000_000)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(number)
    _, said = process.communicate(timeout=5)
    assert process.returncode == 128 + number
    assert not said
