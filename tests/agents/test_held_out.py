"""The loss on held-out episodes is the training loss, over every step once."""

import jax
import jax.numpy as jnp
import pytest

from jax_s4rl.agents import decision_transformer, held_out, tasks
from jax_s4rl.data import windows
from jax_s4rl.models import configs
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers
from tests.data import records

RECORD = records.make_record((3, 1, 9, 4), num_actions=2, observation_shape=(4,))


def test_episodes_are_split_whole_and_the_same_each_time():
    train, test = held_out.split(RECORD, 0.3)
    assert (train.num_episodes, test.num_episodes) == (3, 1)
    both = sorted([*map(float, train.episode_returns), *map(float, test.episode_returns)])
    assert both == sorted(map(float, RECORD.episode_returns))
    again = held_out.split(RECORD, 0.3)
    records.assert_same(again[0], train)
    assert held_out.split(RECORD, 0.999)[0].num_episodes == 1
    assert held_out.split(RECORD, 0.001)[1].num_episodes == 1


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(ValueError, match="to hold out, wanted one above 0 and below 1"):
        held_out.split(RECORD, share)
    with pytest.raises(ValueError, match="of 1 episodes to hold out"):
        held_out.split(RECORD.select([0]), 0.5)


def test_every_step_counts_once_and_nothing_is_dropped(monkeypatch):
    # Six windows, so that the second call has two of its own.
    monkeypatch.setattr(held_out, "ROWS", 4)
    model = configs.ModelConfig(
        mixer=mixers.MixerConfig("mlp"), context_length=4, width=8, num_layers=1, dropout=0.5
    )
    task = tasks.Task("CartPole-v1", {}, "tiny", RECORD, 2, 9)
    config = decision_transformer.configure(decision_transformer.Settings(model), task)
    params = groups.strip(network.init(config, jax.random.key(0)))
    # A model without memory predicts each step alone, so windows do not matter.
    store = windows.make_store(RECORD)
    batch = windows.gather_windows(store, jnp.arange(RECORD.num_steps, dtype=jnp.int32), 1)
    compute = decision_transformer.loss_function(config, is_training=False)
    keys = jax.random.split(jax.random.key(1), RECORD.num_steps)
    total, weight = compute(params, batch, keys)
    assert float(weight) == RECORD.num_steps
    assert held_out.loss(config, params, RECORD) == pytest.approx(float(total / weight), rel=1e-5)
