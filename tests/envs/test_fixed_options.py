"""Every reset has the options that were fixed; those of one call come on top."""

from jax_s4rl.envs import fixed_options, random_walk


def test_every_episode_starts_as_told():
    env = fixed_options.FixedOptions(random_walk.RandomWalkEnv(), {"start": 7})
    assert {env.reset(seed=seed)[0] for seed in range(5)} == {7}
    assert env.reset()[0] == 7
    assert env.reset(seed=0, options={"start": 3})[0] == 3


def test_nothing_else_is_changed():
    plain, fixed = random_walk.RandomWalkEnv(), fixed_options.FixedOptions(random_walk.RandomWalkEnv(), {"start": 7})
    assert plain.reset(seed=0, options={"start": 7})[0] == fixed.reset(seed=0)[0]
    for target in (1, 4, 9):
        assert plain.step(target)[:4] == fixed.step(target)[:4]
