"""One change at a time, and no other."""

import dataclasses

import pytest

from experiments import ablations, cells, suites, tuning
from jax_s4rl.agents import decision_transformer
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers


def make_cell(mixer, variant=""):
    settings = decision_transformer.Settings(model=configs.ModelConfig(mixer=mixers.MixerConfig(mixer)))
    return cells.Cell(mixer, "some/data", tuning.Point(3e-3).of(settings), variant)


@pytest.mark.parametrize(
    ("mixer", "more"),
    [
        ("attention", set()),
        ("lstm", set()),
        ("s5", {"state space rate as the rest"}),
        ("s4", {"state space rate as the rest", "born as fout"}),
        ("s4d", {"state space rate as the rest", "born as legs"}),
    ],
)
def test_every_mixer_gets_the_changes_that_it_can_have(mixer, more):
    changed = {cell.variant: cell for cell in ablations.of(make_cell(mixer))}
    assert changed.keys() == {"learning rate 0.001", "learning rate 0.01", "dropout 0.1"} | more
    assert len({cell.digest for cell in changed.values()}) == len(changed)
    for cell in changed.values():
        mixers.check(cell.settings.model.mixer)


def test_each_cell_differs_in_one_thing():
    cell = make_cell("s4d", "balanced batches")
    changed = {each.variant.rpartition(", ")[2]: each.settings for each in ablations.of(cell)}
    back = dataclasses.replace(
        changed["state space rate as the rest"],
        optimization=dataclasses.replace(
            changed["state space rate as the rest"].optimization,
            state_space_learning_rate=cell.settings.optimization.state_space_learning_rate,
        ),
    )
    assert back == cell.settings
    assert tuning.Point(3e-3).of(changed["learning rate 0.01"]) == cell.settings
    assert tuning.Point(3e-3).of(changed["dropout 0.1"]) == cell.settings


def test_what_has_dropout_is_tried_without_it_and_slow_states_stay_slow():
    cell = make_cell("s5")
    slow = dataclasses.replace(cell, settings=tuning.Point(1e-3, 0.1).of(cell.settings))
    assert [each.variant for each in ablations.of(slow, rates=())] == ["dropout 0"]


def test_the_rate_of_dynamics_is_tried_where_tuning_chose(monkeypatch):
    def plan_tuning(options):
        return [
            dataclasses.replace(cell, settings=point.of(cell.settings), variant=point.variant, data_seed=7)
            for name in ("attention", "s4d", "s4")
            for point in tuning.GRID
            for cell in [make_cell(name)]
        ]

    best = {"s4d": tuning.Point(1e-2), "s4": tuning.Point(3e-3, 0.1)}
    monkeypatch.setattr(tuning.Chosen, "of", lambda _, name, __: best[name])
    found = ablations.plan_dynamics(plan_tuning, tuning.Chosen("some", "score"), suites.Options())
    assert [(cell.method, cell.variant, cell.data_seed) for cell in found] == [
        ("s4d", f"{best['s4d'].variant}, {ablations.AS_FAST}", 7),
        ("s4", f"{best['s4'].variant}, {ablations.AS_FAST}", 7),
    ]
    for cell in found:
        optimization = cell.settings.optimization
        assert optimization.state_space_learning_rate == optimization.learning_rate == best[cell.method].rate
