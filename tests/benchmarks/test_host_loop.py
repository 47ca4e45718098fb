"""A small run has all parts of a step, and the table says them."""

import pytest

from benchmarks import host_loop


@pytest.mark.slow
@pytest.mark.parametrize("mixer", host_loop.Config.mixers)
def test_a_small_run_has_all_parts(mixer):
    row = host_loop.measure(mixer, 2, 2)
    seconds, metrics = row["seconds"], row["metrics"]
    parts = sum(seconds[name] for name in host_loop.PARTS)
    assert parts == pytest.approx(seconds["whole"])
    assert 0 < metrics["share_outside"] < 1
    assert [len(times) for times in metrics["turns"].values()] == [2, 2, 2]
    assert f"| {mixer} | 2 | " in host_loop.table([row])


def test_all_episodes_are_equally_long():
    env = host_loop.make_env()
    env.reset(seed=0)
    ends = [env.step(1)[2:4] for _ in range(host_loop.STEPS)]
    assert ends == [(False, False)] * (host_loop.STEPS - 1) + [(False, True)]


def test_the_table_has_a_line_for_each_mixer_and_number():
    rows = [
        {
            "machine": "one",
            "method": "s5",
            "metrics": {"environments": count, "share_outside": 0.45},
            "seconds": {"whole": 2e-5, "environments": 1.1e-5, "policy": 5e-6, "rest": 4e-6},
        }
        for count in (64, 8)
    ]
    lines = host_loop.table(rows).splitlines()
    assert lines[-2:] == [
        "| s5 | 8 | 20.0 | 11.0 | 5.0 | 4.0 | 45% |",
        "| s5 | 64 | 20.0 | 11.0 | 5.0 | 4.0 | 45% |",
    ]
