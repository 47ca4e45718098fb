"""Training and acting get the same inputs, and every known way to get them wrong is named."""

import jax
import numpy as np
import pytest

from jax_s4rl.agents import alignment, decision_transformer
from jax_s4rl.data import observations, returns, trajectories, windows
from jax_s4rl.models import configs, policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers
from tests.agents import runs
from tests.data import records

LENGTH = 5


def make_inputs(**changes):
    values = np.arange(6.0)
    plain = alignment.Inputs(
        10 - values, np.stack([values, 100 * values], 1), values - 1, values, np.ones(6, bool)
    )
    return plain._replace(**changes)


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("returns_to_go", lambda x: x - 1, "step 0, returns to go 0: 10 in training, 9 in acting"),
        (
            "observations",
            lambda x: x * [1, 2],
            "step 1, observations 1: 100 in training, 200 in acting",
        ),
        (
            "previous_actions",
            lambda x: np.roll(x, 1),
            "step 0, previous actions 0: -1 in training, 4 in acting",
        ),
        ("time_steps", lambda x: x + 1, "step 0, time steps 0: 0 in training, 1 in acting"),
        ("mask", lambda x: np.arange(6) > 0, "step 0, mask 0: 1 in training, 0 in acting"),
    ],
)
def test_the_first_difference_is_named(name, change, sentence):
    plain = make_inputs()
    other = plain._replace(**{name: change(getattr(plain, name))})
    found = alignment.first_mismatch(plain, other)
    assert found is not None
    assert found.sentence == sentence


def test_rounding_is_no_difference_and_a_nan_is_one():
    plain = make_inputs()
    rounded = plain._replace(returns_to_go=plain.returns_to_go * (1 + 1e-6))
    assert alignment.first_mismatch(plain, rounded) is None
    broken = plain._replace(observations=np.full((6, 2), np.nan))
    found = alignment.first_mismatch(plain, broken)
    assert (found.what, found.step) == ("observations", 0)


def compare(width):
    """Compares the inputs of training and acting; another width is compiled anew."""
    config, params, task = make_model(width, "mlp")
    return alignment.first_mismatch(of_training(task), of_acting(config, params, task))


def make_model(width, mixer):
    model = configs.ModelConfig(
        mixer=mixers.MixerConfig(mixer),
        context_length=LENGTH,
        width=width,
        num_layers=1,
        mlp_ratio=1,
    )
    settings = decision_transformer.Settings(model=model)
    record = records.make_record((LENGTH, 3), num_actions=2, observation_shape=(4,))
    task = runs.tasks.Task("CartPole-v1", {}, "tiny", record, 2, 12)
    config = decision_transformer.configure(settings, task)
    params = groups.strip(network.init(config, jax.random.key(0)))
    return config, params, task


def of_training(task, *model):
    record = trajectories.from_episodes([task.record.episode(0)])
    return alignment.of_training(record, LENGTH, *model)


def of_acting(config, params, task):
    encoders = (observations.encoder(task.encoders[0].encoded_space), task.encoders[1])
    episode, chosen = task.record.episode(0), policy.Policy(config, task.max_steps)
    seen = list(episode.observations)
    return alignment.of_acting(chosen, params, encoders, episode, seen, LENGTH)


def test_training_and_acting_agree_and_their_predictions_too():
    config, params, task = make_model(8, "lstm")
    acted, trained = of_acting(config, params, task), of_training(task, config, params)
    assert alignment.first_mismatch(trained, acted) is None
    worse = acted._replace(predictions=acted.predictions * 1.1)
    assert alignment.first_mismatch(trained, worse).what == "predictions"


@pytest.mark.slow
def test_a_return_to_go_without_its_own_reward_is_found(monkeypatch):
    monkeypatch.setattr(
        returns, "returns_to_go", lambda rewards, lengths: np.zeros(len(rewards), np.float32)
    )
    found = compare(9)
    assert (found.what, found.step) == ("returns_to_go", 0)


def test_a_previous_action_that_comes_late_is_found(monkeypatch):
    act = policy.Policy.act

    def late(self, prepared, state, *inputs):
        action, after = act(self, prepared, state, *inputs)
        return action, after._replace(previous_action=state.previous_action)

    monkeypatch.setattr(policy.Policy, "act", late)
    found = compare(10)
    assert (found.what, found.step) == ("previous_actions", 1)


@pytest.mark.slow
def test_a_time_step_that_starts_at_one_is_found(monkeypatch):
    init = policy.Policy.init

    def one(self, prepared, num_envs):
        state = init(self, prepared, num_envs)
        return state._replace(time_step=state.time_step + 1)

    monkeypatch.setattr(policy.Policy, "init", one)
    found = compare(11)
    assert (found.what, found.step, found.values) == ("time_steps", 0, (0.0, 1.0))


@pytest.mark.slow
def test_padding_that_counts_as_a_step_is_found(monkeypatch):
    gather = windows.gather_windows

    def masked(*arguments):
        cut = gather(*arguments)
        return cut._replace(mask=cut.mask.at[:, 2].set(False))

    monkeypatch.setattr(windows, "gather_windows", masked)
    assert compare(12).what == "mask"
