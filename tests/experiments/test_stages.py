"""Stages of a search, from made scores: outward, one change, more updates, what is left open."""

import pytest

from experiments import runner, stages, step_ranges, tuning
from jax_s4rl.models import configs
from jax_s4rl.modules import mixers

GRID = LOW, MIDDLE, HIGH = tuple(tuning.Point(rate) for rate in (3e-4, 1e-3, 3e-3))
MODELS = (("walks", "attention"), ("walks", "s4d"))
ATTENTION, S4D = MODELS
OPTIONS = runner.Options()


class Scores(dict):
    """Scores of points by model, in place of those of result rows."""

    def scores(self, model, options):
        return self.get(model, {})


def searching(scores, **changes):
    """A search whose trials are pairs of model and point."""
    known = {
        "rows": Scores(scores),
        "models": MODELS,
        "grid": GRID,
        "updates": 1_000,
        "trial": lambda model, point, variant, data_seed: (model, point),
        "scale": lambda: 1.0,
        "options": OPTIONS,
    }
    return stages.Search(**known | changes)


def grid(attention=MIDDLE, s4d=MIDDLE):
    best = {ATTENTION: attention, S4D: s4d}
    return {
        model: {point: 0.6 if point == best[model] else 0.2 for point in GRID} for model in MODELS
    }


def more(scores, model, point, score):
    return scores | {model: scores[model] | {point: score}}


def test_every_model_is_tried_at_every_first_point():
    assert searching({}).first() == [(model, point) for model in MODELS for point in GRID]


def test_the_edge_is_left_outward_where_the_best_rate_lies_on_it():
    scores = grid(attention=HIGH)
    assert searching(scores).edges() == [(ATTENTION, tuning.Point(1e-2))]
    scores = more(scores, ATTENTION, tuning.Point(1e-2), 0.7)
    assert searching(scores).edges() == [(ATTENTION, tuning.Point(3e-2))]
    assert searching(grid()).edges() == []
    assert searching({}).edges() == []
    # Other stages leave it as it was.
    scores = more(grid(attention=HIGH), ATTENTION, LOW._replace(dropout=0.1), 0.9)
    assert searching(scores).edges() == [(ATTENTION, tuning.Point(1e-2))]


def test_edges_of_a_grid_of_several_fields_are_those_of_its_best_point():
    points = [LOW, MIDDLE, LOW._replace(decay=1.0), MIDDLE._replace(decay=1.0)]
    scores = {ATTENTION: dict(zip(points, (0.1, 0.2, 0.3, 0.4), strict=True))}
    found = searching(scores, models=MODELS[:1], grid=points).edges()
    assert found == [(ATTENTION, HIGH._replace(decay=1.0))]


def test_one_thing_at_a_time_is_changed_at_the_best_rate():
    found = searching(grid(s4d=LOW), dropouts=(0.1,)).axes()
    assert found == [
        (ATTENTION, MIDDLE._replace(dropout=0.1)),
        (S4D, LOW._replace(dropout=0.1)),
        *((S4D, LOW._replace(steps=steps)) for steps in stages.RANGES),
    ]


def test_updates_are_doubled_until_no_model_gains():
    plain = grid()
    assert searching(plain).doubled(2) == [
        (model, MIDDLE._replace(updates=2_000)) for model in MODELS
    ]
    flat = plain
    for model in MODELS:
        flat = more(flat, model, MIDDLE._replace(updates=2_000), 0.61)
    assert searching(flat).enough() == 1_000
    assert searching(flat).doubled(4) == []
    rising = more(flat, S4D, MIDDLE._replace(updates=2_000), 0.8)
    assert searching(rising).enough() == 2_000
    assert [point.updates for _, point in searching(rising).doubled(4)] == [4_000, 4_000]
    settled = rising
    for model, score in ((ATTENTION, 0.61), (S4D, 0.8)):
        settled = more(settled, model, MIDDLE._replace(updates=4_000), score)
    assert searching(settled).enough() == 2_000
    assert searching(settled).chosen(S4D) == MIDDLE._replace(updates=2_000)
    assert searching({}).enough() == 1_000


def test_what_a_search_leaves_open_is_told():
    assert searching({}).left_open(S4D, 1_000) == {}
    assert searching(grid(s4d=HIGH)).left_open(S4D, 1_000) == {"rate_at_edge": True}
    scores = grid()
    for model, gain in ((ATTENTION, 0.01), (S4D, 0.1)):
        scores = more(scores, model, MIDDLE._replace(updates=2_000), 0.6 + gain)
    found = {model: searching(scores).left_open(model, 2_000)["still_rising"] for model in MODELS}
    assert found == {ATTENTION: False, S4D: True}
    assert searching(scores).tuned(S4D) == {
        "point": MIDDLE._replace(updates=2_000),
        "notes": (("rate_at_edge", False), ("still_rising", True)),
    }
    # Twice as many gain nothing: then the curve is flat, though it had risen before.
    for model, score in ((ATTENTION, 0.61), (S4D, 0.7)):
        scores = more(scores, model, MIDDLE._replace(updates=4_000), score)
    assert searching(scores).enough() == 2_000
    assert searching(scores).left_open(S4D, 2_000)["still_rising"] is False


def test_parts_follow_each_other_and_end_with_the_results():
    parts = stages.parts(
        ("one", "two"), lambda name, options: searching(grid()), lambda name, options: [name]
    )
    assert list(parts)[:7] == [
        "one-tuning",
        "one-edges",
        "one-edges-2",
        "one-axes",
        "one-updates",
        "one-updates-2",
        "one",
    ]
    assert parts["two"](OPTIONS) == ["two"]
    assert len(parts["two-tuning"](OPTIONS)) == 6
    assert [point.updates for _, point in parts["one-updates"](OPTIONS)] == [2_000, 2_000]
    assert {stages.task_of(part) for part in parts} == {"one", "two"}
    staged = stages.most_seeds(("one", "two"), 2)
    assert staged == dict.fromkeys((part for part in parts if "-" in part), 2)


@pytest.mark.parametrize("layout", ["concatenated", "interleaved"])
def test_a_range_of_steps_follows_the_tokens(layout):
    model = configs.ModelConfig(tokens=layout, context_length=10)
    found = stages.mixer_at("s4d", MIDDLE._replace(steps="1/L to 1"), model)
    assert found.step_range == (1 / (30 if layout == "interleaved" else 10), 1.0)
    fixed = stages.mixer_at("s4d", MIDDLE._replace(steps=step_ranges.FIXED), model)
    assert fixed.step_range == (1e-3, 1e-1)
    assert stages.mixer_at("s4d", MIDDLE, model) == mixers.MixerConfig("s4d")
