"""Environments that files name: no code of others runs, nothing is opened, written or fetched."""

import sys

import pytest

from jax_s4rl.collection import catalog, stored_environments
from jax_s4rl.envs import registry

ALLOWED = [
    ("CartPole-v1", {}),
    ("umbrella_length/9", {}),
    ("jax_s4rl/Bsuite-v0", {"bsuite_id": "memory_len/3"}),
    ("jax_s4rl/KeyDoor-v0", {"obs": "full"}),
    ("jax_s4rl/KeyToDoor-v0", {"preset": "dt", "distractor_steps": 90}),
    ("FrozenLake-v1", {"map_name": "4x4"}),
    ("CartPole-v1", {"max_episode_steps": 3}),
]
REFUSED = [
    ("intruder:CartPole-v1", {}, "without a module"),
    ("jax_s4rl.envs:CartPole-v1", {}, "without a module"),
    (None, {}, "without a module"),
    (["CartPole-v1"], {}, "without a module"),
    ("Nowhere-v7", {}, "not registered"),
    ("CartPole-v1", [], "wanted them by name"),
    ("CartPole-v1", {"render_mode": "human"}, "render_mode"),
    ("CartPole-v1", {"disable_env_checker": False}, "disable_env_checker"),
    ("CartPole-v1", {"vectorization_mode": "async"}, "vectorization_mode"),
    ("CartPole-v1", {"max_episode_steps": 10**9}, "max_episode_steps"),
    ("CartPole-v1", {"max_episode_steps": "3"}, "max_episode_steps"),
    ("CartPole-v1", {"apply_api_compatibility": True}, "apply_api_compatibility"),
    ("Hopper-v5", {"xml_file": "/etc/passwd"}, "xml_file"),
    ("FrozenLake-v1", {"map_name": "8x8"}, "map_name"),
    ("FrozenLake-v1", {"desc": ["S" * 10_000]}, "desc"),
    ("jax_s4rl/RandomWalk-v0", {"graph_seed": "3"}, "graph_seed"),
    ("jax_s4rl/RandomWalk-v0", {"graph_seed": True}, "graph_seed"),
    ("jax_s4rl/RandomWalk-v0", {"graph_seed": -1}, "graph_seed"),
    ("jax_s4rl/RandomWalk-v0", {"graph_seed": [3]}, "graph_seed"),
    ("jax_s4rl/RandomWalk-v0", {"num_nodes": 10**9}, "num_nodes"),
    ("jax_s4rl/KeyToDoor-v0", {"distractor_steps": 10**12}, "distractor_steps"),
    ("jax_s4rl/KeyToDoor-v0", {"preset": "d" * 1_000}, "preset"),
    # Bsuite would download these data into a folder of its own.
    ("mnist/0", {}, "mnist"),
    ("jax_s4rl/Bsuite-v0", {"bsuite_id": "mnist/0"}, "mnist"),
    ("jax_s4rl/Bsuite-v0", {"bsuite_id": ["mnist/0"]}, "mnist"),
]


@pytest.mark.parametrize(("env_id", "kwargs"), ALLOWED)
def test_what_recipes_use_is_made(env_id, kwargs):
    found = stored_environments.check(env_id, kwargs)
    assert found == (env_id, kwargs)
    registry.make(found[0], **found[1]).close()


@pytest.mark.parametrize(("env_id", "kwargs", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_anything_else_is_refused(tmp_path, monkeypatch, env_id, kwargs, sentence):
    (tmp_path / "intruder.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=sentence) as refused:
        stored_environments.check(env_id, kwargs)
    assert "intruder" not in sys.modules
    assert len(str(refused.value)) < 400


def test_every_recipe_passes():
    for recipe in catalog.all_recipes().values():
        about = {"env": {"id": recipe.env_id, "kwargs": dict(recipe.env_kwargs)}}
        assert stored_environments.of_metadata(about) == (recipe.env_id, dict(recipe.env_kwargs))


@pytest.mark.parametrize(
    ("named", "sentence"),
    [("CartPole-v1", "wanted {"), ([1], "wanted {"), ({"kwargs": {"a": 1}}, "without a module")],
)
def test_odd_descriptions_are_refused(named, sentence):
    with pytest.raises(ValueError, match=sentence):
        stored_environments.of_metadata({"env": named})


@pytest.mark.parametrize("about", [{}, {"env": None}, {"env": {}}])
def test_data_need_no_environment(about):
    assert stored_environments.of_metadata(about) is None
