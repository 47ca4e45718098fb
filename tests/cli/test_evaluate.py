"""The command that evaluates: which checkpoints, and what it says of them."""

import types

import numpy as np
import pytest
import rich.console

from jax_s4rl.cli import evaluate
from jax_s4rl.data import trajectories
from jax_s4rl.evaluation import rollout
from tests.data import records


def test_episodes_are_judged_by_target_and_kind():
    record = trajectories.concatenate([records.make_record((2,), seed=seed) for seed in range(4)])
    greedy, targets = np.array([True, True, False, False]), np.array([1.0, 2.0, 1.0, 2.0])
    acted = rollout.Rollout(record, targets, greedy, 0.0, 1.0, 1)
    judged = evaluate.mean_returns(acted, (1.0, 2.0))
    returned = record.episode_returns.tolist()
    assert judged == {
        "asked": [1.0, 2.0],
        "achieved_greedy": returned[:2],
        "achieved_sampled": returned[2:],
    }


@pytest.mark.parametrize("best_step", [8, 12])
def test_the_last_checkpoint_and_the_best_are_both_evaluated(monkeypatch, capsys, best_step):
    def load(_, *, best):
        return types.SimpleNamespace(step=best_step if best else 12)

    monkeypatch.setattr(evaluate.agents, "load", load)
    monkeypatch.setattr(
        evaluate,
        "evaluate_agent",
        lambda agent, name, *_: [{"checkpoint": name, "updates": agent.step}],
    )
    rows = evaluate.evaluate_checkpoints("runs/x", (), 10, rich.console.Console(width=200))
    wanted = {"last": 12, "best": best_step} if best_step != 12 else {"last and best": 12}
    assert {row["checkpoint"]: row["updates"] for row in rows} == wanted
    assert evaluate.RULE in capsys.readouterr().out


def test_a_folder_without_a_run_is_one_sentence(tmp_path):
    with pytest.raises(
        SystemExit, match=r"error: there is no run in .* \(no run.json\); check the name"
    ):
        evaluate.main([str(tmp_path)])
    with pytest.raises(SystemExit, match="error: got 0 episodes; give 1 or more"):
        evaluate.main([str(tmp_path), "--episodes", "0"])
