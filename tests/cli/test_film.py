"""The command that films a policy."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.cli import film
from tests.agents import untrained


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(film.cache_folders, "enable_compilation_cache", lambda: None)
    monkeypatch.setattr(film.self_test, "require", lambda: None)


def test_it_films_each_target_return(tmp_path, capsys):
    space = gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float32)
    agent = untrained.make_agent(
        "mlp", space, gymnasium.spaces.Discrete(2), env_id="CartPole-v1", max_steps=500
    )
    agent.save(tmp_path / "policy", episodes=0)
    out = tmp_path / "film.gif"
    film.main(
        [str(tmp_path / "policy"), "--targets", "5", "60", "--out", str(out), "--max-frames", "9"]
    )
    shown = capsys.readouterr().out
    assert "target return 5, achieved" in shown
    assert "target return 60, achieved" in shown
    assert out.read_bytes().startswith(b"GIF89a")


def test_wrong_names_are_one_sentence(tmp_path):
    out = str(tmp_path / "film.gif")
    with pytest.raises(SystemExit, match=r"error: there is no run"):
        film.main([str(tmp_path / "nowhere"), "--out", out])
    untrained.make_agent("mlp").save(tmp_path / "policy")
    folder = str(tmp_path / "policy")
    with pytest.raises(SystemExit, match=r"error: got the target returns .*nan.*finite numbers"):
        film.main([folder, "--targets", "nan", "--out", out])
    with pytest.raises(SystemExit, match=r"error: got data without an environment"):
        film.main([folder, "--out", out])
    with pytest.raises(SystemExit, match=r"error: got the file film\.mp4, wanted a name"):
        film.main([folder, "--out", "film.mp4"])
