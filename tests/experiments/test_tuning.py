"""Tuning: the best mean of a whole grid is chosen; an ablation changes one thing and no other."""

import dataclasses
import json

import pytest

from experiments import runner, tuning
from jax_s4rl.agents import decision_transformer
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers


def rows(method, values, metric="score", **more):
    """Lines of two seeds for each point, as far as there are values."""
    return [
        {"method": method, "metrics": {"variant": point.variant, metric: value}} | more
        for seed in (0, 1)
        for point, value in zip(tuning.GRID, values, strict=False)
    ]


def test_the_best_mean_is_chosen():
    lines = rows("s4d", [1.0, 3.0, 2.0, 0.0, 0.0]) + rows("s4", [2.0, 2.0, 1.0, 2.0, 1.0])
    lines += [
        {"method": "s4d", "metrics": {"variant": "other", "score": 9.0}},
        {"method": "random", "metrics": {}},
    ]
    assert tuning.choose(lines, "score") == {"s4d": tuning.GRID[1], "s4": tuning.GRID[0]}


def test_a_grid_with_gaps_chooses_nothing():
    assert tuning.choose(rows("s4d", [1.0, 3.0, 2.0]), "score") == {}


def test_lines_of_earlier_settings_do_not_count():
    lines = rows("s4d", [9.0, 3.0, 2.0, 0.0, 0.0]) + rows("s4d", [1.0])
    for row in lines[-2:]:
        row["metrics"]["cell"] = "later"
    assert tuning.choose(lines, "score") == {"s4d": tuning.GRID[1]}


def test_lines_are_grouped_by_all_fields_asked_for():
    lines = rows("s4d", [1.0, 3.0, 2.0, 0.0, 0.0], tokens="a") + rows(
        "s4d", [0.0, 0.0, 0.0, 1.0, 0.0], tokens="b"
    )
    found = tuning.choose(lines, "score", by=("method", "tokens"))
    assert found == {("s4d", "a"): tuning.GRID[1], ("s4d", "b"): tuning.GRID[3]}


def test_a_point_changes_two_settings():
    settings = tuning.Point(rate=0.5, dropout=0.25).of(decision_transformer.Settings())
    assert (settings.optimization.learning_rate, settings.model.dropout) == (0.5, 0.25)
    assert (
        settings.optimization.weight_decay
        == decision_transformer.Settings().optimization.weight_decay
    )
    assert settings.model.width == configs.ModelConfig().width


@pytest.mark.parametrize("point", tuning.GRID)
def test_every_point_has_a_name_of_its_own(point):
    assert sum(point.variant == other.variant for other in tuning.GRID) == 1
    assert point.variant.startswith(tuning.TITLE)


def write(path, lines, experiment="walks"):
    empty = dict.fromkeys(result_rows.FIELDS) | {"seconds": {}}
    path.write_text(
        "".join(json.dumps(empty | line | {"experiment": experiment}) + "\n" for line in lines)
    )


def test_settings_follow_the_lines_of_a_run_then_the_committed_ones(tmp_path, monkeypatch):
    committed, out = tmp_path / "committed.jsonl", tmp_path / "out.jsonl"
    monkeypatch.setattr(runner, "results_file", lambda name: committed)
    chosen, options = tuning.Chosen("walks", "score"), runner.Options(out=out)
    assert chosen.of("s4d", options) == tuning.Point()
    write(committed, rows("s4d", [0.0, 1.0, 0.0, 0.0, 0.0]))
    assert chosen.of("s4d", options) == tuning.GRID[1]
    write(out, rows("s4d", [0.0, 0.0, 0.0, 1.0, 0.0]), experiment="another")
    assert chosen.of("s4d", options) == tuning.GRID[1]
    write(out, rows("s4d", [0.0, 0.0, 0.0, 1.0, 0.0]) + rows("s4", [1.0]))
    assert chosen.of("s4d", options) == tuning.GRID[3]
    assert chosen.of("s4", options) == tuning.Point()
    assert chosen.of("s4d", runner.Options()) == tuning.GRID[1]


