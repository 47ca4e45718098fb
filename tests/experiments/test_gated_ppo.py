"""PPO with a gate: its runs, and a short run that is not done twice."""

import pytest

from experiments import future_ppo, gated_ppo, online
from jax_s4rl.agents import gated_ppo as agent
from jax_s4rl.evaluation import result_rows


def test_runs_differ_by_the_gate_alone():
    runs = gated_ppo.planned(online.Options())
    assert len({(run.digest, run.seed) for run in runs}) == len(runs) == 3 * 2 * 3
    for name, method in gated_ppo.PARTS["umbrella"]:
        own = gated_ppo.settings(name, method)
        plain = future_ppo.settings(name, future_ppo.S5)
        assert isinstance(own, agent.Settings) == (method == gated_ppo.GATED)
        assert vars(own).items() >= vars(plain).items()
    with pytest.raises(ValueError, match="got parts luck; choose from umbrella"):
        gated_ppo.main(online.Options(parts=("luck",)))


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gated_ppo, "QUICK", {"seeds": 1, "steps": 4096})
    monkeypatch.setattr(future_ppo, "JUDGED", 20)
    for _ in range(2):
        gated_ppo.main(online.Options(quick=True))
    rows = list(result_rows.read_rows(tmp_path / "runs" / f"{gated_ppo.NAME}-quick.jsonl"))
    assert [row["method"] for row in rows] == [gated_ppo.PLAIN, gated_ppo.GATED]
    plain, gated = (row["metrics"] for row in rows)
    assert 0 <= gated["open"] <= 1
    assert "open" not in plain
    assert gated["steps"] == plain["steps"] == 4096
