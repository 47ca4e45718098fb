import gymnasium
import numpy as np
import pytest
from bsuite import bsuite, sweep
from gymnasium.utils import env_checker

from jax_s4rl.envs import bsuite_adapter, registry

SEEDED = [
    "umbrella_length/0",
    "umbrella_length/7",
    "umbrella_distract/3",
    "memory_len/5",
    "memory_size/9",
    "cartpole/0",
]
UNSEEDED = ["discounting_chain/2", "bandit/4"]
WRAPPED = ["cartpole/0", "cartpole_noise/3", "catch_scale/1", "bandit_noise/8"]
OTHERS = ["catch/0", "deep_sea/0", "deep_sea_stochastic/0", "mountain_car/0", "cartpole_swingup/5"]
FAMILIES = [*SEEDED, *UNSEEDED, *WRAPPED, *OTHERS]
REQUIRED = [f"umbrella_length/{i}" for i in range(23)] + [
    "umbrella_distract/22",
    "memory_len/22",
    "discounting_chain/19",
]


def bsuites_own(bsuite_id, seed):
    settings = {**sweep.SETTINGS[bsuite_id], **({} if bsuite_id in UNSEEDED else {"seed": seed})}
    return bsuite.load(bsuite_id.split("/")[0], settings)


def play(env, seed, num_steps, actions):
    """(observation, reward, is_last) of every step, resets included."""
    rows = [(env.reset(seed=seed)[0], None, False)]
    for action in actions[:num_steps]:
        if rows[-1][2]:
            rows.append((env.reset()[0], None, False))
            continue
        observation, reward, terminated, truncated, _ = env.step(action)
        rows.append((observation, reward, terminated or truncated))
    return rows


@pytest.mark.parametrize("bsuite_id", [*SEEDED, *UNSEEDED, *WRAPPED])
def test_equal_to_bsuite_step_for_step(bsuite_id):
    theirs = bsuites_own(bsuite_id, seed=11)
    ours = bsuite_adapter.BsuiteEnv(bsuite_id)
    play(ours, 3, 20, [0] * 20)  # what was played before must not matter
    actions = np.random.default_rng(0).integers(ours.action_space.n, size=400)
    expected = [theirs.reset()] + [theirs.step(int(action)) for action in actions]
    for (observation, reward, is_last), time_step in zip(
        play(ours, 11, 400, actions), expected, strict=True
    ):
        np.testing.assert_array_equal(
            observation, np.asarray(time_step.observation, np.float32).ravel()
        )
        assert reward == time_step.reward
        assert is_last == time_step.last()


@pytest.mark.parametrize("bsuite_id", FAMILIES)
def test_gymnasium_accepts_it(bsuite_id):
    env_checker.check_env(registry.make(bsuite_id).unwrapped)


@pytest.mark.parametrize("bsuite_id", REQUIRED)
def test_an_episode_runs_and_stays_in_its_space(bsuite_id):
    env = registry.make(bsuite_id)
    rows = play(env, 0, 200, [1] * 200)
    assert any(is_last for _, _, is_last in rows)
    assert all(env.observation_space.contains(observation) for observation, _, _ in rows)
    assert all(
        observation.dtype == np.float32 and np.isfinite(observation).all()
        for observation, _, _ in rows
    )


def test_observations_are_fresh_arrays():
    env = bsuite_adapter.BsuiteEnv("discounting_chain/0")
    first, _ = env.reset(seed=0)
    before = first.copy()
    second = env.step(1)[0]
    second += 1
    np.testing.assert_array_equal(first, before)
    assert not np.shares_memory(first, second)


def test_without_a_seed_copies_differ():
    # memory_len's own setting has seed 0: with it, all copies in a vector environment would play
    # the same episodes.
    first, second = (
        [row[0][2] for row in play(bsuite_adapter.BsuiteEnv("memory_len/0"), None, 200, [0] * 200)]
        for _ in range(2)
    )
    assert first != second


def test_large_seeds_are_taken_and_differ():
    env = bsuite_adapter.BsuiteEnv("umbrella_length/0")
    draws = {tuple(env.reset(seed=seed)[0]) for seed in (2**32, 2**40, 2**63)}
    assert len(draws) == 3


def test_a_new_seed_keeps_the_counters_and_the_task():
    env = bsuite_adapter.BsuiteEnv("umbrella_length/0")
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        env.step(1 - int(observation[0]))
    assert env.bsuite_info()["total_regret"] == 40.0
    assert env.bsuite_num_episodes == 10_000


def test_the_step_after_the_end_is_refused():
    env = bsuite_adapter.BsuiteEnv("umbrella_length/0")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    assert env.step(0)[2]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_bad_input_is_one_clear_sentence():
    with pytest.raises(ValueError, match="did you mean umbrella_length/"):
        bsuite_adapter.BsuiteEnv("umbrella_length/99")
    with pytest.raises(ValueError, match="an id looks like"):
        bsuite_adapter.BsuiteEnv("!!!")
    env = bsuite_adapter.BsuiteEnv("umbrella_length/0")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions 0 to 1"):
        env.step(2)


def test_it_runs_in_a_vector_environment():
    envs = gymnasium.vector.SyncVectorEnv(
        [lambda: gymnasium.make("jax_s4rl/Bsuite-v0", bsuite_id="umbrella_length/4")] * 2
    )
    observations, _ = envs.reset(seed=[1, 2])
    assert observations.shape == (2, 23)
    observations, rewards, *_ = envs.step(np.array([0, 1]))
    np.testing.assert_array_equal(observations[:, 1], [0.0, 1.0])
    assert np.isin(rewards, [-1.0, 1.0]).all()
    envs.close()
