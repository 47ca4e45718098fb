"""Damaged files: the same content or a sentence; the nightly run tries thousands more."""

import pytest

from jax_s4rl.data import storage
from tests.faults import damage, files, outcomes, watch

COUNT = 8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", damage.NAMES)
def test_damage_is_survived_or_said(name, tmp_path):
    # Changes of bytes come first, those of values later.
    for first in (0, 100):
        for tried in damage.attempts(name, 1, first, COUNT, tmp_path):
            assert tried.outcome not in outcomes.BAD, tried


def _save(folder):
    files.TARGETS["data set, arrays"].make(folder)
    (folder / "other").write_text("also here")


def _lose(folder):
    (folder / "other").unlink()
    raise ValueError("this file cannot be read; fetch it again")


FAULTY = {
    outcomes.SILENT: lambda folder: (folder / "one.npz").read_bytes(),
    outcomes.LOST: _lose,
    outcomes.TRACEBACK: lambda folder: {}["no such name"],
    outcomes.OUTSIDE: lambda folder: (folder.parent.parent / "outside").write_text("x"),
}


@pytest.mark.parametrize(("outcome", "accept"), FAULTY.items(), ids=FAULTY)
def test_the_suite_notices_what_it_is_to_notice(outcome, accept, tmp_path, monkeypatch):
    def load(folder, report):
        # Whole files are read as they should be.
        try:
            return storage.load_trajectories(folder / "one.npz")
        except ValueError:
            return accept(folder)

    faulty = files.Target("npz", _save, "one.npz", load)
    monkeypatch.setitem(files.TARGETS, "faulty", faulty)
    found = [one.outcome for one in damage.attempts("faulty", 0, 0, 3, tmp_path / "files")]
    assert found == [outcome] * 3


def test_code_and_writes_outside_are_seen(tmp_path):
    with watch.watched(tmp_path) as found:
        (tmp_path / "inside").write_text("x")
        (tmp_path / "inside").rename(tmp_path / "again")
    assert found == []
    other = tmp_path.parent / "other"
    with watch.watched(tmp_path) as found:
        other.mkdir(exist_ok=True)
        (tmp_path / "again").rename(other / "moved")
    assert [one.split()[0] for one in found] == ["os.mkdir", "os.rename"]
    (other / "moved").unlink()
    with watch.watched(tmp_path) as found, pytest.raises(ModuleNotFoundError):
        __import__("canary_of_faults")
    assert found == ["imported canary_of_faults"]
