"""Events read from full observations are those that the world itself tells in its infos."""

import itertools

import numpy as np
import pytest

from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import trajectories
from jax_s4rl.envs import registry
from jax_s4rl.envs.key_door import layout
from jax_s4rl.evaluation import key_door

WORLDS = [
    ("jax_s4rl/KeyToDoor-v0", {"preset": "dt"}),
    ("jax_s4rl/KeyToDoor-v0", {"preset": "low_var", "size": 4}),
    ("jax_s4rl/KeyDoor-v0", {"obs": "full", "size": 4, "n_apples": 2, "max_steps": 400}),
    (
        "jax_s4rl/KeyDoor-v0",
        {"obs": "full", "size": 3, "n_rooms": 2, "n_apples": 2, "max_steps": 200},
    ),
]


def play(env_id, kwargs, count=60):
    """Random and optimal episodes in full observations, and the world that they are from."""

    def make_env():
        return registry.make(env_id, **kwargs)

    world = make_env()
    uniform = recording.record_episodes(
        make_env, behaviors.uniform(world.action_space), count, seed=0
    )
    optimal = recording.record_episodes(make_env, behaviors.Optimal(), 5, seed=1)
    return trajectories.concatenate([uniform, optimal]), world


def told(record, world):
    """Infos of every step of every episode, played again."""
    everything = []
    for episode in record.episodes():
        _, info = world.reset(seed=episode.seed)
        infos = [info]
        for action in episode.actions.tolist():
            infos.append(world.step(action)[-1])
        everything.append(infos)
    return everything


def read(record, world):
    encoder = world.unwrapped.encoder
    return key_door.events(record, encoder, door_cell=layout.door_cell(encoder.size))


@pytest.mark.parametrize(("env_id", "kwargs"), WORLDS)
def test_events_are_what_the_world_says(env_id, kwargs):
    record, world = play(env_id, kwargs)
    happened, infos = read(record, world), told(record, world)
    final = [episode[-1] for episode in infos]
    assert happened.has_key.tolist() == [info["has_key"] for info in final]
    # The world counts the first action as step 1.
    assert [step + 1 if step >= 0 else -1 for step in happened.key_step] == [
        info["key_step"] for info in final
    ]
    assert happened.apples.tolist() == [info["apples"] for info in final]
    assert happened.success.tolist() == [info["is_success"] for info in final]
    assert happened.rooms.tolist() == [max(info["room"] for info in episode) for episode in infos]
    assert happened.success[-5:].all()
    assert not happened.success[:-5].all()


def test_the_door_is_reached_with_the_key_or_without():
    record, world = play("jax_s4rl/KeyToDoor-v0", {"preset": "dt"}, count=150)
    happened = read(record, world)
    np.testing.assert_array_equal(happened.success, happened.has_key & happened.at_door)
    assert (happened.at_door & ~happened.has_key).any()
    assert (happened.door_step[happened.at_door] >= 45).all()
    # The reward is paid by the action that leads onto the door.
    paid = [int(episode.rewards.argmax()) for episode in record.episodes() if episode.rewards.any()]
    assert happened.door_step[happened.success].tolist() == paid


@pytest.mark.slow
def test_rates_of_random_play_are_near_the_exact_chances():
    def make_env():
        return registry.make("jax_s4rl/KeyToDoor-v0")

    world = make_env()
    record = recording.record_episodes(make_env, behaviors.uniform(world.action_space), 400, seed=3)
    found = key_door.rates(read(record, world))
    for got, chance in ((found.key, 0.28), (found.door, 0.10), (found.success, 0.027)):
        assert abs(got - chance) < 4 * np.sqrt(chance * (1 - chance) / 400)
    assert found.second_room == found.last_room == 1.0
    assert found.success_given_key == pytest.approx(found.success / found.key)
    assert 1 <= found.steps_to_key <= 15


def test_the_key_cell_is_where_it_lies_at_the_start():
    record, world = play("jax_s4rl/KeyToDoor-v0", {"preset": "dt"}, count=20)
    happened = read(record, world)
    for episode, cell in zip(record.episodes(), happened.key_cell, strict=True):
        world.reset(seed=episode.seed)
        assert world.unwrapped.layout.keys[0] == cell
    assert key_door.key_coverage(happened) == len(set(happened.key_cell[happened.success]))


