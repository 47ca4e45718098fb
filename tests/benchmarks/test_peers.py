"""Groups are measured once; what cannot be measured is refused before anything starts."""

import os
from importlib import metadata

import pytest

from benchmarks import peer_worker, peers, timing
from jax_s4rl.evaluation import result_rows

GROUP = peers.Group("training", 20, 64, 128, 5)


@pytest.fixture
def _installed(monkeypatch):
    monkeypatch.setattr(peer_worker, "versions", lambda: {"torch": "1", "transformers": "2"})


def rows(group, repeats):
    turns = timing.Turns([0.1] * repeats, [0.2] * repeats)
    return [peers.make_row(one, {"parameters": 3, "compile": 1.0}, turns) for one in group.cases(1)]


def test_a_missing_library_is_named_before_anything_is_timed(monkeypatch, tmp_path):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr(peers, "measure", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(SystemExit, match=r"torch is not installed; run: pip install"):
        peers.main(peers.Config(out=tmp_path / "peers.jsonl"))


@pytest.mark.usefixtures("_installed")
def test_an_unknown_context_is_refused():
    with pytest.raises(SystemExit, match="got contexts of 33 steps; choose from 20, 57, 100"):
        peers.check(peers.Config(contexts=(20, 33)))


@pytest.mark.usefixtures("_installed")
def test_more_cores_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    with pytest.raises(SystemExit, match="got 2 cores, but this process may use 1"):
        peers.check(peers.Config(cores=(1, 2)))


def test_both_sides_have_the_same_batches_and_widths():
    for group in (*peers.TRAININGS, *peers.ACTINGS):
        cases = group.cases(2)
        assert len({(one.batch_size, one.width, one.context_length) for one in cases}) == 1
        assert len({one.name for one in cases}) == len(cases)
        assert {one.cores for one in cases} == {2}
        assert {one.is_ours for one in cases} == {True, False}


def test_only_our_updates_are_dispatched_together():
    calls = {one.is_ours: one.calls for one in GROUP.cases(1)}
    assert calls == {True: 5, False: 1}
    assert {one.calls for one in peers.ACTINGS[0].cases(1)} == {peers.ACTIONS_PER_CALL}


def test_options_choose_groups():
    some = peers.chosen(peers.Config(contexts=(20, 57)))
    assert [(one.work, one.context_length) for one in some] == [
        ("training", 20),
        ("training", 57),
        ("acting", 20),
    ]
    assert peers.chosen(peers.Config(contexts=(57,), training=False)) == []
    assert len(peers.chosen(peers.Config(acting=False))) == len(peers.TRAININGS)


@pytest.mark.usefixtures("_installed")
def test_a_row_has_all_turns():
    row = rows(GROUP, 3)[0]
    assert (row["experiment"], row["method"]) == ("benchmarks/peers", "transformers/sdpa")
    assert row["metrics"]["turns"] == [0.1] * 3
    assert row["metrics"]["cpu_turns"] == [0.2] * 3
    assert row["metrics"]["dropout"] == peer_worker.DROPOUT
    assert row["metrics"]["peers"] == {"torch": "1", "transformers": "2"}
    assert row["seconds"] == {"compile": 1.0, "minimum": 0.1, "median": 0.1, "cpu": 0.2}


@pytest.mark.usefixtures("_installed")
def test_a_group_with_rows_of_this_commit_is_done():
    keys = set(map(peers.key_of_case, GROUP.cases(1)))
    measured = rows(GROUP, 3)
    assert peers.finished(measured, 3) == keys
    assert peers.finished(measured, 4) == set()
    assert peers.finished([row | {"commit": "another"} for row in measured], 3) == set()
    assert not peers.finished(measured, 3) & set(map(peers.key_of_case, GROUP.cases(2)))


@pytest.mark.usefixtures("_installed")
def test_a_run_goes_on_where_it_stopped(monkeypatch, tmp_path):
    asked, out = [], tmp_path / "peers.jsonl"

    def measure(group, cores, repeats):
        asked.append((group.work, cores))
        return rows(group, repeats)

    monkeypatch.setattr(peers, "measure", measure)
    peers.main(peers.Config(quick=True, acting=False, out=out))
    peers.main(peers.Config(quick=True, out=out))
    assert asked == [("training", 1), ("acting", 1)]
    assert len(list(result_rows.read_rows(out))) == len(peers.TRAINED) + len(peers.ACTING)


@pytest.mark.slow
def test_a_small_run_writes_a_line_for_each_model(monkeypatch, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    out = tmp_path / "peers.jsonl"
    monkeypatch.setattr(peers, "TRAINED", (("minimal", "interleaved"), ("s4d", "concatenated")))
    monkeypatch.setattr(peers, "ACTING", (("minimal/cache", "interleaved"),))
    peers.main(peers.Config(quick=True, out=out))
    found = list(result_rows.read_rows(out))
    assert [row["method"] for row in found] == ["minimal", "s4d", "minimal/cache"]
    for row in found:
        assert 0 < row["seconds"]["minimum"] <= row["seconds"]["median"]
        assert len(row["metrics"]["cpu_turns"]) == 3
