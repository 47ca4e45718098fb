"""The T-maze: the cue is shown once, the turn is judged by it, and nothing else pays."""

import gymnasium
import numpy as np
import pytest

from jax_s4rl.envs import reference_policies, reference_scores, t_maze


def walk(env, turn=None, seed=0):
    """Walks straight on and turns; to the side of the cue if None."""
    observation, info = env.reset(seed=seed)
    shown = [observation]
    side = int(np.argmax(observation[:2]))
    for _ in range(env.unwrapped.length - 1):
        assert info["action_mask"].tolist() == [1, 0, 0]
        observation, reward, terminated, truncated, info = env.step(t_maze.FORWARD)
        assert (reward, terminated, truncated) == (0.0, False, False)
        shown.append(observation)
    assert info["action_mask"].tolist() == [0, 1, 1]
    return shown, env.step([t_maze.UP, t_maze.DOWN][side] if turn is None else turn)


@pytest.mark.parametrize("length", [2, 3, 50])
def test_the_right_turn_pays_and_the_wrong_one_does_not(length):
    env = t_maze.TMazeEnv(length)
    _, (_, reward, terminated, truncated, info) = walk(env, seed=1)
    assert (reward, terminated, truncated, info["is_success"]) == (1.0, True, False, True)
    paid = [walk(env, turn, seed=1)[1][1] for turn in (t_maze.UP, t_maze.DOWN)]
    assert sorted(paid) == [0.0, 1.0]


def test_the_cue_is_shown_once_or_always():
    once, _ = walk(t_maze.TMazeEnv(5))
    assert [row[:2].sum() for row in once] == [1, 0, 0, 0, 0]
    assert [row[2:].tolist() for row in once] == [[0, 0], [1, 0], [1, 0], [1, 0], [0, 1]]
    always, _ = walk(t_maze.TMazeEnv(5, cue="always"))
    assert [row[:2].sum() for row in always] == [1] * 5
    np.testing.assert_array_equal([row[2:] for row in always[1:]], [row[2:] for row in once[1:]])


def test_both_sides_are_equally_likely():
    env = t_maze.TMazeEnv(2)
    sides = [env.reset(seed=seed)[0][0] for seed in range(400)]
    assert 0.4 < np.mean(sides) < 0.6


def test_bumping_costs_time_alone():
    env = t_maze.TMazeEnv(3)
    env.reset(seed=0)
    observation, reward, *_ = env.step(t_maze.UP)
    assert observation[:2].sum() == 1
    assert reward == 0.0
    ends = [env.step(t_maze.FORWARD)[2:4] for _ in range(5)]
    assert ends == [(False, False)] * 4 + [(False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(t_maze.FORWARD)


def test_noise_is_on_every_entry_and_follows_the_seed():
    shown = [walk(t_maze.TMazeEnv(200, noise=0.5), seed=3)[0] for _ in range(2)]
    np.testing.assert_array_equal(*shown)
    flags = walk(t_maze.TMazeEnv(200), seed=3)[0]
    spread = (np.array(shown[0][1:]) - flags[1:]).std(0)
    np.testing.assert_allclose(spread, 0.5, rtol=0.2)


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"length": 1}, "length=1"),
        ({"cue": "last"}, "first, always"),
        ({"noise": -1.0}, "noise=-1"),
        ({"noise": float("nan")}, "noise=nan"),
    ],
)
def test_bad_arguments_are_named(kwargs, named):
    with pytest.raises(ValueError, match=named):
        t_maze.TMazeEnv(**kwargs)


@pytest.mark.parametrize("length", [2, 5])
def test_the_reference_policies_have_the_reference_scores(length):
    env = gymnasium.make("jax_s4rl/TMaze-v0", length=length)
    reference = reference_scores.scores("jax_s4rl/TMaze-v0", length=length)
    best = reference_policies.play(env, reference_policies.optimal(env), 50, seed=0)
    random = reference_policies.play(env, reference_policies.uniform(env, seed=0), 4000, seed=0)
    assert best.mean() == reference.optimal == 1.0
    assert abs(random.mean() - reference.random) < 4 * random.std() / 4000**0.5
