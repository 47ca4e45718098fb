"""The command that exports a policy."""

import pytest

from jax_s4rl.agents import exported_policy
from jax_s4rl.cli import export
from tests.agents import untrained


def test_it_exports_one_model_of_a_folder(tmp_path, capsys):
    untrained.make_agent("mlp").save(tmp_path / "policy")
    out = tmp_path / "policy.jax_s4rl"
    export.main(
        [str(tmp_path / "policy"), "--out", str(out), "--number", "1", "--platforms", "cpu"]
    )
    assert "update 30, seed 7, for cpu" in capsys.readouterr().out
    assert exported_policy.Policy(out).metadata["seed"] == 7


def test_wrong_names_are_one_sentence(tmp_path):
    out = str(tmp_path / "policy.jax_s4rl")
    with pytest.raises(SystemExit, match=r"error: there is no run"):
        export.main([str(tmp_path / "nowhere"), "--out", out])
    with pytest.raises(SystemExit, match=r"error: got the file .*p.onnx, wanted a name that ends"):
        export.main([str(tmp_path), "--out", str(tmp_path / "p.onnx")])
    untrained.make_agent("mlp").save(tmp_path / "policy")
    with pytest.raises(SystemExit, match="error: got the model number 9, wanted one from 0 to 1"):
        export.main([str(tmp_path / "policy"), "--out", out, "--number", "9"])
