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
    """Shows whatever it is given, in the space that it is given."""

    def __init__(self, observation, space):
        self.observation, self.observation_space = observation, space

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


BOX = gymnasium.spaces.Box
PARTS = gymnasium.spaces.Dict(at=BOX(-1, 1, (2,)), gear=gymnasium.spaces.Discrete(3))


@pytest.mark.parametrize(
    ("observation", "space", "form"),
    [
        (3, gymnasium.spaces.Discrete(4), ((1,), "int32")),
        (3.0, gymnasium.spaces.Discrete(4, start=1), ((1,), "int32")),
        (np.zeros((4, 5, 3), np.uint8), BOX(0, 9, (4, 5, 3), np.uint8), ((1, 4, 5, 3), "uint8")),
        (np.zeros((3, 5, 5)), BOX(0, 9, (3, 5, 5), np.uint8), ((1, 5, 5, 3), "uint8")),
        (np.zeros(2, np.int8), BOX(0, 9, (2,), np.int8), ((1, 2), "int8")),
        (np.zeros(2, int), BOX(0, 9, (2,), np.int64), ((1, 2), "float32")),
        (np.zeros(2), BOX(-1, 1, (2,)), ((1, 2), "float32")),
        (0.5, BOX(-1, 1, ()), ((1, 1), "float32")),
        ([[1, 2], [3, 4]], BOX(-9, 9, (2, 2)), ((1, 4), "float32")),
        ({"at": [0.5, 1], "gear": 2}, PARTS, ((1, 5), "float32")),
    ],
)
def test_observations_of_every_kind_reach_the_policy(observation, space, form):
    forms.clear()
    # The policy notes what it is shown while it is traced.
    rollout._act.clear_cache()
    rollout.rollout(lambda: Shows(observation, space), Reader(), {}, [0.0], greedy=True, seed=0)
    assert set(forms) == {form}


def test_observations_of_several_parts_in_a_space_of_one_are_refused():
    env = Shows({"image": np.zeros(3)}, BOX(-1, 1, (3,)))
    with pytest.raises(ValueError, match="step 0: got observations in the parts image"):
        rollout.rollout(lambda: env, Reader(), {}, [0.0], greedy=True, seed=0)


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
    with pytest.raises(
        ValueError, match=r"^environment \d, seed \d: 1 of 2 episodes did not end within the 2 "
    ):
        run([0.0, 0.0], policy=Spy(max_steps=2))


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="at least one target return"):
        run([])


@pytest.mark.parametrize(
    "targets", [[[1.0]], 1.0, ["high"], [None], [np.nan], [np.inf], [1e300], None, [10**400]]
)
def test_targets_that_are_no_list_of_finite_numbers_are_refused(targets):
    with pytest.raises(ValueError, match=r"^got (the )?target"):
        run(targets)


@pytest.mark.parametrize("greedy", [[True], [[True, False]], "yes", None, 0.5])
def test_greedy_that_is_no_flag_for_each_target_is_refused(greedy):
    with pytest.raises(ValueError, match=r"got greedy of type .* for 2 targets"):
        run([0.0, 0.0], greedy=greedy)


def test_rewards_that_add_up_beyond_float32_are_refused():
    class Rich(Countdown):
        def step(self, action):
            observation, _, *rest = super().step(action)
            return observation, 3e38, *rest

    with pytest.raises(ValueError, match=r"^environment 0, seed 3, step 2: got rewards that add"):
        run([0.0], make_env=Rich, seed=3)


def test_a_lowest_target_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="got the lowest target nan"):
        run([0.0], lowest_target=np.nan)


def test_an_observation_that_is_written_in_place_is_seen_as_it_was():
    shared = np.zeros(1, np.float32)

    class InPlace(Countdown):
        def reset(self, *, seed=None, options=None):
            _, info = super().reset(seed=seed)
            shared[:] = 10 * seed
            self.start = 10 * seed
            return shared, info

        def step(self, action):
            _, *rest = super().step(action)
            shared[:] = self.start + self.clock
            return shared, *rest

    outcome = run([0.0, 0.0], make_env=InPlace)
    assert outcome.record.observations[:, 0].tolist() == [0, 1, 10, 11, 12]
    assert shown[-1][0, :2, 0].tolist() == [0, 1]
    assert shown[-1][1, :3, 0].tolist() == [10, 11, 12]
