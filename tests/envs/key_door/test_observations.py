import numpy as np
import pytest
from minigrid.core.constants import OBJECT_TO_IDX

from jax_s4rl.envs.key_door import environment, layout, optimal_play

MODES = ("position", "onehot", "visible", "full", "image")


def worlds(**fields):
    return {mode: environment.KeyDoorEnv(obs=mode, **fields) for mode in MODES}


def test_all_modes_show_the_same_place():
    envs = worlds()
    actions = np.random.default_rng(0).integers(6, size=150)
    seen = {
        mode: [env.reset(seed=0)[0], *(env.step(action)[0] for action in actions)]
        for mode, env in envs.items()
    }
    columns = zip(*(seen[mode] for mode in MODES), strict=True)
    for position, onehot, visible, full, image in columns:
        room, x, y = position
        assert onehot.sum() == 1
        assert onehot[room * 25 + y * 5 + x] == 1
        np.testing.assert_array_equal(full[:75], onehot)
        np.testing.assert_array_equal(visible[:75], onehot)
        assert image[1 + x, 1 + y, 0] == OBJECT_TO_IDX["agent"]
        assert (image[..., 0] == OBJECT_TO_IDX["agent"]).sum() == 1


def test_full_shows_what_is_left_and_what_is_in_hand():
    env = environment.KeyDoorEnv(obs="full")
    observation, _ = env.reset(seed=0)
    hand, maps, apples = observation[75:77], observation[77:127].reshape(2, 25), observation[127:]
    assert observation.shape == (152,)
    assert not hand.any()
    assert tuple(maps.argmax(axis=1)) == env.layout.keys
    assert set(np.flatnonzero(apples)) == set(env.layout.apples)
    env.cell = env.layout.keys[0]
    observation = env.step(environment.PICK_UP)[0]
    assert observation[75:77].tolist() == [1, 0]
    assert not observation[77:102].any()
    env.cell = layout.door_cell(5)
    env.step(environment.NEXT_ROOM)
    env.cell = env.layout.apples[3]
    observation = env.step(environment.PICK_UP)[0]
    assert set(np.flatnonzero(observation[127:])) == set(env.layout.apples) - {env.layout.apples[3]}


def test_visible_shows_the_room_of_the_agent_and_no_key_in_hand():
    env = environment.KeyDoorEnv(obs="visible", layout="random")
    observation, _ = env.reset(seed=1)
    assert observation.shape == (125,)
    keys, apples = env.layout.keys, set(env.layout.apples)
    assert np.flatnonzero(observation[75:]).tolist() == [keys[0]]
    env.cell = keys[0]
    assert not env.step(environment.PICK_UP)[0][75:].any()
    env.cell = layout.door_cell(5)
    observation = env.step(environment.NEXT_ROOM)[0]
    assert np.flatnonzero(observation[75:100]).tolist() == [keys[1]]
    assert set(np.flatnonzero(observation[100:])) == apples
    env.cell = first = env.layout.apples[0]
    assert set(np.flatnonzero(env.step(environment.PICK_UP)[0][100:])) == apples - {first}


def test_visible_is_the_same_with_and_without_a_key_once_its_room_is_left():
    env = environment.KeyToDoorEnv("dt", obs="visible")
    seen = []
    for takes_key in (False, True):
        env.reset(seed=3)
        for action in optimal_play.plan(env.settings, env.layout)[:15] if takes_key else []:
            env.step(action)
        assert env.keys == ({0} if takes_key else set())
        env.room, env.cell, env.step_count = 2, layout.spawn_cell(5), 50
        seen.append(env.step(1)[0])
    np.testing.assert_array_equal(*seen)


def test_with_the_timer_full_shows_whether_the_door_was_opened():
    env = environment.KeyToDoorEnv(preset="dt")
    env.reset(seed=0)
    env.room, env.cell, env.keys, env.step_count = 2, layout.door_cell(5) - 1, {0}, 50
    observation, reward, *_ = env.step(1)
    assert (observation[76], reward) == (1.0, 1.0)
    assert env.reset(seed=0)[0][76] == 0.0


def test_the_image_follows_the_world():
    env = environment.KeyDoorEnv(obs="image")
    image, _ = env.reset(seed=0)
    assert image.shape == (7, 7, 3)
    key = env.layout.keys[0]
    place = 1 + key % 5, 1 + key // 5
    assert image[(*place, 0)] == OBJECT_TO_IDX["key"]
    env.cell = key
    env.step(environment.PICK_UP)
    env.cell = layout.door_cell(5)
    assert env.step(2)[0][(*place, 0)] == OBJECT_TO_IDX["empty"]
    assert env.step(3)[0][6, 3].tolist()[::2] == [OBJECT_TO_IDX["door"], 2], (
        "the door in the wall is locked"
    )
    assert (env.step(environment.NEXT_ROOM)[0][..., 0] == OBJECT_TO_IDX["ball"]).sum() == 10


@pytest.mark.parametrize(
    "env", [environment.KeyDoorEnv(obs="image"), environment.KeyToDoorEnv("low_var", obs="image")]
)
def test_the_image_is_minigrid_s_own_of_the_moment(env):
    env.reset(seed=0)
    for action in optimal_play.plan(env.settings, env.layout)[:-1]:
        image = env.step(action)[0]
        expected = env.grid.encode()[env.room * 6 : env.room * 6 + 7]
        expected[1 + env.cell % 5, 1 + env.cell // 5] = image[1 + env.cell % 5, 1 + env.cell // 5]
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("mode", MODES)
def test_observations_are_fresh_arrays(mode):
    env, spoiled = (environment.KeyDoorEnv(obs=mode) for _ in range(2))
    env.reset(seed=0)
    spoiled.reset(seed=0)[0][:] = 7
    for action in (1, 1, 2, 4):
        first, second = env.step(action)[0], spoiled.step(action)[0]
        np.testing.assert_array_equal(first, second)
        second[:] = 7


@pytest.mark.parametrize("mode", ["position", "onehot", "visible", "image"])
def test_what_is_in_hand_is_hidden(mode):
    env = environment.KeyDoorEnv(obs=mode)
    seen = []
    for keys in (set(), {0}):
        env.reset(seed=0)
        env.keys, env.room = keys, 1
        seen.append(env.step(0)[0])
    np.testing.assert_array_equal(*seen)
