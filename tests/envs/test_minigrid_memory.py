"""MiniGrid's Memory as a vector: MiniGrid's own world, both views, and the reference scores."""

import gymnasium
import numpy as np
import pytest
from minigrid.wrappers import FullyObsWrapper, ImgObsWrapper

from jax_s4rl.envs import minigrid_memory, reference_policies, reference_scores, registry


def whole_image(env):
    return ImgObsWrapper(FullyObsWrapper(env))


@pytest.mark.parametrize(("view", "wrapper"), [("own", ImgObsWrapper), ("whole", whole_image)])
def test_it_is_minigrid_s_world_with_other_observations(view, wrapper):
    theirs = wrapper(registry.make("MiniGrid-MemoryS7-v0"))
    ours = minigrid_memory.MiniGridMemoryEnv(view)
    for seed in range(3):
        seen, expected = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
        for action in np.random.default_rng(seed).integers(7, size=300):
            np.testing.assert_array_equal(seen, expected.reshape(-1))
            (seen, *result), (expected, *other) = ours.step(int(action)), theirs.step(int(action))
            assert result[:2] == other[:2]
            assert any(result[1:3]) == any(other[1:3])
            if any(result[1:3]):
                assert result[3]["is_success"] == (other[0] > 0)
                break


def test_the_plan_sees_the_first_object_before_it_goes():
    env = minigrid_memory.MiniGridMemoryEnv()
    columns = set()
    for seed in range(40):
        env.reset(seed=seed)
        columns.add(int(env.agent_pos[0]))
        seen = [sees_the_first_object(env)]
        for action in minigrid_memory.plan(env):
            _, reward, terminated, _, _ = env.step(action)
            seen.append(sees_the_first_object(env))
        assert terminated
        assert reward > 0
        assert any(seen[:2])
    assert columns == {1, 2, 3, 4}


def sees_the_first_object(env):
    place = env.relative_coords(1, 2)
    _, mask = env.gen_obs_grid()
    return place is not None and bool(mask[place])


def test_the_whole_view_tells_the_right_side():
    """Object of the start room, and objects at the end: all that decides is in one observation."""
    env = minigrid_memory.MiniGridMemoryEnv("whole")
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        kinds = observation.reshape(7, 7, 3)[..., 0]
        is_above = kinds[1, 2] == kinds[5, 1]
        assert is_above != (kinds[1, 2] == kinds[5, 5])
        assert (env.success_pos[1] < 3) == is_above


@pytest.mark.parametrize("view", minigrid_memory.VIEWS)
def test_the_optimal_policy_has_the_optimal_score(view):
    env = minigrid_memory.MiniGridMemoryEnv(view)
    best = reference_policies.play(env, reference_policies.optimal(env), 400, seed=0)
    wanted = reference_scores.scores("jax_s4rl/MiniGridMemory-v0", view=view).optimal
    assert abs(best.mean() - wanted) < 4 * best.std() / 20


def test_random_play_has_the_random_score(monkeypatch):
    # Random play looks at nothing, and pictures take most of the time.
    nothing = np.zeros(147, np.uint8)
    monkeypatch.setattr(minigrid_memory.MiniGridMemoryEnv, "gen_obs", lambda _: nothing)
    env = minigrid_memory.MiniGridMemoryEnv()
    random = reference_policies.play(env, reference_policies.uniform(env, seed=0), 400, seed=0)
    for view in minigrid_memory.VIEWS:
        wanted = reference_scores.scores("jax_s4rl/MiniGridMemory-v0", view=view).random
        assert abs(random.mean() - wanted) < 4 * random.std() / 20


def test_another_view_is_refused():
    with pytest.raises(ValueError, match="view='all', wanted one of own, whole"):
        minigrid_memory.MiniGridMemoryEnv("all")


def test_an_episode_that_is_over_needs_a_reset():
    env = minigrid_memory.MiniGridMemoryEnv()
    env.reset(seed=0)
    for action in minigrid_memory.plan(env):
        env.step(action)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
