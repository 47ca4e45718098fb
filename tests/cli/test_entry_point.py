"""What a person can do wrong ends a script with a sentence."""

import dataclasses
import errno
import importlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import exhaustion, loading, run_directory
from jax_s4rl.cli import entry_point, main


@dataclasses.dataclass(frozen=True)
class Options:
    """What is done."""

    number: int = 1
    """Of something."""


def caused(error, cause):
    error.__cause__ = cause
    return error


class JaxRuntimeError(RuntimeError):
    """An error of XLA, by its name."""


ORBAX = "RESOURCE_EXHAUSTED: Error writing\n in OCDBT:\n No space [os_error_code='28']"
DISK = "No space left on device; free space, or name a folder on another disk"
ERRORS = {
    "settings": (ValueError("got 0, wanted 1"), "got 0, wanted 1"),
    "loss": (FloatingPointError("the loss is not finite"), "the loss is not finite"),
    "package": (ModuleNotFoundError("install it"), "install it"),
    "own sentence about an error": (
        ValueError("met nobody ([Errno 111] refused); start all"),
        "met nobody ([Errno 111] refused); start all",
    ),
    "own sentence": (OSError("cut off"), "cut off"),
    **{
        f"system {number}": (OSError(number, os.strerror(number), "/x"), f"/x: {words}; ")
        for number, words in (
            (errno.ENOSPC, DISK.partition(";")[0]),
            (errno.EDQUOT, "Disk quota exceeded"),
            (errno.EROFS, "Read-only file system"),
            (errno.ENOTDIR, "Not a directory"),
            (errno.EISDIR, "Is a directory"),
            (errno.ENAMETOOLONG, "File name too long"),
            (errno.EACCES, "Permission denied"),
            (errno.EPERM, "Operation not permitted"),
            (errno.EMFILE, "Too many open files"),
            (errno.ENFILE, "Too many open files in system"),
            (errno.ESTALE, "Stale file handle"),
            (errno.EIO, "Input/output error"),
            (errno.ENOENT, "No such file or directory"),
            (errno.EFBIG, "File too large"),
            (errno.EXDEV, "Invalid cross-device link"),
        )
    },
    "of a socket": (
        TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
        "Connection timed out; ",
    ),
    "without a word": (OSError(), "the operating system refused"),
    "bytes": (
        OSError(errno.EACCES, "Permission denied", b"/\xff"),
        "/\udcff: Permission denied; change",
    ),
    "memory": (MemoryError(), "memory is exhausted; end other programs"),
    "memory of NumPy": (np._core._exceptions._ArrayMemoryError((9,), np.dtype(float)), "memory is"),
    "memory of XLA": (JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "memory is exhausted"),
    "memory of the system": (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory is"),
    "memory, named": (
        exhaustion.Exhausted("memory is exhausted; choose"),
        "memory is exhausted; ch",
    ),
    "threads": (RuntimeError("can't start new thread"), "can't start new thread; end other"),
    "depth": (RecursionError("maximum recursion depth exceeded"), "a file or an option is nested"),
    "text": (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "a file or a name is not text in"),
    "XLA": (JaxRuntimeError("INTERNAL: broken\nmore"), "a computation failed (INTERNAL: broken"),
    "Orbax": (ValueError(ORBAX), DISK),
    "group": (
        ExceptionGroup("many", [KeyError("x"), OSError(28, "No space left on device")]),
        DISK,
    ),
    "group of groups": (ExceptionGroup("a", [ExceptionGroup("b", [ValueError(ORBAX)])]), DISK),
    "cause": (caused(RuntimeError("failed"), OSError(28, "No space left on device")), DISK),
    "cause of an empty sentence": (caused(ValueError("save failed"), ValueError(ORBAX)), DISK),
    "sentence with a cause": (
        caused(ValueError("got a; give b"), OSError(28, "No")),
        "got a; give b",
    ),
    "causes": (caused(KeyError("a"), caused(TypeError("b"), MemoryError())), "memory is exhausted"),
}


@pytest.mark.parametrize(("error", "told"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_are_one_sentence_with_what_to_do(monkeypatch, error, told):
    def main(options):
        raise error

    monkeypatch.setattr("sys.argv", ["script"])
    with pytest.raises(SystemExit) as stopped:
        entry_point.run(main, Options, "Some script.")
    text = str(stopped.value)
    assert text.startswith(f"error: {told}")
    assert "\n" not in text


def test_what_to_do_next_is_added():
    error = OSError(errno.ENOSPC, "No space left on device", "/x")
    error.add_note("after that, resume")
    assert entry_point.sentence(error) == f"/x: {DISK}; after that, resume"


COMMANDS = {
    name: importlib.import_module(f"jax_s4rl.cli.{name.replace('-', '_')}").main
    for name in ("train", "evaluate", "film", "export", "check")
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()], ids=str)
def test_every_command_ends_here(monkeypatch, tmp_path, command, error):
    def fail(*_, **__):
        raise error

    for module, name in ((loading, "load"), (run_directory, "read"), (agents, "load")):
        monkeypatch.setattr(module, name, fail)
    folder = [str(tmp_path)] if command != "train" else ["--folder", str(tmp_path / "run")]
    with pytest.raises(SystemExit, match=r"^error: (No space left|memory is exhausted).*; "):
        main.main([command, *folder])


PIPED = """
import sys
from jax_s4rl.cli import entry_point
with entry_point.errors_as_sentences():
    for number in range({count}):
        {call}(number)
"""


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize(
    ("call", "count"), [("print", 100_000), ("__import__('rich').get_console().print", 10_000)]
)
def test_output_that_nobody_reads_ends_quietly(call, count, unbuffered):
    code = PIPED.format(call=call, count=count)
    command = [sys.executable, *(["-u"] if unbuffered else []), "-c", code]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipe) as process:
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        assert process.wait(60) == entry_point.NO_READER
        assert process.stderr.read() == ""


def test_output_that_cannot_be_written_is_one_sentence():
    with open("/dev/full", "w") as full:
        code = "from jax_s4rl.cli import main; main.main(['--version'])"
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == f"error: {DISK}\n"


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Numbers of a script."""

    repeats: int = 5
    """Repeats."""
    seed: int = 0
    """Seed."""
    limit: float = 2.0
    """Limit."""
    sizes: tuple[int, ...] = (1, 64)
    """Sizes."""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--repeats=0", "repeats is 0; give 1 or more"),
        ("--repeats=-3", "repeats is -3; give 1 or more"),
        ("--seed=-1", "seed is -1; give 0 or more"),
        ("--limit=nan", "limit is nan; give a finite number of at least 0"),
        ("--limit=inf", "limit is inf; give a finite number of at least 0"),
        ("--limit=-1", "limit is -1.0; give a finite number of at least 0"),
        ("--sizes 4 0", "sizes is 0; give 1 or more"),
    ],
)
def test_numbers_of_scripts_are_checked_before_work(words, sentence):
    with pytest.raises(SystemExit, match=f"error: {sentence}"):
        entry_point.run(pytest.fail, Numbers, None, words.split())
    entry_point.run(lambda options: None, Numbers, None, [])


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


def test_the_note_of_jax_about_its_traceback_is_left_out():
    error = ValueError("the sentence")
    error.add_note("--------------------\nFor simplicity, JAX has removed its internal frames")
    error.add_note("go on")
    assert entry_point.sentence(error) == "the sentence; go on"
