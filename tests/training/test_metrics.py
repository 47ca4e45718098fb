"""Metrics of a run: every update once, whatever happened to the process."""

import errno
import shutil
import struct

import pytest
from tensorboardX.proto import event_pb2

from jax_s4rl.training import _events
from jax_s4rl.training import metrics as training_metrics


def write(folder, steps, start=0, said=None):
    with training_metrics.Metrics(
        folder, start, report=(said if said is not None else []).append
    ) as metrics:
        for step in steps:
            metrics.write(step, {"loss": 1.0 / step, "gradient_norm": 2.0}, seconds=0.5)
        return metrics.seconds


def steps(folder):
    return [row["step"] for row in training_metrics.read(folder)]


def events(folder):
    """Scalars as TensorBoard shows them: a start mark removes earlier ones from its step on."""
    found = []
    for path in sorted((folder / _events.FOLDER).iterdir()):
        content = path.read_bytes()
        while content:
            (size,) = struct.unpack("<Q", content[:8])
            event, content = (
                event_pb2.Event.FromString(content[12 : 12 + size]),
                content[16 + size :],
            )
            if event.session_log.status:
                found = [(step, tag, value) for step, tag, value in found if step < event.step]
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return found


def test_each_dispatch_is_a_line_and_three_events(tmp_path):
    assert write(tmp_path, [10, 20]) == 1.0
    rows = list(training_metrics.read(tmp_path))
    assert rows[1] == {"step": 20, "loss": 0.05, "gradient_norm": 2.0, "seconds": 0.5}
    assert events(tmp_path) == [
        (10, "loss", pytest.approx(0.1)),
        (10, "gradient_norm", 2.0),
        (10, "updates_per_second", 20.0),
        (20, "loss", pytest.approx(0.05)),
        (20, "gradient_norm", 2.0),
        (20, "updates_per_second", 20.0),
    ]


def test_tensorboard_also_shows_rates_settings_and_returns(tmp_path):
    with training_metrics.Metrics(tmp_path, 0) as metrics:
        metrics.describe("settings", "width 8")
        metrics.write(10, {"loss": 1.0}, seconds=0.1, shown={"learning_rate": 0.5})
    training_metrics.add_events(tmp_path, 10, {"return/greedy": 7.0})
    shown = {tag: value for _, tag, value in events(tmp_path)}
    assert shown["learning_rate"] == 0.5
    assert shown["return/greedy"] == 7.0
    assert "settings/text_summary" in shown
    # The lines are as they were.
    assert next(training_metrics.read(tmp_path)) == {"step": 10, "loss": 1.0, "seconds": 0.1}


def test_resuming_takes_back_what_comes_again(tmp_path):
    write(tmp_path, [10, 20, 30, 40])
    said = []
    assert write(tmp_path, [30, 40, 50], start=20, said=said) == 2.5
    assert steps(tmp_path) == [10, 20, 30, 40, 50]
    assert [step for step, tag, _ in events(tmp_path) if tag == "loss"] == [10, 20, 30, 40, 50]
    assert not said
    write(tmp_path, [10], start=0)
    assert steps(tmp_path) == [10]


def test_the_half_line_of_a_killed_run_is_taken_back(tmp_path):
    write(tmp_path, [10, 20])
    path = tmp_path / training_metrics.LINES
    path.write_text(path.read_text() + '{"step": 30, "lo')
    write(tmp_path, [30], start=20)
    assert steps(tmp_path) == [10, 20, 30]


def test_lines_that_are_missing_are_reported(tmp_path):
    write(tmp_path, [10])
    said = []
    write(tmp_path, [40], start=30, said=said)
    assert said == [
        f"{tmp_path / training_metrics.LINES} ends at update 10, but the run resumes after update "
        "30; the lines in between are lost"
    ]


def test_seeds_are_shown_apart(tmp_path):
    with training_metrics.Metrics(tmp_path, 0) as metrics:
        metrics.write(10, {"loss": [1.0, 2.0]}, seconds=0.1)
        metrics.write(20, {"loss": [3.0]}, seconds=0.1)
    assert next(training_metrics.read(tmp_path))["loss"] == [1.0, 2.0]
    losses = [event for event in events(tmp_path) if event[1].startswith("loss")]
    assert losses == [(10, "loss/0", 1.0), (10, "loss/1", 2.0), (20, "loss", 3.0)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"5", "not an object"),
        (b"null", "not an object"),
        (b"{}", "its step is None"),
        (b'{"step": true, "seconds": 1}', "its step is True"),
        (b'{"step": 15, "seconds": "x"}', "its seconds are 'x'"),
        (b'{"step": 15, "loss": NaN, "seconds": 1}', "it holds NaN"),
        (b'{"step": 15, "seconds": 1e999}', "its seconds are inf"),
        (b'{"step": 15, "lo', "Unterminated string"),
        (b'{"\xff": 15}', "codec can't decode byte 0xff"),
        (b"[" * 100_000, "maximum recursion depth"),
    ],
)
def test_a_damaged_line_is_named_and_left_out(tmp_path, line, reason):
    write(tmp_path, [10, 20])
    path = tmp_path / training_metrics.LINES
    first, second = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, line, b"", second, b""]))
    said = []
    assert [row["step"] for row in training_metrics.read(tmp_path, said.append)] == [10, 20]
    assert len(said) == 1
    assert said[0].startswith(f"{path}, line 2 is not a line of metrics (")
    assert reason in said[0]
    said.clear()
    write(tmp_path, [30], start=20, said=said)
    assert len(said) == 1
    assert steps(tmp_path) == [10, 20, 30]


def test_a_file_that_is_removed_while_training_is_written_again(tmp_path):
    said, path = [], tmp_path / "run" / training_metrics.LINES
    with training_metrics.Metrics(tmp_path / "run", 0, report=said.append) as metrics:
        metrics.write(10, {"loss": 1.0}, seconds=0.5)
        path.unlink()
        metrics.write(20, {"loss": 1.0}, seconds=0.5)
        metrics.secure()
        assert said == [f"{path} was removed while the run was going on; written again"]
        metrics.write(30, {"loss": 1.0}, seconds=0.5)
        assert steps(tmp_path / "run") == [10, 20, 30]
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(FileNotFoundError, match="run was removed while its run was going on"):
            metrics.secure()


class Full:
    """A file on a disk that takes a few bytes of each line."""

    def __init__(self, file):
        self.file, self.seek, self.truncate = file, file.seek, file.truncate
        self.fileno, self.close, self.read = file.fileno, file.close, file.read

    def write(self, content):
        if len(content) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(content[:10])


def test_a_line_is_written_whole_or_not_at_all(tmp_path):
    with training_metrics.Metrics(tmp_path, 0) as metrics:
        metrics.write(10, {"loss": list(range(2_000))}, seconds=0.5)
        metrics._file = Full(metrics._file)
        with pytest.raises(OSError, match="No space left"):
            metrics.write(20, {"loss": 1.0}, seconds=0.5)
    assert steps(tmp_path) == [10]
    assert (tmp_path / training_metrics.LINES).read_bytes().endswith(b"\n")


def test_a_new_run_in_the_folder_of_a_failed_one_shows_its_own_events(tmp_path):
    write(tmp_path, [10, 20])
    write(tmp_path, [10], start=0)
    assert [step for step, tag, _ in events(tmp_path) if tag == "loss"] == [10]