def make_trial(mixer, variant=""):
    settings = decision_transformer.Settings(
        model=configs.ModelConfig(mixer=mixers.MixerConfig(mixer))
    )
    at_point = tuning.Point(3e-3).of(settings)
    return runner.Trial(mixer, "some/data", at_point, variant, metrics=lambda *_: {})


@pytest.mark.parametrize(
    ("mixer", "more"),
    [
        ("attention", set()),
        ("lstm", set()),
        ("s5", {"same learning rate for all"}),
        ("s4", {"same learning rate for all", "initialization FouT"}),
        ("s4d", {"same learning rate for all", "initialization LegS"}),
    ],
)
def test_every_mixer_gets_the_changes_that_it_can_have(mixer, more):
    changed = {trial.variant: trial for trial in tuning.ablate(make_trial(mixer))}
    assert changed.keys() == {"learning rate 0.001", "learning rate 0.01", "dropout 0.1"} | more
    assert len({trial.digest for trial in changed.values()}) == len(changed)
    for trial in changed.values():
        mixers.check(trial.settings.model.mixer)


def test_each_trial_differs_in_one_thing():
    trial = make_trial("s4d", "balanced batches")
    changed = {each.variant.rpartition(", ")[2]: each.settings for each in tuning.ablate(trial)}
    back = dataclasses.replace(
        changed["same learning rate for all"],
        optimization=dataclasses.replace(
            changed["same learning rate for all"].optimization,
            state_space_learning_rate=trial.settings.optimization.state_space_learning_rate,
        ),
    )
    assert back == trial.settings
    assert tuning.Point(3e-3).of(changed["learning rate 0.01"]) == trial.settings
    assert tuning.Point(3e-3).of(changed["dropout 0.1"]) == trial.settings


def test_what_has_dropout_is_tried_without_it_and_slow_states_stay_slow():
    trial = make_trial("s5")
    slow = dataclasses.replace(trial, settings=tuning.Point(1e-3, 0.1).of(trial.settings))
    assert [each.variant for each in tuning.ablate(slow, rates=())] == ["dropout 0"]


def test_the_parts_train_the_grid_of_an_experiment_and_the_same_rate_for_all(monkeypatch):
    def build(mixer, name, length, options, *, point, variant, data_seed):
        made = make_trial(mixer, variant)
        settings = point.of(made.settings)
        name = f"{name}/{length}"
        return dataclasses.replace(made, settings=settings, dataset=name, data_seed=data_seed)

    grid = (tuning.Point(1e-3), tuning.Point(3e-3, 0.1))
    chosen = tuning.Chosen("some", "score", grid)
    monkeypatch.setattr(tuning.Chosen, "of", lambda *_: grid[1])
    parts = tuning.parts(chosen, build, "data", 7)
    assert parts.keys() == tuning.MOST_SEEDS.keys()
    planned = parts["tuning"](runner.Options(mixers=("s4d", "lstm")))
    assert [(trial.method, trial.variant) for trial in planned] == [
        ("s4d", grid[0].variant),
        ("s4d", grid[1].variant),
        ("lstm", grid[0].variant),
        ("lstm", grid[1].variant),
    ]
    assert {(trial.dataset, trial.data_seed) for trial in planned} == {("data/7", tuning.DATA_SEED)}
    (other,) = parts["dynamics"](runner.Options(mixers=("s4d", "lstm")))
    assert other.variant == f"{grid[1].variant}, {tuning.AS_FAST}"


def test_one_rate_for_all_parameters_is_tried_at_the_choices_of_the_grid(monkeypatch):
    grid = [
        dataclasses.replace(
            trial, settings=point.of(trial.settings), variant=point.variant, data_seed=7
        )
        for name in ("attention", "s4d", "s4")
        for point in tuning.GRID
        for trial in [make_trial(name)]
    ]
    best = {"s4d": tuning.Point(1e-2), "s4": tuning.Point(3e-3, 0.1)}
    monkeypatch.setattr(tuning.Chosen, "of", lambda _, name, __: best[name])
    chosen = tuning.Chosen("some", "score")
    found = tuning.ablate_state_space_rate(grid, chosen, runner.Options())
    assert [(trial.method, trial.variant, trial.data_seed) for trial in found] == [
        ("s4d", f"{best['s4d'].variant}, {tuning.AS_FAST}", 7),
        ("s4", f"{best['s4'].variant}, {tuning.AS_FAST}", 7),
    ]
    for trial in found:
        optimization = trial.settings.optimization
        rates = (optimization.state_space_learning_rate, optimization.learning_rate)
        assert rates == (best[trial.method].rate, best[trial.method].rate)


