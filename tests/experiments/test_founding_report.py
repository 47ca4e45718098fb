"""The founding report: its two columns, one switch at a time, and a quick run."""

import dataclasses

import numpy as np
import pytest

from experiments import founding_metrics, founding_report, protocol, runner
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.collection import behaviors, catalog
from jax_s4rl.models import presets
from tests.experiments import fakes
from tests.experiments.test_founding_metrics import make_task

PLAN = founding_report.UMBRELLAS[2]
OPTIONS = runner.Options()


@pytest.fixture(scope="module")
def task():
    return make_task("umbrella_length/1", PLAN.dataset)


@pytest.fixture
def loaded(monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)


@pytest.fixture
def columns(loaded):
    found = {}
    others = founding_report.right_column(PLAN, founding_report.OTHER_MIXERS, OPTIONS)
    for trial in founding_report.both_columns(PLAN, OPTIONS) + others:
        found.setdefault(trial.variant.partition(" (")[0], {})[trial.method] = trial
    return found


def test_data_and_contexts_are_those_of_the_report():
    plans = (
        *founding_report.GRAPHS,
        *founding_report.UMBRELLAS.values(),
        founding_report.DOOR_KEY,
        founding_report.CARTPOLE,
    )
    recipes = catalog.all_recipes()
    assert all(plan.dataset in recipes for plan in plans)
    assert all(plan.num_updates <= founding_report.THEIR_UPDATES for plan in plans)
    assert [plan.context_length for plan in plans[10:]] == [3, 4, 6, 10, 250, 126]
    assert (plans[0].targets[0], plans[0].targets[-1]) == (-50, 50)
    assert founding_report.DOOR_KEY.targets[-1] == 1.1
    assert founding_report.CARTPOLE.targets[-1] == 500


def test_as_they_did_has_every_difference(columns):
    theirs = columns[founding_report.THEIR_WAY]
    assert set(theirs) == {"attention", "s4"}
    for trial in theirs.values():
        chosen = trial.settings
        assert chosen.model.action_loss == "squared_error"
        assert chosen.model.tokens == "interleaved"
        assert chosen.model.time_embedding == "learned"
        assert dict(trial.evaluation)["history"] == founding_metrics.WRONG
        assert chosen.optimization.warmup_updates >= chosen.num_updates
        assert chosen.optimization.warmup_limit == chosen.optimization.final_fraction == 1
    model, bare = (theirs[mixer].settings.model for mixer in ("attention", "s4"))
    assert (model.num_layers, model.norm, model.action_bound, model.residual) == (
        3,
        "post",
        "tanh",
        True,
    )
    assert (bare.num_layers, bare.norm, bare.action_bound, bare.residual, bare.mlp_ratio) == (
        1,
        "none",
        "none",
        False,
        0,
    )


def test_as_it_should_be_all_mixers_are_alike(columns, task):
    ours = columns[founding_report.RIGHT_WAY]
    assert set(ours) == {"attention", "s4", "s4d", "lstm", "mlp"}
    counts = {}
    for mixer, trial in ours.items():
        model = trial.settings.model
        assert (model.num_layers, model.norm, model.residual) == (3, "pre", True)
        assert (model.action_loss, model.action_bound) == ("cross_entropy", "none")
        assert dict(trial.evaluation)["history"] == founding_metrics.RIGHT
        assert model.tokens == ("concatenated" if mixer == "mlp" else "interleaved")
        timeless = dataclasses.replace(model, time_embedding="none")
        settings = dataclasses.replace(trial.settings, model=timeless)
        counts[mixer] = presets.count(decision_transformer.configure(settings, task))
    for mixer in ("s4", "s4d", "lstm"):
        assert counts[mixer] == pytest.approx(counts["attention"], rel=0.01)
    assert len({trial.settings.optimization for trial in ours.values()}) == 1


@pytest.mark.slow
def test_a_switch_changes_one_thing(loaded):
    switched = founding_report.switches_trials(OPTIONS)
    assert len({trial.digest for trial in switched}) == len(switched)
    for trial in switched:
        plan = next(p for p in founding_report.SWITCHED if p.dataset == trial.dataset)
        base = founding_report.trial(
            plan, trial.method, "", founding_report.matched(plan, trial.method), OPTIONS
        )
        changed = [
            field.name
            for field in dataclasses.fields(trial)
            if field.name != "variant" and getattr(trial, field.name) != getattr(base, field.name)
        ]
        assert changed == (
            ["evaluation"] if founding_report.WRONG_HISTORY in trial.variant else ["settings"]
        )
    assert len(switched) == 2 * (5 + 4)


