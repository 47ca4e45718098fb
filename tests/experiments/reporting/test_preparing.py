"""Lines say the same whenever they were written."""

import pytest

from experiments.reporting import catalog, preparing
from tests.experiments.reporting import made_up


def swept(**metrics):
    return made_up.row("cartpole", "d", "s4d", 0, asked=[1.0, 2.0, 3.0], **metrics)


def test_control_is_that_of_means_over_supported_targets():
    row = swept(supported=[True, True, False], achieved_greedy=[1.0, 3.0, 0.0], slope_greedy=0.5)
    found = preparing.with_control(row)["metrics"]
    assert found["slope_greedy"] == pytest.approx(2.0)
    assert found["rank_correlation_greedy"] == pytest.approx(1.0)
    assert "slope_sampled" not in found
    assert row["metrics"]["slope_greedy"] == 0.5


def test_without_two_supported_targets_nothing_is_said_of_control():
    row = swept(supported=[True, False, False], achieved_sampled=[1.0, 3.0, 0.0], slope_sampled=0.5)
    assert "slope_sampled" not in preparing.with_control(row)["metrics"]
    row = swept(supported=[True, True, False], achieved_sampled=[1.0, None, 0.0], rank_correlation_sampled=0.5)
    assert "rank_correlation_sampled" not in preparing.with_control(row)["metrics"]
    assert preparing.with_control(made_up.row("cartpole", "d", "cql", 0))["metrics"]["cell"] == "abc"


def test_the_door_given_the_key():
    shares = {"success_greedy": 0.0, "key_greedy": 0.0, "success_sampled": 0.2, "key_sampled": 0.8}
    found = preparing.of_door(made_up.row("key_to_door", "d", "bc", 0, target_0_greedy=1.0, **shares))["metrics"]
    assert found["door_given_key_sampled"] == pytest.approx(0.25)
    assert not {"door_given_key_greedy", "target_0_greedy"} & set(found)


def test_what_the_three_sweeping_experiments_show_is_computed_again(tmp_path):
    for about in (catalog.CARTPOLE, catalog.PENDULUM, catalog.KEY_DOOR):
        row = swept(supported=[True, True, True], achieved_greedy=[2.0, 4.0, 6.0], slope_greedy=0.5)
        made_up.write(tmp_path, about.name, [row])
        (found,) = about.read(tmp_path).scored
        assert found["metrics"]["slope_greedy"] == pytest.approx(2.0)
