"""The grid goes on where it stopped, and a model that ended is not tried again."""

import contextlib

import pytest

from benchmarks import lengths, workers
from jax_s4rl.evaluation import result_rows

ONE = "concatenated"
FACTS = {
    "parameters": 5,
    "compile": 1.0,
    "temporary_mib": 2.0,
    "prepared_mib": 3.0,
    "first": 0.5,
    "peak_mib": 4.0,
}


class Fake:
    """A worker without a process."""

    def __init__(self, facts):
        self.facts, self.settles = facts, []

    def time(self, settle):
        self.settles.append(settle)
        return {"wall": 0.5, "cpu": 0.25}


@pytest.fixture
def started(monkeypatch):
    """Names and lengths of the processes that would be started; attention ends at 57 steps."""
    names = []

    @contextlib.contextmanager
    def apart(module, method, layout, length, updates):
        del updates
        names.append((module, method, layout, int(length)))
        ended = method == "attention" and int(length) == 57
        yield Fake({"compile": 1.0, "skipped": "too slow"} if ended else FACTS)

    monkeypatch.setattr(workers, "apart", apart)
    monkeypatch.setattr(lengths.self_test, "require", lambda: None)
    monkeypatch.setattr(result_rows, "commit", lambda: "abc")
    return names


def options(tmp_path, **changes):
    given = {
        "mixers": ("s4d", "attention"),
        "lengths": (20, 57, 100),
        "tokens": (ONE,),
        "histories": (),
        "repeats": 2,
        "out": tmp_path / "lengths.jsonl",
    }
    return lengths.Config(**(given | changes))


def test_a_model_that_ended_has_a_reason_and_no_longer_length(tmp_path, started):
    config = options(tmp_path)
    lengths.main(config)
    rows = list(result_rows.read_rows(config.out))
    assert [(row["method"], row["context_length"]) for row in rows] == [
        ("s4d", 20),
        ("attention", 20),
        ("s4d", 57),
        ("attention", 57),
        ("s4d", 100),
    ]
    assert [row["metrics"]["skipped"] for row in rows] == [None, None, None, "too slow", None]
    assert rows[0]["seconds"] == {"compile": 1.0, "minimum": 0.1, "median": 0.1, "cpu": 0.05}
    assert rows[0]["metrics"]["turns"] == [0.1, 0.1]
    assert rows[0]["metrics"]["run"] == rows[1]["metrics"]["run"]
    assert len(started) == 5


def test_what_is_measured_is_not_measured_again(tmp_path, started):
    config = options(tmp_path, lengths=(20,))
    lengths.main(config)
    lengths.main(options(tmp_path))
    assert [length for *_, length in started] == [20, 20, 57, 57, 100]
    lengths.main(options(tmp_path))
    assert len(started) == 5


def test_another_commit_is_measured_anew(tmp_path, started, monkeypatch):
    lengths.main(options(tmp_path, lengths=(20,)))
    monkeypatch.setattr(result_rows, "commit", lambda: "def")
    lengths.main(options(tmp_path, lengths=(20,)))
    assert len(started) == 4


def test_a_process_that_dies_leaves_a_reason(tmp_path, monkeypatch, started):
    @contextlib.contextmanager
    def apart(*_):
        raise SystemExit("ended")
        yield

    monkeypatch.setattr(workers, "apart", apart)
    config = options(tmp_path, lengths=(20,))
    lengths.main(config)
    rows = list(result_rows.read_rows(config.out))
    assert {row["metrics"]["skipped"] for row in rows} == {
        "its process ended, perhaps for lack of memory"
    }


def test_a_window_that_hides_nothing_is_left_out(tmp_path):
    config = options(tmp_path, mixers=lengths.METHODS)
    assert ("attention/window", ONE) not in lengths.wanted(config, "mixers", 256)
    assert ("attention/window", ONE) in lengths.wanted(config, "mixers", 1024)


def test_s4d_alone_is_not_timed_twice(tmp_path):
    config = options(tmp_path, mixers=("s4d",))
    assert lengths.wanted(config, "attention", 20) == (("s4d", ONE),)
    assert lengths.wanted(config, "mixers", 20) == ()


def test_slow_models_have_three_turns_and_long_dispatches_no_other_before_them():
    slow, fast = Fake(FACTS | {"first": 11.0}), Fake(FACTS | {"first": 0.01})
    turns = lengths.take_turns(
        {("a", ONE): slow, ("b", ONE): fast}, 5, {("a", ONE): 1, ("b", ONE): 5}
    )
    assert slow.settles == [0.0] * 3
    assert fast.settles == [lengths.SETTLE] * 5
    assert turns["b", ONE].wall == [0.1] * 5


def test_an_unknown_model_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"got mixers gru; choose from s4d, s4d/matched"):
        lengths.main(options(tmp_path, mixers=("gru",)))


@pytest.fixture
def acted(monkeypatch):
    """Histories of the policies that would be compiled."""
    histories = []

    def prepare(config, history, batch_size):
        histories.append((config.model.mixer.name, history, batch_size))
        return lambda: None, {"parameters": 5, "compile": 1.0, "state_kib": 6.0}

    monkeypatch.setattr(lengths.acting, "prepare", prepare)
    return histories


def test_attention_acts_as_long_as_its_state_fits(acted):
    models = (("s4d", ONE), ("attention", ONE))
    rows = list(lengths.act(models, [16, 1_000_000]))
    reasons = [row["metrics"]["skipped"] for row in rows]
    assert reasons == [None, None, None, "has a state of 2,930 MiB, limit 2,048"]
    assert acted == [("s4d", 16, 1), ("s4d", 1_000_000, 1), ("attention", 16, 1)]
    assert len(rows[0]["metrics"]["turns"]) == lengths.ACTIONS


def test_a_slow_action_ends_a_model(acted, monkeypatch):
    monkeypatch.setattr(lengths, "ACTION_SECONDS", -1.0)
    (row,) = lengths.act((("s4d", ONE),), [16, 256])
    assert row["context_length"] == 16
    assert "limit -1" in row["metrics"]["skipped"]


def test_acting_is_measured_once(tmp_path, acted, started):
    config = options(tmp_path, lengths=(), histories=(16, 1_000_000))
    lengths.main(config)
    lengths.main(config)
    assert len(acted) == 3
    assert [row["metrics"]["kind"] for row in result_rows.read_rows(config.out)] == ["acting"] * 4


@pytest.mark.slow
def test_a_short_run_writes_a_row_for_each_model(tmp_path):
    config = options(tmp_path, mixers=("s4d",), lengths=(20,), histories=(16,))
    lengths.main(config)
    rows = list(result_rows.read_rows(config.out))
    assert [(row["metrics"]["kind"], row["method"]) for row in rows] == [
        ("training", "s4d"),
        ("acting", "s4d"),
    ]
    for row in rows:
        assert 0 < row["seconds"]["minimum"] <= row["seconds"]["median"]
