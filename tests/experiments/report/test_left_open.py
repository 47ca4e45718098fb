"""Models with something left open are counted once each, of those that say so."""

from experiments import stages, tuning
from experiments.report import catalog, left_open
from tests.experiments.report import made_up


def row(method, seed=0, **notes):
    return made_up.row("hidden_state", "cartpole/mixed", method, seed, return_greedy=1.0, **notes)


def test_models_are_counted_once_each():
    rows = [
        row("s4d", rate_at_edge=True, still_rising=True),
        row("s4d", 1, rate_at_edge=True, still_rising=True),
        row("lstm", rate_at_edge=False, still_rising=True),
        row("attention", rate_at_edge=False),
        row("bc"),
    ]
    assert left_open.text(catalog.HIDDEN_STATE.holding(rows)) == (
        "; best learning rate at the edge for 1 of 3 models"
        "; tuning curve still rising for 2 of 2 models"
    )
    assert left_open.text(catalog.HIDDEN_STATE.holding([row("bc")])) == ""


def test_names_are_those_that_searches_write(monkeypatch):
    points = [tuning.Point(rate) for rate in (1e-3, 3e-3)]
    scores = {points[0]: 0.5, points[1]: 0.6, points[1]._replace(updates=20): 0.9}
    monkeypatch.setattr(tuning.Search, "scores", lambda *_: scores)
    search = stages.Search(
        rows=tuning.Search("some", "score"),
        models=[("data", "s4d")],
        grid=points,
        updates=10,
        trial=lambda *_: None,
        scale=lambda: 1.0,
        options=None,
    )
    assert set(search.left_open(("data", "s4d"), 20)) == set(left_open.WORDS)
