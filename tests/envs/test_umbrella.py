import numpy as np
import pytest

from jax_s4rl.envs import bsuite_adapter, umbrella

ID = "umbrella_length/4"  # five steps


def episodes(env, num_episodes=30):
    """Plays at random: observations, rewards and ends; all environments get the same actions."""
    rng = np.random.default_rng(0)
    rows = []
    for episode in range(num_episodes):
        observation, _ = env.reset(seed=3 if episode == 0 else None)
        rows.append((observation, 0.0, False))
        terminated = False
        while not terminated:
            observation, reward, terminated, truncated, info = env.step(int(rng.integers(2)))
            assert not truncated
            assert not info
            rows.append((observation, reward, terminated))
    return (np.array(column) for column in zip(*rows, strict=True))


@pytest.mark.parametrize(
    ("forecast", "reward_noise"), [("always", 1.0), ("first", 1.0), ("always", 0), ("first", 2.0)]
)
def test_only_what_was_asked_for_differs_from_bsuite(forecast, reward_noise):
    theirs, rewards, ends = episodes(bsuite_adapter.BsuiteEnv(ID))
    env = umbrella.UmbrellaEnv(ID, forecast=forecast, reward_noise=reward_noise)
    ours, our_rewards, our_ends = episodes(env)
    np.testing.assert_array_equal(our_ends, ends)
    np.testing.assert_array_equal(our_rewards, np.where(ends, rewards, rewards * reward_noise))
    if forecast == "first":
        is_first = np.concatenate([[True], ends[:-1]])
        theirs[~is_first, :2] = 0
    np.testing.assert_array_equal(ours, theirs)
    assert env.bsuite_info()["total_regret"] == 2 * (rewards[ends] < 0).sum()


def test_without_coins_the_return_is_the_first_action_s():
    env = umbrella.UmbrellaEnv(ID, reward_noise=0)
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        need = int(observation[0])
        for first, wanted in ((need, 1.0), (1 - need, -1.0)):
            env.reset(seed=seed)
            rewards = [env.step(action)[1] for action in (first, 0, 1, 0, 1)]
            assert sum(rewards) == rewards[-1] == wanted


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"bsuite_id": "memory_len/0"}, "'memory_len/0', wanted one of umbrella_length"),
        ({"bsuite_id": "umbrella_length/23"}, "which bsuite does not have"),
        ({"forecast": "never"}, "forecast='never', wanted one of always, first"),
        ({"reward_noise": -1}, "reward_noise=-1, wanted a finite factor"),
        ({"reward_noise": np.nan}, "reward_noise=nan, wanted a finite factor"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        umbrella.UmbrellaEnv(**arguments)
