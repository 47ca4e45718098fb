"""What a person can do wrong ends a script with a sentence."""

import dataclasses
import signal
import sys

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


@pytest.mark.parametrize(("number", "name"), [(2, "Ctrl-C"), (15, "SIGTERM")])
def test_a_signal_is_one_sentence_with_what_to_do(capsys, number, name):
    before = signal.getsignal(number)

    def work():
        with entry_point.if_stopped("start again"), entry_point.if_stopped("nothing was lost"):
            signal.raise_signal(number)

    try:
        with pytest.raises(SystemExit) as left, entry_point.errors_as_sentences():
            work()
    finally:
        signal.signal(number, before)
    assert left.value.code == 128 + number
    assert capsys.readouterr().err == f"stopped by {name}; nothing was lost\n"


def test_modules_of_the_current_folder_can_be_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    entry_point.import_from_current_folder()
    entry_point.import_from_current_folder()
    # Once, and at the end: no file there hides an installed package.
    assert sys.path.count(str(tmp_path)) == 1
    assert sys.path[-1] == str(tmp_path)


def test_json_is_one_line(capsys):
    entry_point.print_json({"a": [1.5, None]})
    assert capsys.readouterr().out == '{"a": [1.5, null]}\n'
