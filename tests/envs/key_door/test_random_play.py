import numpy as np
import pytest

from jax_s4rl.envs import reference_policies
from jax_s4rl.envs.key_door import config, environment, layout, random_play

# Printed in environments.md, section 1c, with the digits printed there.
PRINTED = 0.006
# The printed returns with doors come from 10,000 simulated episodes each: settings, mean return,
# its standard deviation.
DOOR_WORLDS = [
    ({"size": 4, "max_steps": 100}, 0.31, 0.97),
    ({"size": 4}, 1.58, 2.41),
    ({"max_steps": 100}, 0.09, 0.46),
    ({}, 0.57, 1.40),
    ({"max_steps": 400}, 2.41, 2.96),
    ({"size": 6}, 0.21, 0.79),
]
# Those with the timer come from 40,000 episodes each: preset, fields, success rate, mean return,
# its standard deviation.
TIMER_WORLDS = [
    ("dt", {}, 0.027, 0.027, 0.16),
    ("low_var", {}, 0.026, 4.56, 1.66),
    ("low_var", {"final_reward": 10}, 0.026, 4.79, 2.30),
    ("high_var", {}, 0.027, 44.0, 37.5),
]


@pytest.mark.parametrize(("fields", "mean", "deviation"), DOOR_WORLDS)
def test_door_worlds_agree_with_the_specification(fields, mean, deviation):
    chances = random_play.chances(config.Settings(layout="random", **fields))
    assert chances.mean_return == pytest.approx(mean, abs=3 * deviation / np.sqrt(10_000) + PRINTED)


@pytest.mark.parametrize(("preset", "fields", "success", "mean", "deviation"), TIMER_WORLDS)
def test_timer_worlds_agree_with_the_specification(preset, fields, success, mean, deviation):
    chances = random_play.chances(config.from_preset(preset, None, fields))
    assert chances.key == pytest.approx(0.28, abs=PRINTED)
    assert chances.door == pytest.approx(0.10, abs=PRINTED)
    assert chances.success == pytest.approx(success, abs=3 * 0.162 / np.sqrt(40_000))
    assert chances.mean_return == pytest.approx(mean, abs=3 * deviation / np.sqrt(40_000) + PRINTED)


def test_random_play_of_the_published_test_succeeds_about_as_often_as_published():
    assert random_play.chances(config.from_preset("dt", None, {})).success == pytest.approx(
        0.027, abs=0.005
    )


def test_picking_up_by_an_action_is_much_harder():
    chances = random_play.chances(config.from_preset("dt", None, {"pickup": "action"}))
    assert (round(chances.key, 2), round(chances.door, 2), round(chances.success, 4)) == (
        0.06,
        0.01,
        0.0006,
    )


def test_a_room_by_hand():
    # 2 x 2, entrance bottom left (cell 2), door bottom right (3), key top left (0): the way is up,
    # then down and right.
    settings = config.Settings(size=2, n_apples=0, pickup="auto")
    room = random_play.room(settings, 3, np.array([0]), np.array([-1]))
    np.testing.assert_allclose(
        room.key[:, 0],
        [0, 1 / 4, 1 / 4 + 10 / 64, (16 + 10) / 64 + 9 / 64 + 1 / 64 - 1 / 64],
        atol=0.08,
    )
    assert room.key[1, 0] == 1 / 4
    assert room.left[:3, 0].tolist() == [0, 0, 0]
    assert room.left[3, 0] == 2 / 64, "up, right, down and up, down, right"
    assert not room.item.any()


def simulate(settings, num_episodes):
    env = environment.world(settings)
    policy = reference_policies.uniform(env, seed=1)
    ends = []
    for episode in range(num_episodes):
        env.reset(seed=0 if episode == 0 else None)
        total, is_over = 0.0, False
        while not is_over:
            _, reward, terminated, truncated, info = env.step(policy(None))
            total += reward
            is_over = terminated or truncated
        ends.append((info["has_key"], info["room"] >= 1, info["apples"], info["is_success"], total))
    ends = np.array(ends, float)
    return ends.mean(axis=0), ends.std(axis=0) / np.sqrt(num_episodes)


WORLDS = {
    "small door": config.Settings(size=3, n_apples=3, max_steps=60, layout="random"),
    "small door, touch": config.Settings(size=3, n_apples=3, max_steps=30, pickup="auto"),
    "small timer": config.Settings(
        gate="timer", size=3, n_apples=3, phase_steps=(6, 8, 6), apple_reward=(1, 10)
    ),
    "two rooms": config.Settings(size=3, n_apples=2, n_rooms=2, max_steps=60),
}


@pytest.mark.parametrize("name", WORLDS)
def test_chances_agree_with_simulation(name):
    means, errors = simulate(WORLDS[name], 1500)
    exact = random_play.chances(WORLDS[name])
    expected = np.array(
        [exact.key, exact.second_room, exact.apples, exact.success, exact.mean_return]
    )
    if WORLDS[name].n_rooms == 2:
        means, errors, expected = (np.delete(values, 3) for values in (means, errors, expected))
    # Twenty numbers are compared: four standard errors.
    assert (np.abs(means - expected) <= 4 * errors + 1e-12).all()


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "num_episodes"), [("dt", 10_000), ("low_var", 4_000)])
def test_the_published_tests_agree_with_simulation(preset, num_episodes):
    settings = config.from_preset(preset, None, {"obs": "position"})
    means, errors = simulate(settings, num_episodes)
    exact = random_play.chances(settings)
    expected = np.array(
        [exact.key, exact.second_room, exact.apples, exact.success, exact.mean_return]
    )
    assert (np.abs(means - expected) <= 3 * errors + 1e-12).all()


@pytest.mark.slow
def test_the_paper_s_task_agrees_with_simulation():
    settings = config.Settings(layout="random")
    means, errors = simulate(settings, 2000)
    exact = random_play.chances(settings)
    expected = np.array(
        [exact.key, exact.second_room, exact.apples, exact.success, exact.mean_return]
    )
    assert (np.abs(means - expected) <= 3 * errors).all()


def test_rewards_for_all_apples_at_once_are_refused():
    with pytest.raises(ValueError, match="measure them by simulation"):
        random_play.chances(config.Settings(apple_mode="all"))


def test_reaching_a_cell_is_finding_an_item_there():
    settings = config.from_preset("dt", None, {"size": 3})
    reach, spawn = random_play.reach(settings, 6), layout.spawn_cell(3)
    cells = np.delete(np.arange(9), spawn)
    room = random_play.room(settings, 6, np.full_like(cells, random_play.NOWHERE), cells)
    np.testing.assert_allclose(reach[cells, :, spawn].T, room.item, atol=1e-12)


def test_picking_up_by_an_action_is_no_reaching():
    with pytest.raises(ValueError, match="all actions are moves"):
        random_play.reach(config.Settings(), 2)
