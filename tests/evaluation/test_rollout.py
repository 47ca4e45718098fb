"""Rollouts on the host: targets follow the rewards, one compiled step serves all whole episodes."""

import dataclasses

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import returns
from jax_s4rl.evaluation import rollout


class Countdown(gymnasium.Env):
    """Rewards `seed % 3 + 1` a step, and ends after `seed % 4 + 2` steps; shows its clock."""

    observation_space = gymnasium.spaces.Box(0, 100, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.reward, self.left, self.clock = float(seed % 3 + 1), seed % 4 + 2, 0
        return np.array([0.0], np.float32), {}

    def step(self, action):
        assert self.left > 0, "an environment whose episode has ended was stepped"
        self.clock, self.left = self.clock + 1, self.left - 1
        return np.array([self.clock], np.float32), self.reward, self.left == 0, False, {}


class Pull(Countdown):
    """The same with a continuous action that may not leave [-1, 1]."""

    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def step(self, action):
        assert self.action_space.contains(action)
        return super().step(0)


class Shows(Countdown):
    """Shows whatever it is given."""

    def __init__(self, observation):
        self.observation = observation

    def reset(self, *, seed=None, options=None):
        return self.observation, super().reset(seed=seed)[1]

    def step(self, action):
        return self.observation, *super().step(action)[1:]


@dataclasses.dataclass(frozen=True)
class Spy:
    """Acts by a rule, and keeps on the device what it was shown."""

    max_steps: int = 10
    scale: float = 0.0

    def prepare(self, params):
        return params

    def init(self, prepared, num_envs):
        return jnp.zeros((num_envs, self.max_steps + 1, 2)), jnp.zeros((), jnp.int32)

    def act(self, prepared, state, observation, return_to_go, greedy, key):
        seen, step = state
        seen = seen.at[:, step].set(jnp.stack([observation[:, 0], return_to_go], axis=1))
        jax.debug.callback(record, seen)
        action = (
            greedy.astype(jnp.int32) if not self.scale else jnp.full((len(greedy), 1), self.scale)
        )
        return action, (seen, step + 1)


shown = []


def record(seen):
    shown.append(np.asarray(seen))


def run(targets, *, make_env=Countdown, policy=None, greedy=True, seed=0, **options):
    shown.clear()
    outcome = rollout.rollout(
        make_env, policy or Spy(), {}, targets, greedy=greedy, seed=seed, **options
    )
    jax.effects_barrier()
    return outcome


def test_episodes_come_in_the_order_of_the_targets_and_whole():
    outcome = run([10.0, 20.0, 30.0, 40.0])
    assert outcome.record.episode_lengths.tolist() == [2, 3, 4, 5]
    assert outcome.record.episode_seeds.tolist() == [0, 1, 2, 3]
    assert outcome.record.episode_returns.tolist() == [2.0, 6.0, 12.0, 5.0]
    assert outcome.targets.tolist() == [10.0, 20.0, 30.0, 40.0]
    assert outcome.num_calls == 5
    assert outcome.record.final_observations[:, 0].tolist() == [2, 3, 4, 5]


def test_the_acting_rule_gives_back_the_stored_returns_to_go():
    rewards = run([0.0, 0.0, 0.0]).record
    # With the return of each episode as its target, the policy observes the stored returns-to-go.
    outcome = run(rewards.episode_returns)
    stored = returns.returns_to_go(outcome.record.rewards, outcome.record.episode_lengths)
    starts, lengths = outcome.record.episode_starts, outcome.record.episode_lengths
    for index, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        np.testing.assert_array_equal(shown[-1][index, :length, 1], stored[start : start + length])
        np.testing.assert_array_equal(shown[-1][index, :length, 0], np.arange(length))


def test_what_is_asked_for_never_falls_below_the_lowest_target():
    run([3.0, 3.0, 3.0, 3.0], lowest_target=1.0)
    assert shown[-1][2, :4, 1].tolist() == [3.0, 1.0, 1.0, 1.0]


def test_greedy_is_asked_for_each_episode():
    outcome = run([0.0, 0.0], greedy=np.array([True, False]))
    assert outcome.record.actions[outcome.record.episode_starts].tolist() == [1, 0]
    assert outcome.greedy.tolist() == [True, False]


def test_continuous_actions_are_clipped_to_the_space():
    outcome = run([0.0], make_env=Pull, policy=Spy(scale=5.0))
    assert outcome.record.actions.tolist() == [[1.0], [1.0]]


@dataclasses.dataclass(frozen=True)
class Reader:
    """Keeps form and type of what it was shown in its state."""

    max_steps: int = 10

    def prepare(self, params):
        return params

    def init(self, prepared, num_envs):
        return ()

    def act(self, prepared, state, observation, return_to_go, greedy, key):
        forms.append((observation.shape, str(observation.dtype)))
        return greedy.astype(jnp.int32), state


forms = []


@pytest.mark.parametrize(
    ("observation", "form"),
    [
        (3, ((1,), "int32")),
        (np.zeros((4, 5, 3), np.uint8), ((1, 4, 5, 3), "uint8")),
        (np.zeros(2, np.int8), ((1, 2), "int8")),
        (np.zeros(2), ((1, 2), "float32")),
    ],
)
def test_observations_of_every_kind_reach_the_policy(observation, form):
    forms.clear()
    rollout.rollout(lambda: Shows(observation), Reader(), {}, [0.0], greedy=True, seed=0)
    assert set(forms) == {form}


def test_observations_of_several_parts_are_refused():
    with pytest.raises(
        ValueError, match="got a dict as an observation; the policy reads single arrays"
    ):
        rollout.rollout(
            lambda: Shows({"image": np.zeros(3)}), Reader(), {}, [0.0], greedy=True, seed=0
        )


def test_times_are_taken():
    outcome = run([0.0])
    assert outcome.act_seconds > 0
    assert outcome.milliseconds_per_call == pytest.approx(
        1e3 * outcome.act_seconds / outcome.num_calls
    )


def test_a_second_rollout_compiles_nothing():
    policy = Spy(max_steps=11)
    run([0.0, 1.0], policy=policy)
    before = rollout._act._cache_size()
    run([5.0, 6.0], policy=Spy(max_steps=11), seed=9)
    assert rollout._act._cache_size() == before


def test_a_state_may_hold_the_same_array_twice():
    class Twice(Spy):
        def init(self, prepared, num_envs):
            zeros = jnp.zeros((num_envs,))
            return zeros, zeros

        def act(self, prepared, state, observation, return_to_go, greedy, key):
            return greedy.astype(jnp.int32), (state[0] + 1, state[1] - 1)

    assert run([1.0, 2.0], policy=Twice()).num_calls == 3


def test_an_episode_that_outlasts_the_policy_is_refused():
    with pytest.raises(ValueError, match="1 of 2 episodes did not end within the 2 steps"):
        run([0.0, 0.0], policy=Spy(max_steps=2))


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="at least one target return"):
        run([])
