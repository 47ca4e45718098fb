"""The command that evaluates: which checkpoints, and what it says of them."""

import dataclasses
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rich.console

from jax_s4rl.agents import agent as agents
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


@dataclasses.dataclass(frozen=True)
class Agent:
    """An agent that nothing was trained for."""

    step: int
    env_id: str | None = "CartPole-v1"
    factory: Any = None

    @property
    def description(self):
        return types.SimpleNamespace(world=types.SimpleNamespace(env_id=self.env_id), seeds=(0, 1))

    def loss(self, kept):
        return [0.25, 0.5]


def evaluate_fake(monkeypatch, best_step=12, env_id="CartPole-v1", **options):
    monkeypatch.setattr(agents, "load", lambda _, *, best: Agent(best_step if best else 12, env_id))
    monkeypatch.setattr(
        evaluate,
        "evaluate_agent",
        lambda agent, name, targets, *_: [
            {"checkpoint": name, "updates": agent.step, "targets": targets}
        ],
    )
    console = rich.console.Console(width=300)
    return evaluate.evaluate_checkpoints(Path("runs/x"), (), 10, console, **options)


@pytest.mark.parametrize("best_step", [8, 12])
def test_the_last_checkpoint_and_the_best_are_both_evaluated(monkeypatch, capsys, best_step):
    rows = evaluate_fake(monkeypatch, best_step)
    wanted = {"last": 12, "best": best_step} if best_step != 12 else {"last and best": 12}
    assert {row["checkpoint"]: row["updates"] for row in rows} == wanted
    assert evaluate.RULE in capsys.readouterr().out


def test_a_run_without_an_environment_has_held_out_losses_alone(monkeypatch, capsys):
    (row,) = evaluate_fake(monkeypatch, env_id=None, kept="episodes")
    assert row["targets"] is None
    shown = capsys.readouterr().out
    assert "seed 1, last and best: held-out loss 0.5" in shown
    assert "no environment: the models were trained but not evaluated" in shown
    with pytest.raises(ValueError, match="name one with --env ID or --env module:function"):
        evaluate_fake(monkeypatch, env_id=None, needs_env=True)


def test_a_module_that_a_run_names_is_not_imported_unless_the_user_names_it(monkeypatch):
    with pytest.raises(ValueError, match="if you trust the run, pass --env some_module:make"):
        evaluate_fake(monkeypatch, env_id="some_module:make")
    assert evaluate_fake(monkeypatch, env_id="some_module:make", factory=dict)


def test_an_environment_is_found_with_its_arguments():
    assert evaluate.find_factory(None, {}) is None
    make = evaluate.find_factory("CartPole-v1", {"max_episode_steps": 3})
    with make() as env:
        assert env.spec.max_episode_steps == 3
    with pytest.raises(ValueError, match=r"got env_kwargs .* which takes others"):
        evaluate.find_factory("tests.cli.test_data:make", {"lengh": 3})


def test_returns_and_losses_are_events():
    metrics = {"asked": [5.0], "achieved_greedy": [4.0], "achieved_sampled": [3.0]}
    row = {"seed": 1, "metrics": metrics | {"held_out_loss": 0.5}}
    assert evaluate.events_of(row) == {
        "return/seed_1/target_5/greedy": 4.0,
        "return/seed_1/target_5/sampled": 3.0,
        "held_out_loss/seed_1": 0.5,
    }


def test_a_folder_without_a_run_is_one_sentence(tmp_path):
    with pytest.raises(
        SystemExit, match=r"error: there is no run in .* \(no run.json\); check the name"
    ):
        evaluate.main([str(tmp_path)])
    with pytest.raises(SystemExit, match="error: got 0 episodes; give 1 or more"):
        evaluate.main([str(tmp_path), "--episodes", "0"])
    with pytest.raises(SystemExit, match=r"got the target returns \(nan,\); give finite numbers"):
        evaluate.main([str(tmp_path), "--targets", "nan"])
