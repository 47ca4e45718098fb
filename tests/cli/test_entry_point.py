"""What a person can do wrong ends a script with a sentence."""

import dataclasses

import pytest

from jax_s4rl.cli import entry_point


@dataclasses.dataclass(frozen=True)
class Options:
    """What is done."""

    number: int = 1
    """Of something."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("got 0, wanted 1"), "error: got 0, wanted 1"),
        (
            FloatingPointError("the loss of seed 0 is not finite"),
            "error: the loss of seed 0 is not finite",
        ),
        (
            IsADirectoryError(21, "Is a directory", "/some"),
            "error: /some: Is a directory; name another",
        ),
        (OSError("cut off"), "error: cut off"),
    ],
)
def test_errors_are_sentences(monkeypatch, error, told):
    def main(options):
        raise error

    monkeypatch.setattr("sys.argv", ["script"])
    with pytest.raises(SystemExit) as stopped:
        entry_point.run(main, Options, "Some script.")
    assert str(stopped.value).startswith(told)
    assert ("name another" in str(stopped.value)) == (getattr(error, "errno", None) is not None)


def test_what_is_said_arrives(monkeypatch):
    arrived = []
    monkeypatch.setattr("sys.argv", ["script", "--number", "3"])
    entry_point.run(arrived.append, Options, None)
    assert arrived == [Options(3)]


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    def main(options):
        raise KeyError("name")

    monkeypatch.setattr("sys.argv", ["script"])
    with pytest.raises(KeyError):
        entry_point.run(main, Options, None)


def test_a_file_that_cannot_be_written_is_found_out_before_work(tmp_path):
    entry_point.check_writable(tmp_path / "new" / "lines.jsonl")
    (tmp_path / "old.jsonl").write_text("kept")
    entry_point.check_writable(tmp_path / "old.jsonl")
    assert (tmp_path / "old.jsonl").read_text() == "kept"
    with pytest.raises(IsADirectoryError):
        entry_point.check_writable(tmp_path)
