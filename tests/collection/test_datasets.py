import dataclasses
import json

import gymnasium
import numpy as np
import pytest

from jax_s4rl.collection import catalog, datasets, recording, sources
from jax_s4rl.data import spaces, storage
from jax_s4rl.envs import registry
from tests.data import records


def keep_long(record, env):
    return np.flatnonzero(record.episode_lengths >= 15)


@pytest.fixture(autouse=True)
def small_recipes(monkeypatch):
    two = (sources.Uniform(12), sources.Uniform(8))
    recipes = {
        "cartpole/tiny": catalog.Recipe("CartPole-v1", two),
        "cartpole/long": catalog.Recipe("CartPole-v1", two, keep=keep_long),
    }
    monkeypatch.setattr(catalog, "all_recipes", lambda: recipes)
    return recipes


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        datasets.load("cartpole/tiny", seed, tmp_path / folder)
    files = [
        datasets.path_of("cartpole/tiny", seed, tmp_path / folder)
        for folder, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()
    assert storage.side_file(files[0]).read_bytes() == storage.side_file(files[1]).read_bytes()


def test_the_second_call_reads_what_the_first_wrote(tmp_path, monkeypatch):
    record, metadata = datasets.load("cartpole/tiny", 0, tmp_path)
    monkeypatch.setattr(recording, "record_episodes", None)
    again, metadata_again = datasets.load("cartpole/tiny", 0, tmp_path)
    records.assert_same(again, record)
    assert metadata == metadata_again


def test_every_transition_is_real_and_fits_the_environment_that_the_side_file_names(tmp_path):
    record, metadata = datasets.load("cartpole/tiny", 0, tmp_path)
    env = registry.make(metadata["env"]["id"], **metadata["env"]["kwargs"])
    spaces.check_fit(record, env.observation_space, env.action_space)
    records.assert_same(recording.reenact(lambda: env, record), record)
    assert spaces.describe(env.observation_space) == metadata["observation_space"]


def test_the_side_file_says_what_the_data_are(tmp_path):
    record, metadata = datasets.load("cartpole/tiny", 4, tmp_path)
    assert metadata["name"] == "cartpole/tiny"
    assert metadata["seed"] == 4
    assert metadata["reference_scores"].items() >= {"optimal": 500.0, "kind": "measured"}.items()
    assert [part["behavior"] for part in metadata["policy"]] == ["uniform", "uniform"]
    np.testing.assert_allclose(
        metadata["policy"][0]["mean_return"], record.episode_returns[:12].mean()
    )
    assert set(metadata["versions"]) == set(datasets.PACKAGES)
    assert metadata["content_hash"] == storage.content_hash(record)


def test_the_physics_engine_is_among_the_versions_of_what_runs_in_it():
    class Robot(gymnasium.Env):
        __module__ = "gymnasium.envs.mujoco.robot"

    class Masked(gymnasium.Env):
        robot = Robot()

    for env in (Robot(), Masked()):
        assert datasets.packages_of(env) == (*datasets.PACKAGES, "mujoco")
    assert datasets.packages_of(gymnasium.make("CartPole-v1")) == datasets.PACKAGES


def test_a_filter_keeps_what_it_names(tmp_path):
    everything, _ = datasets.load("cartpole/tiny", 0, tmp_path)
    kept, metadata = datasets.load("cartpole/long", 0, tmp_path)
    records.assert_same(kept, everything.select(keep_long(everything, None)))
    assert metadata["recipe"]["keep"] == "keep_long"


def test_a_recipe_that_changed_makes_its_data_again(tmp_path, small_recipes):
    datasets.load("cartpole/tiny", 0, tmp_path)
    small_recipes["cartpole/tiny"] = dataclasses.replace(
        small_recipes["cartpole/tiny"], parts=(sources.Uniform(3),)
    )
    record, _ = datasets.load("cartpole/tiny", 0, tmp_path)
    assert record.num_episodes == 3
    assert json.loads((tmp_path / "cartpole/tiny-seed0.json").read_text())["num_episodes"] == 3


def test_a_damaged_cache_is_named_not_hidden(tmp_path):
    datasets.load("cartpole/tiny", 0, tmp_path)
    datasets.path_of("cartpole/tiny", 0, tmp_path).write_bytes(b"")
    with pytest.raises(ValueError, match="is empty; delete it"):
        datasets.load("cartpole/tiny", 0, tmp_path)


def test_a_file_of_version_1_is_recorded_again(tmp_path):
    record, metadata = datasets.load("cartpole/tiny", 0, tmp_path)
    path = datasets.path_of("cartpole/tiny", 0, tmp_path)
    np.savez(path, **{name: getattr(record, name) for name in storage.ARRAY_NAMES})
    old = {name: value for name, value in metadata.items() if name != "digest"}
    storage.side_file(path).write_text(json.dumps({**old, "format_version": 1}))
    again, metadata_again = datasets.load("cartpole/tiny", 0, tmp_path)
    records.assert_same(again, record)
    assert metadata_again == metadata
    assert storage.load_metadata(path)["format_version"] == storage.FORMAT_VERSION


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "cartpole/long"),
        ("seed", 1),
        ("env", {"id": "CartPole-v0", "kwargs": {}}),
        ("env", {"id": "CartPole-v1", "kwargs": {"render_mode": "human"}}),
        ("reference_scores", {"random": 0.0, "optimal": 500.0, "kind": "measured"}),
        ("reference_scores", {"random": None, "optimal": 500.0, "kind": "measured"}),
        ("reference_scores", None),
        ("recipe", {}),
    ],
)
def test_a_description_that_is_not_that_of_the_name_is_made_again(tmp_path, name, value):
    """Also if its digest is right, as in a file of a stranger."""
    record, metadata = datasets.load("cartpole/tiny", 0, tmp_path)
    path = datasets.path_of("cartpole/tiny", 0, tmp_path)
    storage.save_trajectories(path, record.select([0]), {**metadata, name: value})
    assert name in datasets.differences(storage.load_metadata(path), "cartpole/tiny", 0)
    again, metadata_again = datasets.load("cartpole/tiny", 0, tmp_path)
    records.assert_same(again, record)
    assert metadata_again == metadata


def test_scores_that_another_machine_rounded_are_the_same(tmp_path):
    _, metadata = datasets.load("cartpole/tiny", 0, tmp_path)
    scores = metadata["reference_scores"]
    close = {**metadata, "reference_scores": {**scores, "random": scores["random"] * (1 + 1e-14)}}
    assert not datasets.differences(close, "cartpole/tiny", 0)


def test_a_name_that_is_not_there_is_answered_with_the_nearest():
    assert datasets.names() == ["cartpole/long", "cartpole/tiny"]
    with pytest.raises(ValueError, match="did you mean cartpole/tiny"):
        datasets.load("cartpole/tinny")


def test_the_cache_folder_follows_the_environment_variables(monkeypatch, tmp_path):
    monkeypatch.delenv(datasets.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert datasets.default_folder() == tmp_path / "jax_s4rl"
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(tmp_path / "mine"))
    assert datasets.path_of("a/b", 2) == tmp_path / "mine" / "a" / "b-seed2.npz"
