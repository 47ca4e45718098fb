"""Signals: the first is remembered, the handler of before comes back."""

import os
import signal

from jax_s4rl.agents import _interruption


def test_a_signal_is_remembered_and_the_old_handler_comes_back():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(True))
    try:
        with _interruption.watched() as asked:
            assert not asked()
            os.kill(os.getpid(), signal.SIGTERM)
            assert asked()
            # A second one ends the process: whoever sends it does not want to wait.
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert not heard
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard
    finally:
        signal.signal(signal.SIGTERM, before)
