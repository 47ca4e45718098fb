"""Carried states: the trials, each with one change, and a quick run from end to end."""

import pytest

from experiments import carried_state, key_to_door, runner
from experiments.report import load
from jax_s4rl.agents import tasks
from tests.experiments import fakes
from tests.experiments.test_memory import make_cartpole


@pytest.fixture(scope="module")
def pole():
    return make_cartpole()


@pytest.fixture
def loaded(monkeypatch, pole):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: pole)
    monkeypatch.setattr(key_to_door, "choose_data_seeds", lambda count, dataset="": [0] * count)


@pytest.mark.slow
@pytest.mark.parametrize("part", carried_state.EXPERIMENT.parts)
def test_trials_differ_by_one_change(loaded, part):
    planned = carried_state.EXPERIMENT.parts[part](runner.Options())
    assert len({trial.digest for trial in planned}) == len(planned)
    own = {trial.variant: trial.settings for trial in planned if trial.method == "s4d"}
    plain, short = own[carried_state.PLAIN], own[carried_state.SHORT_MEMORY]
    assert own[carried_state.POST_NORM].model.norm == "post"
    tokens = plain.model.context_length * plain.model.tokens_per_step
    assert short.model.mixer.step_range == (4 / tokens, 1.0)
    longer = own[carried_state.LONGER_ROWS]
    assert longer.model.context_length > plain.model.context_length
    # As many steps in a batch, but for what does not divide.
    steps = [each.batch_size * each.model.context_length for each in (plain, longer)]
    assert steps[1] == pytest.approx(steps[0], rel=0.06)
    assert longer.num_updates == plain.num_updates


@pytest.mark.slow
def test_only_state_spaces_have_steps(loaded):
    planned = carried_state.cartpole_trials(runner.Options())
    changed = {t.method for t in planned if t.variant == carried_state.SHORT_MEMORY}
    assert changed == {"s4d", "s4", "s5"}
    whole = [trial for trial in planned if trial.variant == carried_state.WHOLE_EPISODES]
    assert {trial.method for trial in whole} == {"s4d", "s4", "s5", "lstm", "attention"}
    assert {trial.settings.regime for trial in whole} == {"packed"}
    assert load.WHOLE_EPISODES == carried_state.WHOLE_EPISODES
    assert max(steps for steps, _ in carried_state.TESTS) == max(load.WAITS)


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    rows = fakes.look_twice(carried_state.EXPERIMENT, tmp_path, monkeypatch)
    known = {row["metrics"]["variant"] for row in rows if row["method"] == "s4d"}
    assert known == {"as trained", "post-norm", "short memory", "longer rows", "whole episodes"}
