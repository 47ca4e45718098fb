import dataclasses
import json

import numpy as np
import pytest

from jax_s4rl.collection import catalog, datasets, recording, seeding, sources
from jax_s4rl.data import spaces
from jax_s4rl.envs import masked_locomotion, registry
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
        "memory_chain/10/random",
        "memory_chain/30/shown",
        "t_maze/10/random",
        "key_to_door/hidden/random-1000",
        "key_to_door/shown/random-1000",
        "minigrid_memory/mixed",
        "minigrid_memory/shown",
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


@pytest.mark.parametrize("robot", ["hopper", "halfcheetah", "walker2d"])
def test_data_of_locomotion_are_from_one_training_as_in_d4rl(robot):
    recipes = catalog.mujoco()
    kinds = ("medium", "expert", "replay", "random", "medium-replay", "medium-expert")
    for kind in kinds:
        whole, masked = recipes[f"{robot}/{kind}"], recipes[f"masked_{robot}/{kind}"]
        assert masked.parts == whole.parts
        assert masked.env_kwargs == {"robot": robot}
        assert masked_locomotion.ROBOTS[robot] == whole.env_id
    (replay,) = recipes[f"{robot}/medium-replay"].parts
    assert (replay.until, recipes[f"{robot}/replay"].parts[0].until) == ("medium", None)
    both = recipes[f"{robot}/medium-expert"].parts
    assert [(part.strength, part.num_episodes) for part in both] == [
        ("medium", 200),
        ("expert", 200),
    ]
    run = recipes[f"{robot}/expert"].parts[0].run
    assert all(part.run == run for part in (*both, replay))
    assert len(recipes) == 3 * 2 * len(kinds)


@pytest.mark.parametrize(
    "pair",
    [
        ("memory_chain/10/random", "memory_chain/10/shown"),
        ("t_maze/10/random", "t_maze/10/shown"),
        ("key_to_door/hidden/random-1000", "key_to_door/shown/random-1000"),
    ],
)
def test_a_twin_has_the_same_episodes_and_shows_more(pair):
    records = []
    for name in pair:
        recipe = catalog.all_recipes()[name]
        (part,) = (dataclasses.replace(part, num_episodes=6) for part in recipe.parts)
        context = sources.RecordingContext(recipe.env_id, recipe.env_kwargs, 0, 0, None)
        records.append(part.record(context))
    hidden, shown = records
    np.testing.assert_array_equal(hidden.actions, shown.actions)
    np.testing.assert_array_equal(hidden.rewards, shown.rewards)
    assert np.count_nonzero(shown.observations) > np.count_nonzero(hidden.observations)


def test_hidden_layouts_differ_between_episodes():
    recipe = catalog.all_recipes()["key_to_door/hidden/random-1000"]
    context = sources.RecordingContext(recipe.env_id, recipe.env_kwargs, 0, 0, None)
    record = sources.Uniform(12).record(context)
    with registry.make(recipe.env_id, **recipe.env_kwargs) as env:
        first_maps = record.observations[record.episode_starts, env.unwrapped.encoder.carried :]
    assert len({key_map.tobytes() for key_map in first_maps}) > 4


def test_masked_pendulum_has_the_parts_of_pendulum():
    recipes = catalog.pendulum()
    for kind in ("medium", "replay", "expert"):
        masked, whole = recipes[f"masked_pendulum/{kind}"], recipes[f"pendulum/{kind}"]
        assert masked.parts == whole.parts
        assert masked.env_id == "jax_s4rl/MaskedPendulum-v0"


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


def test_data_of_the_founding_report_are_random_play_on_its_tasks():
    recipes = catalog.founding_report()
    graphs = [name for name in recipes if "/graph-" in name]
    assert len(graphs) == catalog.FOUNDING_GRAPHS
    weights = [
        registry.make(recipes[name].env_id, **recipes[name].env_kwargs).unwrapped.weights
        for name in graphs
    ]
    assert len({each.tobytes() for each in weights}) == len(graphs)
    counts = {name: sum(p.num_episodes for p in recipes[name].parts) for name in recipes}
    assert {counts[name] for name in graphs} == {20_000}
    assert counts["founding/umbrella-4/random"] == 200_000
    for recipe in recipes.values():
        # A stream has seeds for no more.
        assert all(part.num_episodes <= seeding.EPISODES_PER_STREAM for part in recipe.parts)
    for name in ("cartpole", "door_key"):
        described = datasets.describe(recipes[f"founding/{name}/random"])
        assert described["keep"].startswith("few_")
