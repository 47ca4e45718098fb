"""The model of an all-reduce: limits that are known without it, and the ring written out."""

import pytest

from benchmarks import allreduce

LINK = allreduce.Link(bandwidth=1e9, latency=1e-5, meaning="for the tests")


def ring_written_out(num_devices, num_bytes, link):
    """Seconds of a ring, step by step: every device sends one part, all at the same time."""
    part, seconds = num_bytes / num_devices, 0.0
    for _ in ("parts are summed", "sums go round"):
        for _ in range(num_devices - 1):
            seconds += link.latency + part / link.bandwidth
    return seconds


@pytest.mark.parametrize("num_devices", [1, 2, 3, 64])
def test_the_formula_is_that_of_the_steps(num_devices):
    wanted = ring_written_out(num_devices, 5e6, LINK)
    assert allreduce.ring_seconds(num_devices, 5e6, LINK) == pytest.approx(wanted)


def test_a_device_alone_waits_for_nobody():
    assert allreduce.ring_seconds(1, 1e9, LINK) == 0.0


def test_many_devices_send_at_most_twice_the_bytes():
    free = LINK._replace(latency=0.0)
    assert allreduce.ring_seconds(10_000, 1e9, free) == pytest.approx(2.0, rel=1e-3)


def test_little_to_send_costs_its_steps():
    assert allreduce.ring_seconds(64, 0, LINK) == pytest.approx(126 * LINK.latency)


@pytest.mark.parametrize(
    "arguments", [(0, 1.0, LINK), (2, -1.0, LINK), (2, 1.0, LINK._replace(bandwidth=0.0))]
)
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match="give at least 1 device"):
        allreduce.ring_seconds(*arguments)


def test_efficiency_is_a_share():
    assert allreduce.efficiency(1.0, 0.0) == 1.0
    assert allreduce.efficiency(0.0, 1.0) == 0.0
    with pytest.raises(ValueError, match="not both 0"):
        allreduce.efficiency(0.0, 0.0)


def test_arithmetic_grows_with_tokens_and_parameters():
    once = allreduce.compute_seconds(1_000, 1_000)
    assert allreduce.compute_seconds(2_000, 3_000) == pytest.approx(6 * once)
    assert allreduce.compute_seconds(0, 0, fixed=0.25) == 0.25


def test_every_assumption_has_a_meaning():
    for link in allreduce.LINKS.values():
        assert link.bandwidth > 0
        assert link.latency > 0
        assert len(link.meaning) > 10
