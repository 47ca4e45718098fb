"""The planner reads the past as the model saw it in training, whatever its memory."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import planner
from jax_s4rl.data import discretizer
from jax_s4rl.evaluation import rollout
from jax_s4rl.models import beam_search
from tests.models import small_trajectory

# Number of an observation, action, reward, value: as many bins as the model has tokens.
COUNTS = (4, 3, 2, 3)
CENTERS = ((0.0, 1.0, 2.0, 3.0), (0.0, 1.0, 2.0), (-1.0, 2.0), (0.0, 1.0, 5.0))
EDGES = ((0.5, 1.5, 2.5), (0.5, 1.5), (0.5,), (0.5, 3.0))
BINS = discretizer.Discretizer(EDGES, CENTERS)
SEARCH = beam_search.SearchConfig(
    horizon=2, beam_width=4, num_expansions=2, action_mass=1.0, distinct=True
)
ENVS, STEPS = 2, 4
OBSERVATIONS = np.random.default_rng(0).integers(0, 4, (STEPS, ENVS, 1)).astype(np.float32)
REWARDS = np.where(np.random.default_rng(1).random((STEPS, ENVS)) < 0.5, -1.0, 2.0)


def make(memory=planner.ROW, past=2, mixer="s4d", max_steps=STEPS, **model):
    config = small_trajectory.config(mixer, COUNTS, **({"context_length": 6} | model))
    plan = planner.PlanConfig(SEARCH, memory, past)
    return planner.Planner(config, BINS, plan, 0.9, True, max_steps)


@functools.partial(jax.jit, static_argnums=0)
def step(policy, *inputs):
    """Equal policies share a program."""
    return policy.act(*inputs)


def act(policy, seen=None):
    """Actions, and the states after them."""
    prepared = rollout.prepare(policy, small_trajectory.params(policy.config))
    state = policy.init(prepared, ENVS)
    targets = np.concatenate([np.zeros((1, ENVS)), -np.cumsum(REWARDS, axis=0)]).astype(np.float32)
    greedy, actions = jnp.ones(ENVS, bool), []
    for number in range(STEPS):
        inputs = (jnp.asarray(OBSERVATIONS[number]), jnp.asarray(targets[number]))
        action, state = step(policy, prepared, state, *inputs, greedy, jax.random.key(number))
        actions.append(np.asarray(action))
        if seen is not None:
            seen.append(state)
    return np.stack(actions)


def transitions(actions):
    """The tokens of the transitions that were acted, without values."""
    observations = OBSERVATIONS.astype(int)
    rewards = (REWARDS > 0).astype(int)
    return np.concatenate(
        [observations, actions[..., None], rewards[..., None], np.zeros_like(rewards)[..., None]],
        axis=-1,
    )


def test_the_last_transitions_are_read_again():
    seen = []
    wanted = transitions(act(make(past=2), seen))
    assert [state.age.tolist() for state in seen] == [[n + 1] * ENVS for n in range(STEPS)]
    # Before the last plan, those of the two steps before it.
    np.testing.assert_array_equal(seen[-1].history, wanted[-3:-1].swapaxes(0, 1))
    np.testing.assert_array_equal(seen[1].history[:, -1], wanted[0])
    np.testing.assert_array_equal(seen[-1].observation, wanted[-1][:, :1])


@pytest.mark.slow
@pytest.mark.parametrize("mixer", ["s4d", "attention"])
def test_a_carried_state_plans_as_if_the_whole_past_were_read_again(mixer):
    carried = act(make(planner.CARRY, mixer=mixer, max_steps=4))
    read_again = act(make(planner.ROW, past=4, mixer=mixer))
    np.testing.assert_array_equal(carried, read_again)


def test_plans_rest_on_the_past_or_on_the_observation_alone():
    observation, targets = jnp.ones((ENVS, 1), jnp.int32), jnp.zeros(ENVS)
    for policy, is_equal in ((make(planner.TRANSITION), True), (make(past=2), False)):
        prepared = rollout.prepare(policy, small_trajectory.params(policy.config))
        first = policy.init(prepared, ENVS)
        later = first._replace(age=first.age + 3, action=first.action + 1)
        read = jax.jit(policy._read)
        logits = [read(prepared, state, observation, targets)[0] for state in (first, later)]
        assert np.allclose(*logits) == is_equal


@pytest.mark.slow
def test_one_transition_is_planned_alike_from_its_row_and_from_its_observation():
    search = dataclasses.replace(SEARCH, horizon=1)
    policies = [
        dataclasses.replace(make(), plan=planner.PlanConfig(search, memory, 0))
        for memory in (planner.ROW, planner.TRANSITION)
    ]
    np.testing.assert_array_equal(*map(act, policies))


def test_planning_twice_with_one_key_gives_one_answer():
    np.testing.assert_array_equal(act(make()), act(make()))


@pytest.mark.slow
def test_continuous_actions_are_the_centers_of_their_bins():
    policy = dataclasses.replace(make(), is_discrete=False)
    actions = act(policy)
    assert actions.shape == (STEPS, ENVS, 1)
    np.testing.assert_array_equal(actions[..., 0], act(make()))


def test_a_one_hot_part_is_planned_for_as_its_place():
    policy = dataclasses.replace(make(), observation_parts=(3,))
    prepared = rollout.prepare(policy, small_trajectory.params(policy.config))
    state, targets, greedy = policy.init(prepared, ENVS), jnp.zeros(ENVS), jnp.ones(ENVS, bool)
    inputs = (state, np.eye(4, dtype=np.float32)[[0, 2]][:, 1:], targets, greedy)
    assert step(policy, prepared, *inputs, jax.random.key(0))[1].observation.tolist() == [[0], [2]]


def test_observations_of_another_size_are_refused():
    policy = make()
    prepared = policy.prepare(small_trajectory.params(policy.config))
    with pytest.raises(ValueError, match=r"observations have 3 numbers but .* built for 1"):
        policy.act(
            prepared,
            policy.init(prepared, 1),
            jnp.zeros((1, 3)),
            jnp.zeros(1),
            jnp.ones(1, bool),
            jax.random.key(0),
        )


@pytest.mark.parametrize(
    ("memory", "past", "changes", "max_steps"),
    [
        (planner.ROW, 5, {}, 4),
        (planner.TRANSITION, 0, {"context_length": 1}, 4),
        (planner.CARRY, 0, {"positions": "learned"}, 5),
        (planner.CARRY, 0, {"mixer": "attention"}, 5),
    ],
)
def test_a_plan_beyond_the_model_is_refused(memory, past, changes, max_steps):
    with pytest.raises(ValueError, match=r"a plan of 2 transitions .* has rows of \d transitions"):
        make(memory, past, max_steps=max_steps, **changes)


def test_a_carried_state_of_constant_size_goes_on():
    assert make(planner.CARRY, max_steps=1_000).plan.num_transitions(1_000) == 1_002


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"memory": "none"}, "memory is 'none'; choose one of row, carry, transition"),
        ({"past": -1}, "past is -1; it is a number of transitions, 0 or more"),
    ],
)
def test_wrong_choices_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        planner.PlanConfig(**choices)