def make_events(key_step, success=None):
    key_step = np.asarray(key_step)
    none = np.full(len(key_step), -1)
    return key_door.Events(
        none, key_step, none, none, none, key_step > 99 if success is None else success
    )


def test_the_lift_compares_the_top_with_the_bottom_tenth():
    key_step = np.full(100, -1)
    key_step[:5], key_step[90:] = 3, 3  # half of the least asked, and all of the most asked
    targets = np.repeat(np.arange(10.0), 10)
    assert key_door.key_lift(make_events(key_step), targets) == 0.5
    with pytest.raises(ValueError, match="give at least two target returns"):
        key_door.key_lift(make_events(key_step), np.ones(100))


def test_shares_of_nothing_are_no_numbers():
    found = key_door.rates(make_events([-1, -1]))
    assert found.key == 0.0
    assert np.isnan(found.success_given_key)
    assert np.isnan(found.steps_to_key)


def test_other_observations_are_refused():
    env_id, kwargs = "jax_s4rl/KeyDoor-v0", {}
    world = registry.make(env_id, **kwargs)
    record = recording.record_episodes(
        lambda: registry.make(env_id), behaviors.uniform(world.action_space), 1, seed=0
    )
    with pytest.raises(ValueError, match="play the episodes again with obs='full'"):
        read(record, world)


def test_episodes_seen_otherwise_are_read_after_playing_them_again():
    position = {"layout": "random", "obs": "position", "preset": "dt"}
    full = position | {"obs": "full"}
    record, _ = play("jax_s4rl/KeyToDoor-v0", full, count=20)
    hidden = recording.reenact(lambda: registry.make("jax_s4rl/KeyToDoor-v0", **position), record)
    world = registry.make("jax_s4rl/KeyToDoor-v0", **full)
    again = recording.reenact(lambda: world, hidden)
    for got, wanted in zip(read(again, world), read(record, world), strict=True):
        np.testing.assert_array_equal(got, wanted)


TINY = {"preset": "dt", "size": 2, "phase_steps": (3, 1, 2), "layout": "fixed"}


def every_way(make_env, num_moves, num_steps):
    """Every sequence of moves, played once."""
    env, episodes = make_env(), []
    for moves in itertools.product(range(num_moves), repeat=num_steps):
        seen = [env.reset(seed=0)[0]]
        outcomes = [env.step(move) for move in moves]
        seen += [outcome[0] for outcome in outcomes]
        episodes.append(
            trajectories.Episode(
                observations=np.stack(seen[:-1]),
                actions=np.array(moves),
                rewards=np.array([outcome[1] for outcome in outcomes]),
                terminations=np.array([outcome[2] for outcome in outcomes]),
                truncations=np.zeros(num_steps, bool),
                final_observation=seen[-1],
                seed=0,
            )
        )
    return trajectories.from_episodes(episodes)


def test_the_exact_credit_of_random_play_is_that_of_counting():
    world = registry.make("jax_s4rl/KeyToDoor-v0", **TINY).unwrapped
    record = every_way(lambda: world, 4, 6)
    found = key_door.random_play_credit(record, world.encoder, world.settings).reshape(-1, 6)
    moves, success = record.actions.reshape(-1, 6), record.episode_returns > 0
    assert 0.01 < success.mean() < 0.5
    for step in range(6):
        # Episodes whose moves were the same so far, by their number in base 4, and of one outcome.
        history = moves[:, :step] @ 4 ** np.arange(step)[::-1]
        groups = 2 * history + success
        totals = np.bincount(groups)[groups]
        same = np.bincount(4 * groups + moves[:, step])[4 * groups + moves[:, step]]
        np.testing.assert_allclose(found[:, step], np.log(4 * same / totals), atol=1e-12)
    assert np.abs(found).max() > 0.5


@pytest.mark.parametrize(("preset", "sentence"), [("low_var", "10 apples"), ("dt", "obs='full'")])
def test_worlds_without_an_exact_credit_are_refused(preset, sentence):
    kwargs = {"preset": preset} | ({"obs": "position"} if preset == "dt" else {})
    world = registry.make("jax_s4rl/KeyToDoor-v0", **kwargs).unwrapped
    record = recording.record_episodes(
        lambda: world, behaviors.uniform(world.action_space), 1, seed=0, num_envs=1
    )
    with pytest.raises(ValueError, match=sentence):
        key_door.random_play_credit(record, world.encoder, world.settings)
