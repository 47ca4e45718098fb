"""Arms are compared with the attention that shares their setting, on one scale where its ends are known."""

import dataclasses

import pytest

from experiments.reporting import descriptions, studies
from tests.experiments.reporting import made_up

ABOUT = descriptions.Description(
    name="some",
    title="Some",
    question="?",
    metrics=(descriptions.Metric("return", "return"),),
    main_variants=("main",),
)


def read(folder, rows, about=ABOUT):
    made_up.write(folder, "some", rows)
    (study,) = studies.read([about], folder)
    return study


def test_a_mixer_is_compared_in_every_setting_that_it_shares_with_attention(tmp_path):
    rows = made_up.bounds("some", "a", "return", 100.0, 200.0)
    for variant, data in (("main", "a"), ("other", "a"), ("main", "b")):
        rows += made_up.runs("some", data, "attention", made_up.spread(150), "return", variant=variant)
        rows += made_up.runs("some", data, "s4d", made_up.spread(160), "return", variant=variant)
    rows += made_up.runs("some", "c", "s4d", [1.0], "return")
    found = list(studies.against(read(tmp_path, rows), "s4d"))
    assert [match.name for match in found] == ["Some, a, main", "Some, a, other", "Some, b, main"]
    assert found[0].comparison.difference.value == pytest.approx(10)
    assert found[0].normalized is not None
    assert found[0].normalized[0]["a"] == pytest.approx([value / 100 for value in made_up.spread(60)])
    assert found[2].normalized is None


def test_contexts_of_one_variant_have_names_of_their_own(tmp_path):
    rows = []
    for context in (20, 50):
        for method in ("attention", "s4d"):
            rows += made_up.runs("some", "a", method, [1.0, 2.0], "return", variant="whole", context=context)
    found = list(studies.against(read(tmp_path, rows), "s4d"))
    assert [match.name for match in found] == ["Some, a, whole, context 20", "Some, a, whole, context 50"]


def test_a_group_names_only_what_ran_on_all_of_it(tmp_path):
    about = dataclasses.replace(ABOUT, groups={"some/*": "all of them"})
    rows = []
    for method in ("attention", "s4d"):
        for data in ("some/a", "some/b"):
            rows += made_up.runs("some", data, method, [1.0, 2.0], "return")
        rows += made_up.runs("some", "some/b", method, [1.0, 2.0], "return", variant="longer")
    found = list(studies.against(read(tmp_path, rows, about), "s4d"))
    assert [match.name for match in found] == ["Some, all of them", "Some, b, longer"]


def test_the_first_main_variant_that_is_there_is_the_measure(tmp_path):
    about = dataclasses.replace(ABOUT, main_variants=("whole", "context 32"))
    rows = made_up.runs("some", "a", "attention", [1.0], "return", variant="context 32")
    rows += made_up.runs("some", "b", "attention", [1.0], "return", variant="whole")
    for data in "abc":
        rows += [made_up.row("some", data, "cql", 0, return_greedy=1.0) | {"tokens": None, "context_length": None}]
    study = read(tmp_path, rows, about)
    found = {arm.setting.data: studies.baseline(study, arm) for arm in study.arms if arm.method == "cql"}
    assert {data: other and other.setting.variant for data, other in found.items()} == {
        "a": "context 32",
        "b": "whole",
        "c": None,
    }


def test_scores_on_the_scale_of_random_play_and_the_optimum(tmp_path):
    study = read(tmp_path, made_up.bounds("some", "a", "return", 100.0, 200.0))
    assert studies.normalize(study, {"a": [100.0, 150.0]}) == {"a": [0.0, 0.5]}
    assert studies.normalize(study, {"a": [100.0], "b": [1.0]}) is None


def test_only_recordings_that_both_learned_from_are_compared(tmp_path):
    rows = []
    for data_seed in range(6):
        rows += made_up.runs("some", "a", "s4d", [10.0 * data_seed], "return", data_seed=data_seed)
    for data_seed in range(1, 6):
        rows += made_up.runs("some", "a", "attention", [5.0, 15.0], "return", data_seed=data_seed)
    (found,) = studies.against(read(tmp_path, rows), "s4d")
    assert found.comparison.runs == (5, 5)
    assert found.pair == ({"a": [10.0, 20.0, 30.0, 40.0, 50.0]}, {"a": [10.0] * 5})


def test_arms_are_compared_recording_by_recording_in_whatever_order_they_ran(tmp_path):
    rows = []
    for data_seed in (0, 3, 1, 4, 2):
        rows += made_up.runs("some", "a", "s4d", [10.0 * data_seed + 1], "return", data_seed=data_seed)
    for data_seed in range(5):
        rows += made_up.runs("some", "a", "attention", [10.0 * data_seed], "return", data_seed=data_seed)
    (found,) = studies.against(read(tmp_path, rows), "s4d")
    assert found.comparison.difference == (1.0, 1.0, 1.0)
    assert found.comparison.outcome == "ahead"


def test_what_stands_aside_is_not_compared(tmp_path):
    about = dataclasses.replace(ABOUT, aside=("*one step*",))
    rows = []
    for method in ("attention", "s4d"):
        for variant in ("", "composed, one step"):
            rows += made_up.runs("some", "a", method, made_up.spread(150), "return", variant=variant)
    (found,) = studies.against(read(tmp_path, rows, about), "s4d")
    assert found.setting.variant == ""
    assert found.otherwise is not None
    assert found.otherwise.outcome == "level"


def test_less_can_be_better(tmp_path):
    metric = descriptions.Metric("regret", "regret", larger_is_better=False)
    about = descriptions.Description(name="some", title="Some", question="?", metrics=(metric,))
    rows = made_up.bounds("some", "a", "regret", 1.0, 0.0)
    rows += made_up.runs("some", "a", "attention", made_up.spread(0.5), "regret")
    rows += made_up.runs("some", "a", "s4d", made_up.spread(0.2), "regret")
    (found,) = studies.against(read(tmp_path, rows, about), "s4d")
    assert found.comparison.difference.value == pytest.approx(0.3)
    assert found.normalized is not None
    assert sum(found.normalized[0]["a"]) / 5 == pytest.approx(0.8)


def test_what_has_no_attention_of_its_variant_is_measured_by_the_main_one(tmp_path):
    rows = made_up.runs("some", "a", "attention", [1.0], "return", variant="main")
    rows += made_up.runs("some", "a", "attention", [2.0], "return", variant="uniform")
    rows += made_up.runs("some", "a", "percent_bc", [3.0], "return", variant="s4d")
    rows += made_up.runs("some", "a", "s4d", [3.0], "return", variant="uniform")
    rows += [
        row | {"tokens": None, "context_length": None} for row in made_up.runs("some", "a", "cql", [3.0], "return")
    ]
    study = read(tmp_path, rows)
    found = {arm.name: studies.baseline(study, arm) for arm in study.arms}
    assert {name: other and other.setting.variant for name, other in found.items()} == {
        "attention, main": None,
        "attention, uniform": "main",
        "percent_bc, s4d": "main",
        "s4d, uniform": "uniform",
        "cql": "main",
    }
