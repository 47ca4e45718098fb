import dataclasses
import json

import numpy as np
import pytest

from jax_s4rl.collection import catalog, datasets, recording, sources
from jax_s4rl.data import spaces
from jax_s4rl.envs import registry
from tests.collection import worlds
from tests.data import records


def test_every_recipe_names_an_environment_that_there_is_and_describes_itself():
    for name, recipe in catalog.all_recipes().items():
        registry.resolve(recipe.env_id, dict(recipe.env_kwargs))
        described = datasets.describe(recipe)
        assert json.loads(json.dumps(described)) == described, name
        assert len(recipe.parts) <= 14, name


@pytest.mark.fast_cases(4)
@pytest.mark.parametrize(
    "name",
    [
        "random_walk/random-100",
        "random_walk/graph-3/random-100",
        "key_door/random-1000",
        "umbrella_length/2/mixed",
        "memory_len/2/mixed",
    ]
    + [f"key_to_door/{preset}/random-1000" for preset in (*catalog.PRESETS, "dt_90")],
)
def test_data_are_real_and_fit_their_environment(name, tmp_path, monkeypatch):
    """A small copy of each kind of data set is played again, transition by transition."""
    recipe = catalog.all_recipes()[name]
    small = tuple(dataclasses.replace(part, num_episodes=6) for part in recipe.parts)
    monkeypatch.setattr(
        catalog, "all_recipes", lambda: {name: dataclasses.replace(recipe, parts=small)}
    )
    record, metadata = datasets.load(name, 0, tmp_path)
    env = registry.make(metadata["env"]["id"], **metadata["env"]["kwargs"])
    spaces.check_fit(record, env.observation_space, env.action_space)
    records.assert_same(recording.reenact(lambda: env, record), record)
    scores = metadata["reference_scores"]
    assert scores["random"] < scores["optimal"]


@pytest.mark.parametrize("family", ["umbrella_length", "memory_len"])
def test_a_tenth_of_the_mixed_data_is_always_right(family):
    uniform, optimal = catalog.all_recipes()[f"{family}/4/mixed"].parts
    assert (uniform.num_episodes, optimal.num_episodes) == (9_000, 1_000)
    context = sources.RecordingContext(f"{family}/4", {}, 0, 1, None)
    record = dataclasses.replace(optimal, num_episodes=50).record(context)
    np.testing.assert_array_equal(
        record.rewards[record.episode_starts + record.episode_lengths - 1], 1
    )


@pytest.mark.slow
def test_masked_cartpole_is_cartpole_without_velocities(tmp_path, monkeypatch):
    recipes = catalog.all_recipes()
    run = dataclasses.replace(catalog.CARTPOLE, config=worlds.CARTPOLE_CONFIG, strengths=())
    small = (sources.Uniform(3), sources.Snapshot(run, "expert", 3))
    names = ["cartpole/mixed", "masked_cartpole/mixed"]
    monkeypatch.setattr(
        catalog,
        "all_recipes",
        lambda: {name: dataclasses.replace(recipes[name], parts=small) for name in names},
    )
    whole, masked = (datasets.load(name, 0, tmp_path)[0] for name in names)
    np.testing.assert_array_equal(masked.observations, whole.observations[:, [0, 2]])
    np.testing.assert_array_equal(masked.actions, whole.actions)


def test_each_graph_is_another_with_the_same_recipes():
    recipes = catalog.random_walk()
    for kind in ("random-1000", "random-100", "nosuffix-1000"):
        names = [
            f"random_walk/{kind}",
            *(f"random_walk/graph-{number}/{kind}" for number in range(1, 6)),
        ]
        edges = [
            registry.make(recipes[name].env_id, **recipes[name].env_kwargs).unwrapped.edges
            for name in names
        ]
        assert len({graph.tobytes() for graph in edges}) == len(names)
        assert (
            len({(recipes[name].parts, recipes[name].keep, recipes[name].limit) for name in names})
            == 1
        )
    assert len(recipes) == 18
