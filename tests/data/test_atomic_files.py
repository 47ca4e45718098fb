import os

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
