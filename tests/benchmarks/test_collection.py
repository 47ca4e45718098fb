import pytest

from benchmarks import collection
from jax_s4rl.collection.ppo import storage
from jax_s4rl.evaluation import result_rows
from tests.collection import worlds


def test_every_training_of_the_recipes_can_be_measured():
    assert collection.runs().keys() >= collection.GOALS.keys() | {
        "hopper-ppo",
        "halfcheetah-ppo",
        "walker2d-ppo",
    }


def test_a_training_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="got cartpole; choose from key_door-ppo, cartpole-ppo"):
        collection.main(collection.Config(runs=("cartpole",), out=tmp_path / "rows.jsonl"))


def test_the_latest_line_of_a_training_and_seed_stands_in_the_table():
    metrics = {
        "run": "tiny",
        "environment_steps": 1000,
        "goal": None,
        "steps_to_goal": None,
        "sampled_return": 1.0,
    }
    row = {"env": "CartPole-v1", "seed": 0, "seconds": {"train": 2.4}}
    rows = [{**row, "metrics": {**metrics, "greedy_return": value}} for value in (3.0, 4.0)]
    lines = collection.table(rows).splitlines()
    assert lines[2:] == ["| tiny | `CartPole-v1` | 0 | 1,000 |  | never | 4.0 | 1.0 | 2 |"]


@pytest.mark.slow
def test_a_training_is_a_result_line(tmp_path, monkeypatch, capsys):
    run = storage.Run("tiny", "CartPole-v1", worlds.CARTPOLE_CONFIG, (("weak", 10.0),))
    monkeypatch.setattr(collection, "runs", lambda: {"tiny": run})
    readme = tmp_path / "README.md"
    readme.write_text("<!-- collection --><!-- /collection -->")
    config = collection.Config(
        runs=("tiny",), seeds=(3,), num_episodes=4, out=tmp_path / "rows.jsonl", readme=readme
    )
    collection.main(config)
    [row] = result_rows.read_rows(config.out)
    assert (row["env"], row["seed"], row["updates"]) == ("CartPole-v1", 3, 4)
    assert row["metrics"]["environment_steps"] == 1024
    assert row["metrics"]["goal"] == 10.0
    assert row["metrics"]["steps_to_goal"] % 256 == 0
    assert row["metrics"]["greedy_return"] == row["metrics"]["greedy_length"] > 0
    assert "tiny, seed 3: " in capsys.readouterr().out
    assert "| tiny | `CartPole-v1` | 3 | 1,024 | 10 |" in readme.read_text()
