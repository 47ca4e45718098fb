"""DoorKey's table: its states follow each other as in MiniGrid, and scores are those of play."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import door_key_play, minigrid_door_key, reference_policies, reference_scores


def test_states_follow_each_other_as_in_minigrid():
    env = minigrid_door_key.MiniGridDoorKeyEnv()
    generator = np.random.default_rng(0)
    starts, doors = set(), set()
    for seed in range(40):
        env.reset(seed=seed)
        state, row = door_key_play.state_of(env)
        table = door_key_play.tabulate(row)
        assert table.numbers[state] in table.starts
        starts.add((state, row))
        for _ in range(env.max_steps):
            # Uniform play alone would hardly ever open the door.
            best = door_key_play.best_action(state, row)
            action = best if generator.random() < 0.3 else int(generator.integers(7))
            wanted = door_key_play.follow(state, action, row)
            _, _, terminated, truncated, _ = env.step(action)
            assert terminated == (wanted is None)
            if terminated or truncated:
                break
            state, _ = door_key_play.state_of(env)
            assert state == wanted
            doors.add(state.door)
    assert len(starts) > 15
    assert doors == {door_key_play.LOCKED, door_key_play.CLOSED, door_key_play.OPEN}


def test_starts_of_minigrid_are_equally_likely():
    env = minigrid_door_key.MiniGridDoorKeyEnv()
    seen = {}
    for seed in range(1_000):
        env.reset(seed=seed)
        found = door_key_play.state_of(env)
        seen[found] = seen.get(found, 0) + 1
    assert len(seen) == len(door_key_play.optimal_steps()) == 48
    # About 21 of each, with a standard deviation of 4.5.
    assert 4 <= min(seen.values()) <= max(seen.values()) <= 45


def test_every_state_leads_to_the_goal_in_as_many_steps_as_it_says():
    for row in door_key_play.DOOR_ROWS:
        table, steps = door_key_play.tabulate(row), door_key_play.steps_to_goal(row)
        assert steps[-1] == 0
        for state, number in list(table.numbers.items())[::37]:
            here, count = state, 0
            while here is not None:
                here = door_key_play.follow(here, door_key_play.best_action(here, row), row)
                count += 1
            assert count == steps[number]


def test_chances_are_those_of_one_arrival():
    chances = door_key_play.arrival_chances()
    assert chances[: door_key_play.optimal_steps().min()].sum() == 0
    assert (chances >= 0).all()
    assert 0 < chances.sum() < 1


@pytest.mark.slow
def test_the_reference_policies_have_the_reference_scores():
    env = gymnasium.make("jax_s4rl/MiniGridDoorKey-v0")
    reference = reference_scores.scores("jax_s4rl/MiniGridDoorKey-v0")
    best = reference_policies.play(env, reference_policies.optimal(env), 300, seed=0)
    random = reference_policies.play(env, reference_policies.uniform(env, seed=0), 300, seed=0)
    for played, wanted in ((best, reference.optimal), (random, reference.random)):
        assert abs(played.mean() - wanted) < 4 * played.std() / 300**0.5
