import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs.key_door import environment, layout, optimal_play

LEFT, RIGHT, UP, DOWN, PICK_UP, NEXT_ROOM = range(6)
DOOR = layout.door_cell(5)


def play(env, actions):
    rewards = []
    for action in actions:
        _, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        if terminated or truncated:
            break
    return np.array(rewards), terminated, truncated, info


def at(env, room, cell, keys=()):
    env.reset(seed=0)
    env.room, env.cell, env.keys = room, cell, set(keys)
    return env


def test_moves_are_absolute_and_walls_stop():
    env = environment.KeyDoorEnv()
    observation, info = env.reset(seed=0)
    assert observation.tolist() == [0, 0, 2]
    for action, expected in [
        (LEFT, [0, 0, 2]),
        (RIGHT, [0, 1, 2]),
        (UP, [0, 1, 1]),
        (DOWN, [0, 1, 2]),
        (LEFT, [0, 0, 2]),
    ]:
        observation, reward, terminated, truncated, info = env.step(action)
        assert observation.tolist() == expected
        assert (reward, terminated, truncated) == (0.0, False, False)
    assert info == {
        "has_key": False,
        "room": 0,
        "apples": 0,
        "key_step": -1,
        "door_opened": False,
        "is_success": False,
    }


def test_the_best_episode_returns_eleven():
    env = environment.KeyDoorEnv()
    env.reset(seed=0)
    actions = optimal_play.plan(env.settings, env.layout)
    rewards, terminated, truncated, info = play(env, actions)
    assert (rewards.sum(), terminated, truncated) == (11.0, True, False)
    assert rewards[-1] == 1.0
    assert info["is_success"]
    assert info["apples"] == 10
    assert info["key_step"] == actions.index(PICK_UP) + 1


def test_a_door_needs_its_own_key():
    env = environment.KeyDoorEnv()
    assert at(env, 0, DOOR).step(NEXT_ROOM)[4]["room"] == 0
    assert at(env, 0, DOOR, {1}).step(NEXT_ROOM)[4]["room"] == 0
    assert at(env, 0, DOOR, {0}).step(NEXT_ROOM)[4]["room"] == 1
    assert env.cell == layout.spawn_cell(5)
    assert at(env, 0, DOOR - 1, {0}).step(NEXT_ROOM)[4]["room"] == 0, "only from its own cell"
    assert at(env, 1, DOOR, {0}).step(NEXT_ROOM)[4]["room"] == 1
    _, reward, terminated, _, info = at(env, 1, DOOR, {0, 1}).step(NEXT_ROOM)
    assert (reward, terminated, info["is_success"]) == (1.0, True, True)


def test_things_are_taken_from_the_own_cell_once():
    env = environment.KeyDoorEnv()
    cell = env.layout.apples[0]
    assert at(env, 1, cell).step(PICK_UP)[1] == 1.0
    assert env.step(PICK_UP)[1] == 0.0
    assert env.step(RIGHT)[4]["apples"] == 1


def test_all_apples_at_once_pay_with_the_last():
    env = environment.KeyDoorEnv(apple_mode="all")
    env.reset(seed=0)
    rewards, *_ = play(env, optimal_play.plan(env.settings, env.layout))
    assert sorted(rewards[rewards > 0]) == [1.0, 10.0]


def test_two_rooms_end_with_the_last_apple():
    env = environment.KeyDoorEnv(n_rooms=2)
    env.reset(seed=0)
    rewards, terminated, _, info = play(env, optimal_play.plan(env.settings, env.layout))
    assert (rewards.sum(), terminated, info["is_success"], info["door_opened"]) == (
        10.0,
        True,
        True,
        False,
    )


def test_the_clock_truncates_a_door_world():
    env = environment.KeyDoorEnv(max_steps=3)
    env.reset(seed=0)
    rewards, terminated, truncated, _ = play(env, [LEFT] * 10)
    assert (len(rewards), terminated, truncated) == (3, False, True)


@pytest.mark.parametrize("distractor_steps", [0, 30, 300])
def test_the_timer_leads_from_room_to_room(distractor_steps):
    env = environment.KeyToDoorEnv("dt", distractor_steps)
    env.reset(seed=0)
    rooms, is_over = [], False
    while not is_over:
        _, reward, is_over, truncated, info = env.step(LEFT)
        rooms.append(info["room"])
        assert (reward, truncated) == (0.0, False)
    assert rooms == [0] * 14 + [1] * distractor_steps + [2] * 16


def test_with_the_timer_only_the_key_makes_the_door_pay_and_only_once():
    env = environment.KeyToDoorEnv("dt")
    for keys, expected in [((), 0.0), ((0,), 1.0)]:
        at(env, 2, DOOR - 1, keys).step_count = 48
        rewards, terminated, _, info = play(env, [RIGHT, LEFT, RIGHT] + [RIGHT] * 20)
        assert (rewards.sum(), terminated, len(rewards)) == (expected, True, 12)
        assert info["is_success"] == info["door_opened"] == bool(keys)
    assert at(env, 0, DOOR - 1, (0,)).step(RIGHT)[4]["room"] == 0, "the first rooms have no door"


def test_an_apple_is_worth_one_or_ten_by_the_episode():
    env = environment.KeyToDoorEnv("high_var")
    values = []
    for seed in range(200):
        env.reset(seed=seed)
        rewards, *_ = play(env, optimal_play.plan(env.settings, env.layout))
        values.append(env.apple_value)
        assert rewards.sum() == 10 * env.apple_value + 10
    assert set(values) == {1.0, 10.0}
    assert abs(np.mean(values) - 5.5) < 3 * 4.5 / np.sqrt(200)


def test_a_random_layout_follows_the_seed_and_a_fixed_one_does_not():
    random, fixed = environment.KeyDoorEnv(layout="random"), environment.KeyDoorEnv()
    layouts = []
    for seed in (1, 2, 1):
        random.reset(seed=seed)
        layouts.append(random.layout)
        before = fixed.layout
        fixed.reset(seed=seed)
        assert fixed.layout == before
    assert layouts[0] == layouts[2] != layouts[1]


def test_a_layout_can_be_asked_for():
    env = environment.KeyDoorEnv(n_apples=1)
    env.reset(options={"layout": ((0, 1), (2,))})
    assert env.layout == layout.Layout(keys=(0, 1), apples=(2,))
    with pytest.raises(ValueError, match="cells of their own"):
        env.reset(options={"layout": ((0, 1), (1,))})


def test_bad_input_is_one_clear_sentence():
    env = environment.KeyToDoorEnv()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions 0 to 3"):
        env.step(PICK_UP)
    play(env, [LEFT] * 60)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_the_picture_changes_with_the_world():
    env = environment.KeyDoorEnv(render_mode="rgb_array", tile_size=8)
    env.reset(seed=0)
    first = env.render()
    env.step(RIGHT)
    assert first.shape == (64, 152, 3)
    assert (env.render() != first).any()
