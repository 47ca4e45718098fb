"""The lock of a run folder: one holder at a time, dead ones do not count."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from jax_s4rl.training import run_lock

HOLD = """
import sys, time
from pathlib import Path
from jax_s4rl.training import run_lock
held = run_lock.Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(100)
"""


def test_a_folder_in_use_is_refused_and_its_holder_named(tmp_path):
    with run_lock.Lock(tmp_path / "x"):
        holder = rf"process {os.getpid()} on {socket.gethostname()}"
        sentence = rf"x is in use by {holder}, since .*; wait for its end"
        with pytest.raises(ValueError, match=sentence):
            run_lock.Lock(tmp_path / "x")
    run_lock.Lock(tmp_path / "x").close()


def test_the_lock_of_a_killed_process_is_stale(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"in use by process {holder.pid} on"):
            run_lock.Lock(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert json.loads((tmp_path / run_lock.NAME).read_text())["pid"] == holder.pid
    with run_lock.Lock(tmp_path):
        assert json.loads((tmp_path / run_lock.NAME).read_text())["pid"] == os.getpid()


def test_where_no_lock_is_known_the_named_process_decides(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", unknown)
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": "now"}
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for changes, free in [({}, False), ({"host": "elsewhere"}, False), ({"pid": ended.pid}, True)]:
        (tmp_path / run_lock.NAME).write_text(json.dumps(owner | changes))
        if free:
            run_lock.Lock(tmp_path).close()
        else:
            with pytest.raises(ValueError, match=r"or remove .*lock if that process is gone"):
                run_lock.Lock(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"5",
        b"null",
        b"[]",
        b'{"pid": "x", "host": 1, "since": []}',
        b"\xff\x00",
        b"[" * 9_000,
        b"x" * 100_000,
    ],
    ids=["number", "null", "list", "types", "bytes", "deep", "long"],
)
def test_a_lock_file_with_other_content_names_nobody(tmp_path, monkeypatch, content):
    path = tmp_path / run_lock.NAME
    path.write_bytes(content)
    run_lock.Lock(tmp_path).close()
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is in use by another process; wait for its end"):
            run_lock.Lock(tmp_path)

    def unknown(*_):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", unknown)
    run_lock.Lock(tmp_path).close()


@pytest.mark.parametrize("pid", [0, -1, 10**30])
def test_a_number_that_is_no_process_is_not_alive(pid):
    owner = {"pid": pid, "host": socket.gethostname(), "since": "now"}
    assert not run_lock._may_live(owner)
