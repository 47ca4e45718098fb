"""One token is compared with three of the same mixer, on the same data."""

import pytest

from experiments.reporting import layouts, methods, studies
from tests.experiments.reporting import made_up


def read(folder, count=5):
    rows = made_up.bounds("tokens", "d", "return", 0.0, 100.0)
    for tokens, middle in (("concatenated", 50.0), ("interleaved", 40.0)):
        for method in ("attention", "s4"):
            # The sampled score of made-up runs is half of the greedy one.
            values = made_up.spread(2 * middle, count=count)
            rows += made_up.runs("tokens", "d", method, values, "return", tokens=tokens, variant=tokens)
    made_up.write(folder, "tokens", rows)
    (study,) = studies.read([methods.TOKENS], folder)
    return study


def test_gain(tmp_path):
    found = layouts.matches(read(tmp_path), "s4")
    assert [(match.arms[0].setting.tokens, match.arms[1].setting.tokens) for match in found] == [
        ("concatenated", "interleaved")
    ]
    assert layouts.gains(found)["d"].value == pytest.approx(0.1)
    assert layouts.overall(found) == layouts.gains(found)["d"]
    assert layouts.matches(read(tmp_path), "s4d") == []


def test_few_runs_do_not_count(tmp_path):
    few = layouts.matches(read(tmp_path, count=4), "s4")
    assert layouts.gains(few) == {}
    assert layouts.overall(few) is None
