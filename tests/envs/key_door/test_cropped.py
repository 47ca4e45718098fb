"""The published key-to-door: its rooms, its view, apples that grow again, and random play."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs.key_door import cropped

LEFT, RIGHT, UP, DOWN = range(4)


def view(observation):
    return observation.reshape(5, 5, 6).argmax(axis=2)


def start(seed=0, steps=90, **places):
    env = cropped.CroppedKeyToDoorEnv(steps)
    env.reset(seed=seed)
    for name, value in places.items():
        setattr(env, f"_{name}", value)
    env._enter(0)
    return env


def test_rooms_are_those_of_the_paper():
    first, second, last = cropped.ROOMS
    assert [len(room.starts) for room in cropped.ROOMS] == [10, 1, 1]
    assert [len(room.places) for room in cropped.ROOMS] == [10, 22, 1]
    # Ten cells, a gap of three, ten cells; five rows of nine; three by three.
    assert [room.walls.sum() for room in (first, second, last)] == [7 * 7 - 23, 77 - 45, 25 - 10]
    for room in cropped.ROOMS:
        assert not any(room.walls[cell] for cell in (*room.starts, *room.places))
    ((row, column),) = last.starts
    assert last.places == ((row - 2, column),)


def test_the_key_is_taken_once_and_marked_for_one_step():
    env = start(key=(2, 5), start=(4, 5))
    seen = [env.step(action) for action in (UP, UP, DOWN, UP)]
    # The key lies two cells up until it is taken, and the mark is in the wall above.
    assert view(env._observation())[2, 2] == cropped.FLOOR
    boards = [view(step[0]) for step in seen]
    assert boards[0][1, 2] == cropped.KEY
    assert [(board == cropped.MARK).sum() for board in boards] == [0, 1, 0, 0]
    assert boards[1][0, 2] == cropped.MARK
    assert not any((board == cropped.KEY).any() for board in boards[1:])
    assert [step[4]["key_step"] for step in seen] == [-1, 2, 2, 2]


@pytest.mark.parametrize(("key", "has_key"), [((2, 5), True), ((1, 3), False)])
def test_the_door_lets_pass_and_pays_with_the_key_alone(key, has_key):
    env = start(steps=0, key=key, start=(4, 5))
    for _ in range(15):
        env.step(UP)
    assert env.room == 2
    assert view(env._observation())[0, 2] == cropped.DOOR
    rewards = [env.step(action)[1] for action in (UP, UP, DOWN, UP)]
    assert rewards == ([0, 10, 0, 0] if has_key else [0, 0, 0, 0])
    assert (env.cell == (1, 5)) == has_key
    results = [env.step(DOWN)[2] for _ in range(11)]
    assert results == [False] * 10 + [True]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(UP)


def test_an_apple_comes_back_after_twenty_steps():
    env = start(apples=[(5, 7)], apple_value=10.0)
    for _ in range(15):
        env.step(DOWN)
    assert env.cell == (5, 5)
    assert view(env._observation())[2, 4] == cropped.APPLE
    assert [env.step(RIGHT)[1] for _ in range(2)] == [0, 10]
    # It stays away for twenty steps, and is eaten in the step after it has come back.
    rewards = [env.step(DOWN)[1] for _ in range(22)]
    assert rewards == [0] * 21 + [10]
    assert env.step(DOWN)[4]["apples"] == 2


def test_every_episode_has_ten_apples_of_one_value():
    env = cropped.CroppedKeyToDoorEnv()
    drawn = set()
    for seed in range(40):
        env.reset(seed=seed)
        assert len(set(env._apples)) == 10
        drawn.add((env._apple_value, env._key in cropped.ROOMS[0].places))
    assert drawn == {(1.0, True), (10.0, True)}
    assert len({tuple(env.reset(seed=seed)[0]) for seed in range(30)}) > 5


def test_random_play_has_the_published_chances():
    found = cropped.chances()
    assert round(found.key, 3) == 0.103
    assert round(found.door, 3) == 0.274
    assert cropped.chances(0).apples == 0
    # By play: each within three standard errors.
    rng, infos, returns = np.random.default_rng(0), [], []
    env = cropped.CroppedKeyToDoorEnv(30)
    for seed in range(1500):
        env.reset(seed=seed)
        steps = [env.step(action) for action in rng.integers(4, size=env.max_steps)]
        infos.append(steps[-1][4])
        returns.append(sum(step[1] for step in steps))
    short = cropped.chances(30)
    key = np.array([info["has_key"] for info in infos])
    samples = [
        (key, short.key),
        (np.array([info["is_success"] for info in infos])[key], short.door),
        (np.array([info["apples"] for info in infos]), short.apples),
        (np.array(returns), short.mean_return),
    ]
    for values, expected in samples:
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - expected) < 3 * error


def test_a_negative_length_is_refused():
    with pytest.raises(ValueError, match="got distractor_steps=-1"):
        cropped.CroppedKeyToDoorEnv(-1)
