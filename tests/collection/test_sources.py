import dataclasses
import itertools

import numpy as np
import pytest

from jax_s4rl.collection import sources
from jax_s4rl.collection.ppo import storage
from tests.collection import worlds
from tests.data import records

RUN = storage.Run("cartpole", "CartPole-v1", worlds.CARTPOLE_CONFIG, (), replay_steps=512)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    return sources.RecordingContext("CartPole-v1", {}, 0, 0, tmp_path_factory.mktemp("policies"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        sources.Uniform(3),
        sources.Optimal(3),
        sources.Snapshot(RUN, "expert", 3),
        sources.Replay(RUN),
    ],
)
def test_every_part_is_repeatable_and_says_what_it_is(context, part):
    record = part.record(context)
    records.assert_same(part.record(context), record)
    described = part.describe()
    assert described["behavior"]
    assert described.get("num_episodes", record.num_episodes) == record.num_episodes


def test_parts_on_other_streams_and_seeds_share_no_episode(context):
    contexts = [
        context,
        dataclasses.replace(context, stream=1),
        dataclasses.replace(context, seed=1),
    ]
    seeds = [sources.Uniform(3).record(one).episode_seeds.tolist() for one in contexts]
    assert len(set(itertools.chain(*seeds))) == 9


@pytest.mark.slow
def test_a_replay_until_a_strength_ends_there(context):
    policies = sources.load_policies(RUN, context)
    record = sources.Replay(RUN, "expert").record(context)
    count = np.sum(policies.replay_ends <= policies.snapshots["expert"].num_steps)
    records.assert_same(record, policies.replay.select(np.arange(count)))


def test_a_behavior_may_see_more_than_the_record_shows():
    context = sources.RecordingContext("jax_s4rl/KeyDoor-v0", {"max_steps": 20}, 0, 0, None)
    view = dataclasses.replace(context, env_kwargs={"max_steps": 20, "obs": "full"})
    seen = []

    def peek(inputs, rng):
        seen.append(inputs.observations[0].shape)
        return rng.integers(0, 6, len(inputs.observations))

    record = context.record(peek, 2, "peeking", view.make_env)
    assert record.observations.shape[1:] == (3,)
    assert set(seen) == {view.make_env().observation_space.shape} != {(3,)}


def test_a_replay_of_a_training_that_keeps_none_is_refused(context):
    run = dataclasses.replace(RUN, name="forgetful", replay_steps=0)
    with pytest.raises(ValueError, match="keeps no episodes"):
        sources.Replay(run).record(context)
