import pytest

from benchmarks import collection
from experiments import results
from jax_s4rl.collection import ppo_storage
from tests.collection import worlds


def test_every_training_of_the_recipes_can_be_measured():
    assert collection.runs().keys() >= collection.GOALS.keys() | {"hopper-ppo", "halfcheetah-ppo", "walker2d-ppo"}


def test_a_training_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="got cartpole, wanted some of key_door-ppo, cartpole-ppo"):
        collection.main(collection.Config(runs=("cartpole",), out=tmp_path / "rows.jsonl"))


@pytest.mark.slow
def test_a_training_is_a_result_line(tmp_path, monkeypatch, capsys):
    run = ppo_storage.Run("tiny", "CartPole-v1", worlds.CARTPOLE_CONFIG, (("weak", 10.0),))
    monkeypatch.setattr(collection, "runs", lambda: {"tiny": run})
    config = collection.Config(runs=("tiny",), seeds=(3,), num_episodes=4, out=tmp_path / "rows.jsonl")
    collection.main(config)
    [row] = results.read_rows(config.out)
    assert (row["env"], row["seed"], row["updates"]) == ("CartPole-v1", 3, 4)
    assert row["metrics"]["environment_steps"] == 1024
    assert row["metrics"]["goal"] == 10.0
    assert row["metrics"]["steps_to_goal"] % 256 == 0
    assert row["metrics"]["greedy_return"] == row["metrics"]["greedy_length"] > 0
    assert "1,024" in capsys.readouterr().out
