"""Workers on one or two devices: their cores, their devices, and updates that go on."""

import os

import pytest

from benchmarks import scaling_worker, workers

ONE, PAIR = scaling_worker.ONE_CORE, "two processes, one core each"
NUM_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def test_a_job_survives_the_command_line():
    job = scaling_worker.Job(PAIR, 2, 4, 8, 1, 3)
    assert scaling_worker.Job.parse(job.words) == job


def test_all_spreads_but_the_first_have_two_cores():
    assert [spread.all_cores for spread in scaling_worker.SPREADS.values()] == [1, 2, 2, 2]


@pytest.fixture
def pinned(monkeypatch):
    """Four cores; returns those that a process took."""
    taken = []
    monkeypatch.setenv("XLA_FLAGS", "--xla_mine=1")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 6, 7}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, own: taken.append(own), raising=False)
    return taken


def test_each_process_has_its_own_cores(pinned):
    scaling_worker.settle_in(scaling_worker.SPREADS[PAIR], 0)
    scaling_worker.settle_in(scaling_worker.SPREADS[PAIR], 1)
    assert pinned == [[4], [5]]
    assert os.environ["XLA_FLAGS"].startswith("--xla_mine=1 ")


def test_two_devices_are_asked_for(pinned):
    scaling_worker.settle_in(scaling_worker.SPREADS["two devices, two cores"], 0)
    assert pinned == [[4, 5]]
    assert "--xla_force_host_platform_device_count=2" in os.environ["XLA_FLAGS"]


def test_too_few_cores_are_a_sentence(pinned, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    with pytest.raises(SystemExit, match="got 1 processor cores, wanted 2"):
        scaling_worker.settle_in(scaling_worker.SPREADS[PAIR], 1)


def test_the_second_process_gets_an_address(monkeypatch):
    made = []
    monkeypatch.setattr(scaling_worker, "lead", lambda job: made.append(job))
    monkeypatch.setattr(scaling_worker, "follow", lambda *given: made.append(given[:2]))
    job = scaling_worker.Job(ONE, 1, 1)
    scaling_worker.main(job.words)
    scaling_worker.main([*job.words, "127.0.0.1:5"])
    assert made == [job, (job, "127.0.0.1:5")]


@pytest.mark.slow
@pytest.mark.skipif(NUM_CORES < 2, reason="two processes need a core each")
@pytest.mark.parametrize("spread", [name for name in scaling_worker.SPREADS if name != ONE])
def test_every_spread_trains(spread):
    wanted = scaling_worker.SPREADS[spread]
    job = scaling_worker.Job(spread, 1, 1, rows=4, layers=1, updates=1)
    with workers.apart("scaling_worker", *job.words) as worker:
        assert worker.facts["devices"] == wanted.devices * wanted.processes
        assert worker.facts["processes"] == wanted.processes
        # Untimed calls come before the timed one, as many as fit, in both processes alike.
        found = worker.time(0.1)
    assert found["wall"] > 0
    assert found["cpu"] > 0
