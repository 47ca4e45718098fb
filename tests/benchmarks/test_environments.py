import pytest

from benchmarks import environments
from jax_s4rl.envs import registry
from jax_s4rl.evaluation import result_rows


def test_every_environment_is_measured():
    names = {env_id for env_id, _ in (*environments.SETTINGS, *environments.MUJOCO)}
    assert names >= registry.ENTRY_POINTS.keys() - {"jax_s4rl/Bsuite-v0"}
    assert any(env_id.startswith("umbrella_length/") for env_id in names)


@pytest.mark.parametrize("env_id", ["jax_s4rl/RandomWalk-v0", "umbrella_length/0", "Pendulum-v1"])
def test_a_measurement_is_a_result_line(env_id, tmp_path):
    row = environments.measure(env_id, {}, environments.Config(num_steps=16, repeats=1))
    result_rows.append_row(tmp_path / "rows.jsonl", row)
    [read] = result_rows.read_rows(tmp_path / "rows.jsonl")
    assert read["env"] == env_id
    assert all(read["metrics"][name] > 0 for name in environments.METRICS)


def test_mujoco_is_measured_when_it_is_named():
    assert environments.choose(()) == list(environments.SETTINGS)
    assert environments.choose(("Hopper-v5", "memory_len/22")) == [
        ("memory_len/22", {}),
        ("Hopper-v5", {}),
    ]
    with pytest.raises(ValueError, match="got Hoper-v5; choose from CartPole-v1"):
        environments.choose(("Hoper-v5",))


def test_the_script_writes_lines_and_the_latest_of_them_into_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        environments, "SETTINGS", (("CartPole-v1", {}), (environments.WALK, {"obs": "onehot"}))
    )
    readme = tmp_path / "README.md"
    readme.write_text("<!-- environments --><!-- /environments -->")
    config = environments.Config(
        num_steps=16, repeats=1, out=tmp_path / "rows.jsonl", readme=readme
    )
    for _ in range(2):
        environments.main(config)
    assert "CartPole-v1" in capsys.readouterr().out
    rows = list(result_rows.read_rows(config.out))
    assert len(rows) == 4
    lines = readme.read_text().splitlines()
    [line] = [line for line in lines if "CartPole-v1" in line]
    assert f"{rows[2]['metrics']['bare']:,.0f} |" in line
    assert sum("obs=onehot" in line for line in lines) == 1
