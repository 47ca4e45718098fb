"""The pages about mixers are right: all of their code runs, and does what they say."""

import ast
import dataclasses
import re

import jax
import numpy as np
import pytest

import jax_s4rl
from jax_s4rl.modules import groups, mixers
from tests.docs import pages

MIXERS, GUIDE = pages.DOCS / "mixers.md", pages.DOCS / "add_a_mixer.md"


@pytest.fixture(autouse=True)
def as_for_a_user(tmp_path, monkeypatch):
    """An empty current folder, JAX's own settings, and no mixers registered by other tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mixers, "_LAYERS", {name: mixers._LAYERS[name] for name in mixers.NAMES})
    monkeypatch.setattr(mixers, "OPTIONS", {name: mixers.OPTIONS[name] for name in mixers.NAMES})
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def run(path, **changes):
    """Names after the blocks of a page, with other numbers in place of those of the page."""
    names = {"__name__": "__main__"}
    for block in pages.blocks(path):
        assert block.language == "python"
        code = block.text
        for name, value in changes.items():
            code = re.sub(rf"\b{name}=\d+", f"{name}={value}", code)
        exec(compile(code, path.name, "exec"), names)
    return names


@pytest.mark.slow
def test_layers_run_in_linen_nnx_and_equinox():
    names = run(MIXERS)
    assert names["y"].shape == (8, 100, 2)
    np.testing.assert_allclose(names["y_0"], names["y"][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(names["y_t"], names["whole"][:, -1], rtol=1e-4, atol=1e-5)
    assert names["nnx_losses"][-1] < 0.8 * names["nnx_losses"][0]
    x, loss = names["x"], names["loss"]
    assert loss(names["trained"], x) < loss(names["ssm"], x)


def test_the_page_of_layers_names_all_their_options():
    (table,) = re.findall(r"^\| option .*?\n\n", MIXERS.read_text(), re.M | re.S)
    named = set(re.findall(r"`(\w+)`", re.sub(r"(?m)^\| ([^|]+)\|.*$", r"\1", table)))
    fields = set()
    for name in ("s4d", "s4", "s5", "lru", "mamba2", "mamba"):
        layer = mixers.definition(name)[0]
        fields |= {field.name for field in dataclasses.fields(layer)} - {"parent", "name"}
    assert named == fields


@pytest.mark.slow
def test_a_mixer_of_a_users_own_is_checked_trained_saved_and_loaded(tmp_path):
    names = run(GUIDE, num_updates=10)
    agent = names["agent"]
    assert agent.step == 10
    assert agent.description.settings.model.mixer == mixers.MixerConfig("gated")
    assert "Dense_0" in groups.strip(agent.params)["blocks_0"]["mixer"]
    action, _ = agent.act(agent.start(1.0), np.zeros(3))
    assert action in (0, 1)
    del mixers._LAYERS["gated"], mixers.OPTIONS["gated"]
    with pytest.raises(ValueError, match=r"there is no mixer 'gated'; .*register a mixer of your"):
        jax_s4rl.load(tmp_path / "runs" / "gated")
    mixers.register("gated", names["Gated"])
    assert jax_s4rl.load(tmp_path / "runs" / "gated").step == 10


def test_a_mixer_touches_no_more_files_than_the_guide_of_the_package_says():
    folders = ("jax_s4rl", "experiments")
    found = {
        str(path.relative_to(pages.ROOT))
        for folder in folders
        for path in (pages.ROOT / folder).rglob("*.py")
        if _names(path, "mamba2")
    }
    # Whether experiments compare a mixer is another question than whether they can.
    found.remove("experiments/protocol.py")
    assert len(found) == 4
    guide = (pages.ROOT / "CONTRIBUTING.md").read_text()
    guide = guide[guide.index("## Add a mixer") : guide.index("## Add a dataset")]
    assert all(f"`{name}`" in guide for name in found)


def _names(path, mixer):
    """Whether a string of a file is, or an import has, the name of a mixer."""
    if path.stem == mixer:
        return False
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and node.value == mixer:
            return True
        if isinstance(node, ast.ImportFrom) and mixer in {each.name for each in node.names}:
            return True
    return False


def test_the_guide_is_short():
    assert len(GUIDE.read_text().splitlines()) <= 60
