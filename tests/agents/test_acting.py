"""Acting step by step is what a rollout does."""

import gymnasium
import jax
import numpy as np
import pytest

from jax_s4rl.agents import acting, decision_transformer, tasks
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import configs, policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers
from tests.data import records


def make(mixer="s4d", memory=policy.RESTART):
    record = records.make_record((3, 9), num_actions=2, observation_shape=(4,))
    model = configs.ModelConfig(
        mixer=mixers.MixerConfig(mixer), context_length=4, width=8, num_layers=1
    )
    task = tasks.Task("CartPole-v1", {"max_episode_steps": 9}, "tiny", record, 2, 9)
    config = decision_transformer.configure(decision_transformer.Settings(model), task)
    params = groups.strip(network.init(config, jax.random.key(0)))
    return policy.Policy(config, 9, memory), params, task


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("memory", policy.MEMORIES)
def test_one_episode_is_that_of_a_rollout(memory, greedy):
    acts, params, task = make(memory=memory)
    wanted = rollout.rollout(
        task.make_env, acts, params, [5.0], greedy=greedy, seed=3, lowest_target=1.0
    ).record
    state = acting.start(acts, params, 5.0, greedy=greedy, seed=3)
    env = task.make_env()
    observation, _ = env.reset(seed=3)
    taken, reward, over = [], 0.0, False
    while not over:
        action, state = acting.act(state, task.encoders, observation, reward, lowest_target=1.0)
        assert env.action_space.contains(action)
        taken.append(int(action))
        observation, reward, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
    assert taken == wanted.actions.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_observation_that_is_not_finite_is_refused_at_its_step(value):
    acts, params, task = make("mlp")
    state = acting.start(acts, params, [5.0, 6.0])._replace(age=3)
    seen = [np.zeros(4, np.float32), np.array([0, 0, value, 0], np.float32)]
    with pytest.raises(ValueError, match=r"at step 3 of episode 1, .* \(feature \[2\]\)"):
        acting.act(state, task.encoders, seen)


def test_several_episodes_side_by_side_are_single_ones():
    acts, params, task = make()
    observations = np.random.default_rng(0).normal(size=(5, 2, 4)).astype(np.float32)
    both = acting.start(acts, params, [5.0, 1.0])
    each = [acting.start(acts, params, target) for target in (5.0, 1.0)]
    for row in observations:
        actions, both = acting.act(both, task.encoders, row, [1.0, 0.5])
        for number, reward in enumerate((1.0, 0.5)):
            action, each[number] = acting.act(each[number], task.encoders, row[number], reward)
            assert action == actions[number]


def test_a_state_can_be_continued_twice():
    acts, params, task = make()
    state = acting.start(acts, params, 5.0)
    _, state = acting.act(state, task.encoders, np.zeros(4))
    one, _ = acting.act(state, task.encoders, np.ones(4), 1.0)
    other, _ = acting.act(state, task.encoders, np.ones(4), 1.0)
    assert one == other


def test_what_cannot_be_is_refused():
    acts, params, task = make()
    for target in (np.nan, np.inf, 1e300, "text", [], [[1.0]]):
        with pytest.raises(ValueError, match=r"got (the target return|targets)"):
            acting.start(acts, params, target)
    state = acting.start(acts, params, 5.0)
    with pytest.raises(ValueError, match=r"shape \(3,\), the environment's have shape \(4,\)"):
        acting.act(state, task.encoders, np.zeros(3))
    with pytest.raises(ValueError, match=r"finite rewards"):
        acting.act(state, task.encoders, np.zeros(4), np.nan)
    with pytest.raises(ValueError, match=r"got 3 observations and the reward 0\.0 for 2 episodes"):
        acting.act(acting.start(acts, params, [1.0, 2.0]), task.encoders, np.zeros((3, 4)))
    for _ in range(9):
        _, state = acting.act(state, task.encoders, np.zeros(4))
    with pytest.raises(ValueError, match="has 9 steps, the policy was made for 9"):
        acting.act(state, task.encoders, np.zeros(4))


def test_actions_come_in_the_type_of_the_space():
    _, _, task = make()
    acts, params, _ = make()
    shifted = tasks.Task(
        None,
        {},
        "tiny",
        task.record,
        2,
        9,
        observation_space=gymnasium.spaces.Box(-1, 1, (2, 2), np.float64),
        action_space=gymnasium.spaces.Discrete(2, start=5),
    )
    action, _ = acting.act(acting.start(acts, params, 5.0), shifted.encoders, np.zeros((2, 2)))
    assert shifted.action_space is not None
    assert shifted.action_space.contains(action)
