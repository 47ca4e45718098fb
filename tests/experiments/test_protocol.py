"""Protocol: parameters are matched, overrides reach their fields, baselines have no returns."""

import dataclasses

import pytest

from experiments import protocol, runner, tuning
from jax_s4rl.agents import cql, decision_transformer, tasks
from jax_s4rl.models import presets
from jax_s4rl.modules import mixers, tokens
from jax_s4rl.training import cql_loss
from tests.agents import runs

SETTINGS = protocol.settings(width=16, num_layers=1, context_length=8)
ROTARY = protocol.rotary_settings(width=16, num_layers=1, context_length=8)
EVALUATION = (("episodes", 3),)


def metrics(task, trained, *, episodes):
    return {"seconds": 0.0}


@pytest.fixture
def loaded(monkeypatch):
    """Names of loaded datasets."""
    found = []

    def load(dataset, seed=0):
        found.append(dataset)
        return runs.TASK

    monkeypatch.setattr(tasks, "load", load)
    return found


def trial(mixer="s4d", base=SETTINGS, **overrides):
    overrides.setdefault("point", tuning.Point())
    return protocol.trial("tiny", mixer, base, metrics=metrics, evaluation=EVALUATION, **overrides)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("name", ["s4d", "s5", "lstm"])
def test_matched_models_have_as_many_parameters_and_no_table_of_time(name):
    attention = decision_transformer.configure(SETTINGS, runs.TASK)
    options = {} if name == "lstm" else {"state_size": 8}
    found = protocol.match_parameters(SETTINGS, mixers.MixerConfig(name, **options), runs.TASK)
    matched = dataclasses.replace(attention, model=found.model)
    assert found.model.time_embedding == "none"
    timeless = dataclasses.replace(SETTINGS.model, time_embedding="none")
    wanted = presets.count(dataclasses.replace(attention, model=timeless))
    assert presets.count(matched) == pytest.approx(wanted, rel=0.01)


def test_attention_is_left_as_it_is(loaded):
    for settings in (SETTINGS, ROTARY):
        same = protocol.mixer_config("attention")
        assert protocol.match_parameters(settings, same, runs.TASK) == settings
        assert trial("attention", settings).settings == tuning.Point().of(settings)
    assert not loaded


def test_with_rotary_positions_the_matched_models_are_the_same():
    assert (ROTARY.model.mixer.positions, ROTARY.model.time_embedding) == ("rotary", "none")
    lstm = mixers.MixerConfig("lstm")
    found = [protocol.match_parameters(base, lstm, runs.TASK) for base in (SETTINGS, ROTARY)]
    assert found[0] == found[1]


def test_the_mixer_without_memory_is_not_matched(loaded):
    found = trial("mlp").settings
    assert found.model.mixer.name == "mlp"
    assert found.model.mlp_ratio == SETTINGS.model.mlp_ratio


@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_the_mixer_without_memory_sees_the_return_whatever_the_layout(loaded, layout):
    found = {mixer: trial(mixer, tokens=layout).settings.model.tokens for mixer in ("mlp", "lstm")}
    assert found == {"mlp": "concatenated", "lstm": layout}


def test_overrides_reach_the_training_and_the_model():
    found = protocol.override(SETTINGS, context_length=4, num_updates=7)
    assert (found.model.context_length, found.num_updates) == (4, 7)
    back = protocol.override(found, context_length=8, num_updates=SETTINGS.num_updates)
    assert back == SETTINGS
    with pytest.raises(TypeError):
        protocol.override(SETTINGS, widht=4)


@pytest.mark.slow
def test_a_trial_has_its_point_its_overrides_and_the_shapes_of_another_dataset(loaded):
    found = trial(point=tuning.Point(1e-2, 0.1), shapes="small", num_updates=50, data_seed=3)
    assert loaded == ["small"]
    assert (found.method, found.dataset, found.variant) == ("s4d", "tiny", "")
    assert (found.data_seed, found.keep, found.evaluation) == (3, runner.ALL, EVALUATION)
    assert found.settings.optimization.learning_rate == 1e-2
    assert (found.settings.model.dropout, found.settings.num_updates) == (0.1, 50)
    assert found.score(None, None) == {"seconds": 0.0}


def test_clones_have_no_returns_and_their_own_episodes(loaded):
    balanced = protocol.override(SETTINGS, weighting="balanced")
    cloned = {method: trial("s4d", balanced, method=method) for method in ("bc", "percent_bc")}
    assert [each.keep for each in cloned.values()] == [runner.ALL, runner.BEST_TENTH]
    for method, found in cloned.items():
        assert (found.method, found.variant) == (method, "s4d")
        assert (found.settings.model.returns, found.settings.weighting) == ("none", "uniform")
    kept = trial(method="percent_bc", keep=runner.SUCCESSES)
    assert (kept.keep, kept.settings.weighting) == (runner.SUCCESSES, SETTINGS.weighting)


def test_a_change_keeps_the_matched_parameters(loaded):
    plain = trial()
    found = protocol.change(plain, variant="other", evaluation={"more": 1}, context_length=16)
    assert found.evaluation == (*EVALUATION, ("more", 1))
    assert found.variant == "other"
    assert found.settings == protocol.override(plain.settings, context_length=16)
    assert protocol.change(plain) == plain


def test_q_learning_names_its_conservatism():
    found = protocol.cql_trial("tiny", 0.1, metrics=metrics, evaluation=EVALUATION, data_seed=2)
    assert (found.method, found.variant, found.data_seed) == ("cql", "conservatism 0.1", 2)
    assert isinstance(found.settings, cql.Settings)
    assert found.settings.loss.conservatism == 0.1


def test_q_learning_is_as_before_unless_it_gets_what_the_others_have():
    plain = protocol.cql_trial("tiny", 0.1, metrics=metrics, evaluation=EVALUATION)
    before = cql.Settings(
        loss=cql_loss.ConservativeConfig(conservatism=0.1), num_updates=3_000, epsilon=0.05
    )
    assert plain.settings == before
    fair = protocol.cql_trial(
        "tiny",
        0.1,
        metrics=metrics,
        evaluation=EVALUATION,
        weighting="balanced",
        time_embedding="learned",
        reward_scale=10.0,
    )
    assert isinstance(fair.settings, cql.Settings)
    assert fair.settings.weighting == "balanced"
    assert fair.settings.network.time_embedding == "learned"
    assert fair.settings.loss.reward_scale == 10
    names = "balanced batches, time embedding, rewards x 10"
    assert fair.variant == f"conservatism 0.1, {names}"


def test_options_of_a_mixer_reach_the_model(loaded):
    options = mixers.MixerConfig("s4d", step_range=(0.1, 1.0))
    found = trial(mixer_options=options).settings.model
    assert found.mixer == options
    assert trial().settings.model.mixer.step_range == mixers.OLD_STEP_RANGE
