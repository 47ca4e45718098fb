"""Files of events; `test_metrics` reads what a run writes."""

import gc
import threading
import weakref

from jax_s4rl.training import _events


def test_nothing_of_a_closed_file_stays(tmp_path):
    before = set(threading.enumerate())
    with _events.Events(tmp_path, ".0") as events:
        events.add_scalar("loss", 1.0, 3)
        writer = weakref.ref(events._writer)
        assert set(threading.enumerate()) <= before
    del events
    gc.collect()
    assert writer() is None


def test_nothing_is_written_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(_events, "event_file_writer", None)
    with _events.Events(tmp_path, ".0", purge_step=4) as events:
        events.add_scalar("loss", 1.0, 3)
        events.add_text("settings", "width 8", 3)
        events.flush()
    assert not list(tmp_path.iterdir())
