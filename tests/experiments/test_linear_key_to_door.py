"""Linear key-to-door: the line by hand, its runs, and a short run that is not done twice."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import linear_key_to_door as experiment
from jax_s4rl.agents import hindsight_policy
from jax_s4rl.evaluation import result_rows

LINE = experiment.Line(
    (experiment.KEY, experiment.LEFT, experiment.EMPTY, experiment.DOOR, experiment.TREASURE)
)
BEST = (experiment.TAKE_KEY, experiment.TAKE_LEFT, experiment.TAKE_LEFT, experiment.OPEN, 0)


def walk(actions, seed=0):
    state, rewards, seen = LINE.reset(jax.random.key(0)), [], []
    for number, action in enumerate(actions):
        seen.append(np.asarray(LINE.observe(state)))
        key = jax.random.key(10 * seed + number)
        state, reward = LINE.step(state, jnp.asarray(action, jnp.int32), key)
        rewards.append(float(reward))
    return np.array(seen), np.array(rewards) / LINE.scale


def test_key_and_door_lead_to_the_treasure():
    seen, rewards = walk(BEST)
    np.testing.assert_allclose(seen[:, 0], np.arange(5) / 5, rtol=1e-6)
    assert seen[:, 1:7].argmax(axis=1).tolist() == list(LINE.kinds)
    assert seen[:, 8].tolist() == [0, 1, 1, 1, 1]
    assert rewards[-1] == pytest.approx(experiment.TREASURE_REWARD)
    assert rewards[[0, 2, 3]].tolist() == [0, 0, 0]


@pytest.mark.parametrize("wrong", [0, 3])
def test_there_is_no_treasure_without_key_or_door(wrong):
    actions = list(BEST)
    actions[wrong] = experiment.TAKE_RIGHT
    seen, rewards = walk(actions)
    assert rewards[-1] == 0
    assert seen[-1, 1:7].argmax() == experiment.EMPTY


def test_apples_pay_one_of_two_rewards_to_the_fitting_action_alone():
    found = {round(walk(BEST, seed)[1][1], 6) for seed in range(20)}
    assert found == set(experiment.APPLE_REWARDS)
    wrong = [*BEST[:1], experiment.TAKE_RIGHT, *BEST[2:]]
    assert walk(wrong)[1][1] == 0


def test_lines_have_the_published_lengths_and_shares():
    for length in experiment.LENGTHS:
        line = experiment.make_line(length)
        assert line == experiment.make_line(length)
        assert line.num_steps == length
        assert line.kinds[0] == experiment.KEY
        assert line.kinds[-2:] == (experiment.DOOR, experiment.TREASURE)
    apples = np.isin(experiment.make_line(10_000).kinds, (experiment.LEFT, experiment.RIGHT))
    assert apples.mean() == pytest.approx(0.8, abs=0.02)
    with pytest.raises(ValueError, match="4 cells or more"):
        experiment.make_line(3)


def chances_of(observations):
    """Some policy that depends on all that is observed."""
    weights = jax.random.normal(jax.random.key(1), (observations.shape[-1], 4))
    return jax.nn.softmax(jnp.dot(observations, weights))


def test_the_expected_return_is_that_of_all_walks():
    total = 0.0
    for actions in itertools.product(range(4), repeat=4):
        # The action at the treasure changes nothing.
        seen, rewards = walk((*actions, 0))
        chosen = np.asarray(chances_of(jnp.asarray(seen)))[range(4), actions]
        mean = np.where(np.isin(LINE.kinds, (1, 2)) & (rewards > 0), 0.5, rewards).sum()
        total += LINE.scale * mean * chosen.prod()
    found = experiment.expected_return(LINE, chances_of)
    assert float(found) == pytest.approx(total, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("credit", ["none", "value"])
def test_estimates_have_the_exact_gradient_as_mean(credit):
    settings = experiment.settings(credit, LINE, 20)
    params = hindsight_policy.train(LINE, settings, 0).params
    ratios = []
    for size in (8, 512):
        more = dataclasses.replace(settings, batch_size=size)
        ratios.append(experiment.signal_to_noise(LINE, more, params, jax.random.key(1)))
    # Without a bias, 64 times the episodes are 18 decibels less noise.
    assert ratios[1] - ratios[0] == pytest.approx(10 * np.log10(64), abs=1.5)


def test_random_actions_bound_the_share_of_treasures():
    assert experiment.most(0.05, 4) == pytest.approx(0.9264, abs=1e-4)
    assert experiment.most(0.0, 4) == 1


def test_rates_are_those_of_the_publication():
    line = experiment.make_line(23)
    rates = {
        credit: experiment.settings(credit, line, 1).learning_rate
        for credit in hindsight_policy.CREDITS
    }
    assert rates.pop("value") == 1e-3
    assert set(rates.values()) == {3e-4}
    assert experiment.settings("reward", line, 1).hindsight_width == 256


def test_no_two_runs_are_equal_and_names_are_checked_before_any():
    runs = experiment.planned(experiment.Options())
    names = {(run.digest, run.seed) for run in runs}
    assert len(names) == len(runs) == 5 * 5 * 5
    with pytest.raises(ValueError, match="credit is 'luck'"):
        experiment.main(experiment.Options(credits=("luck",)))


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "QUICK", {"lengths": (6,), "seeds": 1, "updates": 60})
    for _ in range(2):
        experiment.main(experiment.Options(credits=("none", "reward"), quick=True))
    rows = list(result_rows.read_rows(tmp_path / "runs" / f"{experiment.NAME}-quick.jsonl"))
    assert [row["method"] for row in rows] == ["none", "reward"]
    for metrics in (row["metrics"] for row in rows):
        assert 0 <= metrics["treasure"] <= 1
        assert 0 <= metrics["treasure_last"] <= 1
        assert np.isfinite(metrics["signal_to_noise"])
