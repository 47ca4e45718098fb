import os
import subprocess
import sys

import pytest

from jax_s4rl.data import atomic_files


def test_a_new_file_replaces_the_old_one_and_folders_are_made(tmp_path):
    path = tmp_path / "deep" / "one"
    for content in (b"first", b"second"):
        atomic_files.write_whole(path, lambda file, content=content: file.write(content))
        assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["one"]


@pytest.mark.parametrize("broken", ["write", "fsync"])
def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch, broken):
    path = tmp_path / "one"
    path.write_bytes(b"old")

    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    if broken == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        atomic_files.write_whole(
            path, refuse if broken == "write" else lambda file: file.write(b"new")
        )
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["one"]


def test_what_a_killed_writer_left_is_removed_and_what_another_writes_is_not(tmp_path):
    path = tmp_path / "one"
    code = (
        "import os, pathlib, sys; from jax_s4rl.data import atomic_files; "
        "path = pathlib.Path(sys.argv[1]); "
        "write = lambda file: (file.write(b'half'), file.flush(), os.kill(os.getpid(), 9)); "
        "atomic_files.write_whole(path, write)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"half"
    (tmp_path / ".one.backup").touch()
    with atomic_files.written_beside(path, lambda file: file.write(b"slow")) as other:
        assert not left.exists()
        atomic_files.write_whole(path, lambda file: file.write(b"new"))
        assert other.read_bytes() == b"slow"
    assert {file.name for file in tmp_path.iterdir()} == {"one", ".one.backup"}


class Stopped(BaseException):
    """What a handler of a signal raises."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_right_after_the_opening_leaves_no_file_open(tmp_path):
    def stop(frame, event, function):
        if event == "c_return" and function.__name__ == "open":
            sys.setprofile(None)
            raise Stopped

    before, profile = os.listdir("/proc/self/fd"), sys.getprofile()
    for _ in range(5):
        sys.setprofile(stop)
        try:
            with pytest.raises(Stopped):
                atomic_files.write_whole(tmp_path / "a", lambda file: file.write(b"new"))
        finally:
            sys.setprofile(profile)
    assert len(os.listdir("/proc/self/fd")) == len(before)
    atomic_files.write_whole(tmp_path / "a", lambda file: file.write(b"new"))
    # The next writer removes what is left.
    assert os.listdir(tmp_path) == ["a"]
