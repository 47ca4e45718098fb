"""The peer says what it lacks."""

import importlib
import io
import sys

import pytest

from benchmarks import contenders, peer


def test_what_is_not_installed_is_named_with_the_remedy(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SystemExit, match=r"transformers is not installed; run: pip install 'jax-s4rl\[peers\]'"):
        peer.num_parameters(contenders.configure("attention", "interleaved", 8))


def test_it_makes_an_update_for_each_line_that_asks(monkeypatch, capsys):
    made = []
    monkeypatch.setattr(peer, "make_update", lambda config, batch_size: lambda: made.append(batch_size))
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n\n"))
    peer.serve(8, 4)
    assert made == [4, 4]
    assert capsys.readouterr().out.split() == [peer.DONE] * 2


@pytest.mark.slow
def test_a_process_that_ends_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "transformers.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with peer.apart(8, 4) as call, pytest.raises(SystemExit, match="the process of the peer ended"):
        call()
