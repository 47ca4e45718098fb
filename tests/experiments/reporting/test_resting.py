"""Gradients and attention have a table and a picture; what lines lack is left out."""

import pytest

from experiments.reporting import blocks, catalog, lines, resting
from tests.experiments.reporting import made_up

SMALL, LARGE = "key_to_door/dt/random-1000", "key_to_door/dt/random-10000"
SHARES = {"action_on_key": 0.2, "action_on_key_uniform": 0.1, "action_key_rank": 3.0}
CURVE = {"action_curve": [1 / 60] * 60}
MAP = {"attention_action_on_key": 0.4, "attention_action_curve": [[1 / 60] * 60] * 2}


def write(*rows):
    return resting.blocks_of(catalog.KEY_TO_DOOR, lines.sort(row for own in rows for row in own))


def runs(method, dataset=SMALL, variant="balanced batches", **metrics):
    return made_up.runs("key_to_door", dataset, method, made_up.spread(0.8), "success", variant=variant, **metrics)


@pytest.mark.parametrize("rows", [[], runs("s4d"), runs("s4d", variant="critic", **SHARES)])
def test_without_such_lines_there_is_nothing(rows):
    assert write(rows) == []


def test_shares_ranks_and_what_equal_weights_would_have():
    _, table, _ = write(runs("s4d", **SHARES), runs("attention", LARGE, **SHARES, **MAP), runs("lstm"))
    assert isinstance(table, blocks.Table)
    assert table.rows == [
        ["s4d", "dt/random-1000", "5", "20.0 (10.0)", "3.00", "-"],
        ["attention", "dt/random-10000", "5", "20.0 (10.0)", "3.00", "40.0 (10.0)"],
    ]


@pytest.mark.parametrize("with_map", [False, True])
def test_the_picture_has_a_map_only_where_attention_tells(with_map):
    content = write(runs("s4d", **SHARES, **CURVE), runs("attention", **SHARES, **CURVE, **(MAP if with_map else {})))
    (picture,) = (block for block in content if isinstance(block, blocks.Picture))
    svg = picture.draw()
    assert picture.name == "key_to_door-resting"
    assert ">gradient<" in svg
    assert (">attention, mean over heads<" in svg) == with_map
