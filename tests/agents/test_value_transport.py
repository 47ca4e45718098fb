"""Relabelling by a model's attention: its own reads and values, by the rule of `data`."""

import dataclasses

import numpy as np
import pytest

from jax_s4rl.agents import decision_transformer, inspection, value_transport
from jax_s4rl.data import value_transport as transport
from jax_s4rl.models import policy
from tests.data import records
from tests.models import small

LENGTHS = (5, 12, 8)
RECORD = records.make_record(
    LENGTHS, num_actions=small.NUM_ACTIONS, observation_shape=(small.SIZE,)
)
# Of a period of two steps, so that much of the attention is older.
RULE = transport.Rule(discount=0.5, threshold=0.3)


def make(mixer="attention", **changes):
    config = small.config(mixer, num_layers=1, **{"returns": "none", "return_loss": 1.0} | changes)
    return decision_transformer.Trained(config, policy.RESTART, 0, small.params(config), None, 0.0)


@pytest.mark.slow
def test_rewards_are_those_of_the_rule_for_each_episode():
    reader = make()
    found = value_transport.relabel(reader, RECORD, RULE)
    values = inspection.predicted_returns(reader, RECORD)
    maps = inspection.attend_between_steps(reader, RECORD).astype(np.float64)
    extra = found.rewards - RECORD.rewards
    for number, length in enumerate(LENGTHS):
        own = slice(RECORD.episode_starts[number], RECORD.episode_starts[number] + length)
        weights = maps[number, :, :length, :length].swapaxes(0, 1)
        reads = transport.attention_reads(weights, RULE)
        np.testing.assert_allclose(
            extra[own], transport.transport(reads, values[own], RULE), atol=1e-5
        )
    assert np.abs(extra).max() > 1e-3
    # No padding is read: the longest episode alone gives the same.
    alone = value_transport.relabel(reader, RECORD.select([1]), RULE)
    np.testing.assert_allclose(alone.rewards, found.rewards[5:17], atol=1e-5)


def test_no_rewards_are_refused_before_the_reader_runs():
    nothing = dataclasses.replace(RECORD, rewards=np.zeros(RECORD.num_steps, np.float32))
    with pytest.raises(ValueError, match="has only rewards of 0"):
        value_transport.relabel(make(), nothing)


def test_episodes_beyond_the_context_are_refused():
    with pytest.raises(ValueError, match="context_length=12"):
        value_transport.relabel(make(context_length=10), RECORD)


def test_a_reader_without_attention_is_refused():
    with pytest.raises(ValueError, match="no attention weights"):
        value_transport.relabel(make("s4d"), RECORD)