POINTS = [
    tuning.Point(),
    tuning.Point(1e-2, 0.1),
    tuning.Point(3e-4, steps="1/(3 L) to 100/(3 L)"),
    tuning.Point(3e-4, 0.1, "1/L to 1", 2_000),
]


@pytest.mark.parametrize("point", POINTS)
def test_a_variant_names_its_point(point):
    assert tuning.parse(point.variant) == point
    assert tuning.parse(f"{point.variant}, {tuning.AS_FAST}") is None


def test_a_point_can_set_the_updates():
    settings = decision_transformer.Settings(num_updates=7)
    assert tuning.Point().of(settings).num_updates == 7
    assert tuning.Point(updates=9).of(settings).num_updates == 9


def test_a_grid_is_extended_until_the_best_rate_is_not_on_the_edge():
    grid = dict.fromkeys([tuning.Point(rate) for rate in (3e-4, 1e-3, 3e-3)], 0.0)
    assert tuning.extend(grid | {tuning.Point(3e-3): 1.0}) == [tuning.Point(1e-2)]
    assert tuning.extend(grid | {tuning.Point(3e-4): 1.0}) == [tuning.Point(1e-4)]
    assert tuning.extend(grid | {tuning.Point(1e-3): 1.0}) == []
    alone = tuning.Point(1e-3, 0.1)
    # Rates are compared at the same dropout only, and one alone has no neighbor.
    wanted = [tuning.Point(3e-4, 0.1), tuning.Point(3e-3, 0.1)]
    assert tuning.extend(grid | {alone: 1.0}) == wanted
    ends = {tuning.Point(tuning.LADDER[-1]): 1.0, tuning.Point(tuning.LADDER[-2]): 0.5}
    assert tuning.extend(ends) == []


def test_updates_are_enough_once_their_double_gains_no_model_anything():
    rising = {100: 0.1, 200: 0.5, 400: 0.6, 800: 0.615}
    level = {100: 0.9, 200: 0.9, 400: 0.8, 800: 0.8}
    assert tuning.enough_updates([level], 1.0) == 100
    assert tuning.enough_updates([rising], 1.0) == 400
    assert tuning.enough_updates([level, rising], 1.0) == 400
    assert tuning.enough_updates([rising], 100.0) == 100
    # What was not tried with all of them decides nothing.
    assert tuning.enough_updates([rising, {100: 0.1, 200: 0.5}], 1.0) is None
    assert tuning.enough_updates([], 1.0) is None


def test_a_search_reads_the_means_of_all_points(tmp_path, monkeypatch):
    committed, out = tmp_path / "committed.jsonl", tmp_path / "out.jsonl"
    monkeypatch.setattr(runner, "results_file", lambda name: committed)
    search, options = tuning.Search("walks", "score", ("method",)), runner.Options(out=out)
    assert search.scores("s4d", options) == {}
    further = tuning.Point(3e-2, updates=50)
    more = {"method": "s4d", "metrics": {"variant": further.variant, "score": 5.0}}
    other = {"method": "s4d", "metrics": {"variant": "plain", "score": 9.0}}
    write(committed, [*rows("s4d", [1.0, 3.0]), more, other])
    wanted = {tuning.GRID[0]: 1.0, tuning.GRID[1]: 3.0, further: 5.0}
    assert search.scores("s4d", options) == wanted
    write(out, rows("s4d", [2.0]))
    assert search.scores("s4d", options) == {tuning.GRID[0]: 2.0}


def test_a_point_can_have_a_decay_of_its_own():
    point = tuning.Point(1e-3, 0.1, "fixed", 500, 0.25)
    assert point.of(decision_transformer.Settings()).optimization.weight_decay == 0.25
    assert tuning.parse(point.variant) == point