@pytest.mark.slow
@pytest.mark.parametrize("part", founding_report.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another_and_says_how_long_it_trains(loaded, part):
    planned = founding_report.EXPERIMENT.parts[part](OPTIONS)
    assert planned
    names = {(trial.method, trial.dataset, trial.variant) for trial in planned}
    assert len({trial.digest for trial in planned}) == len(names) == len(planned)
    for trial in planned:
        assert f"({trial.settings.num_updates:,} of 10,000 updates)" in trial.variant


def test_baselines_learn_from_the_data_of_all_their_numbers(loaded):
    planned = founding_report.baselines_trials(OPTIONS)
    assert len({trial.dataset for trial in planned}) == 1 + 4 + 1 + 1
    own = [trial for trial in planned if trial.dataset == PLAN.dataset]
    assert [trial.method for trial in own] == ["bc", "percent_bc", *(4 * ["cql"])]
    assert [trial.keep for trial in own[:2]] == [runner.ALL, runner.BEST_TENTH]
    attention = founding_report.matched(PLAN, "attention")
    for clone in own[:2]:
        assert clone.variant == "as it should be (500 of 10,000 updates)"
        assert clone.settings == protocol.override(attention, returns="none")
    for learned in own[2:]:
        assert learned.settings.weighting == attention.weighting
        assert learned.settings.network.time_embedding == attention.model.time_embedding
    assert own[2].variant == (
        "conservatism 1, uniform batches, time embedding (3,000 of 10,000 updates)"
    )


def test_references_need_the_data_of_their_part_alone(monkeypatch):
    monkeypatch.setattr(founding_metrics, "references", lambda family, dataset: [dataset])
    found = founding_report.references(runner.Options(parts=("cartpole", "tokens")))
    assert found == [plan.dataset for plan in (founding_report.CARTPOLE, *founding_report.SWITCHED)]
    assert len(founding_report.references(runner.Options())) == 10 + 4 + 1 + 1


def test_ten_seeds_but_of_further_graphs_and_switches():
    found = {
        part: len(founding_report.EXPERIMENT.seeds(part, OPTIONS))
        for part in founding_report.EXPERIMENT.parts
    }
    assert found.pop("graphs") == 1
    assert found.pop("switches") == 3
    assert found.pop("baselines") == 5
    assert set(found.values()) == {10}


def test_the_mixers_of_the_options_are_those_of_the_right_column(loaded):
    options = runner.Options(mixers=("s4", "lstm"))
    planned = founding_report.both_columns(PLAN, options)
    assert [trial.method for trial in planned] == ["attention", "s4", "s4", "mlp"]
    others = founding_report.others_trials(options)
    assert [trial.method for trial in others] == ["lstm", "lstm"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env_id", "plan"),
    [
        ("jax_s4rl/WeightedWalk-v0", founding_report.GRAPHS[0]),
        ("jax_s4rl/MiniGridDoorKey-v0", founding_report.DOOR_KEY),
    ],
)
def test_both_models_train_and_act_as_they_did(monkeypatch, env_id, plan):
    behavior = behaviors.uniform_legal if plan is founding_report.GRAPHS[0] else None
    small = make_task(env_id, plan.dataset, num_episodes=4, behavior=behavior)
    if not small.record.rewards.any():
        # No random walk of four opens the door, and without rewards there is nothing to learn.
        rewards = np.zeros_like(small.record.rewards)
        rewards[-1] = 1.0
        record = dataclasses.replace(small.record, rewards=rewards)
        small = dataclasses.replace(small, record=record)
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: small)
    plan = dataclasses.replace(
        plan, context_length=12, width=8, num_updates=2, batch_size=2, targets=(0.0, 1.0)
    )
    for trial in founding_report.their_column(plan, runner.Options(episodes=50)):
        short = dataclasses.replace(trial.settings, updates_per_dispatch=1)
        (trained,) = dataclasses.replace(trial, settings=short).train(small, [0])
        found = trial.score(small, trained)
        if plan.family == founding_metrics.GRAPH:
            # Without a distribution, sampled actions are the greedy ones.
            assert found["return_greedy"] == found["return_sampled"]
            assert found["std_sampled"] == 0
        else:
            assert 0 < found["steps_share_greedy"] <= 1


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(tmp_path, monkeypatch, task):
    monkeypatch.setattr(tasks, "load", lambda dataset, seed=0: task)
    rows = fakes.look_twice(founding_report.EXPERIMENT, tmp_path, monkeypatch)
    assert [row["method"] for row in rows[:2]] == ["random", "optimal"]
    assert [row["method"] for row in rows[2:]] == ["attention", "s4", "mlp"]
    assert all(0 <= row["metrics"]["share_above_half_greedy"] <= 1 for row in rows)
