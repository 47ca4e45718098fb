"""Probes of key-to-door have tables and pictures of their own, and count for no claim."""

import pytest

from experiments.report import catalog, document, probes, scores
from tests.experiments.report import made_up

ABOUT = catalog.KEY_TO_DOOR
SMALL = "key_to_door/dt/random-1000"
LONGER = "tested with longer waits"


def runs(method, variant, **metrics):
    return made_up.runs(
        "key_to_door", SMALL, method, made_up.spread(0.8), "success", variant=variant, **metrics
    )


def waits(value, memory=""):
    return {f"success{memory}_at_{steps}_sampled": value for steps in (90, 300, 1_000)}


def critics():
    curves = {"no key": [0.0, 0.1], "success": [0.1, 0.5]}
    values = {key: 0.25 for pair in probes.EXPECTED.values() for key in pair if key}
    shares = {
        "return_on_key": 0.5,
        "return_on_key_uniform": 0.1,
        "action_on_key": 0.2,
        "action_on_key_uniform": 0.1,
    }
    return [
        *runs("s4d", "critic", critic_curves=curves, **values, **shares),
        *runs(
            "attention",
            "critic",
            critic_curves=curves,
            **values,
            **shares,
            attention_return_on_key=0.3,
        ),
    ]


def write(rows):
    return probes.key_to_door(ABOUT.holding(rows))


def tables(content):
    return [block for block in content if isinstance(block, document.Table)]


def test_without_lines_there_is_nothing():
    assert write([]) == []


def test_success_by_wait_has_a_line_for_every_memory():
    rows = [
        *runs("s4d", LONGER, **waits(0.7), success_at_4000_sampled=0.6),
        *runs("attention", f"{LONGER}, rotary positions", **waits(0.3), **waits(0.2, "_whole")),
    ]
    table = tables(write(rows))[0]
    assert table.head[4:] == ["30 steps", "90 steps", "300 steps", "1,000 steps", "4,000 steps"]
    assert [line[:4] for line in table.rows] == [
        ["s4d", "by its state", "as in training", "5"],
        ["attention", "rotary positions", "as in training", "5"],
        ["attention", "rotary positions", "whole episode", "5"],
    ]
    assert str(table.rows[0][-1]).startswith("60.0")
    assert str(table.rows[2][-2]).startswith("20.0")
    assert table.rows[1][-1] == "-"


def test_critics_stand_beside_exact_values():
    expected, shares = tables(write(critics()))
    assert expected.rows[0][:3] == ["exact", "-", "0.25"]
    assert [line[0] for line in expected.rows[1:]] == ["attention", "s4d"]
    assert shares.rows[0][4] == "30.0 (10.0)"
    assert shares.rows[1] == ["s4d", "5", "50.0 (10.0)", "20.0 (10.0)", "-", "-"]


def test_pictures_are_drawn():
    content = write([*runs("s4d", LONGER, **waits(0.7)), *critics()])
    found = [block for block in content if isinstance(block, document.Picture)]
    assert [picture.name for picture in found] == ["key_to_door-waits", "key_to_door-critic"]
    assert all("<svg" in picture.draw() for picture in found)


def test_they_count_for_no_claim():
    study = ABOUT.holding([*runs("s4d", LONGER), *runs("attention", LONGER), *critics()])
    assert not list(scores.against(study, "s4d"))


SMALL, LARGE = "key_to_door/dt/random-1000", "key_to_door/dt/random-10000"
SHARES = {"action_on_key": 0.2, "action_on_key_uniform": 0.1, "action_key_rank": 3.0}
CURVE = {"action_curve": [1 / 60] * 60}
MAP = {"attention_action_on_key": 0.4, "attention_action_curve": [[1 / 60] * 60] * 2}


def attribution(*rows):
    return probes.key_to_door(ABOUT.holding(row for own in rows for row in own))


def trained(method, dataset=SMALL, variant="balanced batches", **metrics):
    return made_up.runs(
        "key_to_door", dataset, method, made_up.spread(0.8), "success", variant=variant, **metrics
    )


@pytest.mark.parametrize("rows", [[], trained("s4d"), trained("s4d", variant="critic", **SHARES)])
def test_without_such_lines_there_is_nothing(rows):
    content = attribution(rows)
    heads = [block.text for block in content if isinstance(block, document.Heading)]
    assert not any("depends on" in head for head in heads)


def test_shares_ranks_and_what_equal_weights_would_have():
    _, table, _ = attribution(
        trained("s4d", **SHARES), trained("attention", LARGE, **SHARES, **MAP), trained("lstm")
    )
    assert isinstance(table, document.Table)
    assert table.rows == [
        ["s4d", "dt/random-1000", "5", "20.0 (10.0)", "3.00", "-"],
        ["attention", "dt/random-10000", "5", "20.0 (10.0)", "3.00", "40.0 (10.0)"],
    ]


@pytest.mark.parametrize("with_map", [False, True])
def test_the_picture_has_a_map_only_where_attention_tells(with_map):
    content = attribution(
        trained("s4d", **SHARES, **CURVE),
        trained("attention", **SHARES, **CURVE, **(MAP if with_map else {})),
    )
    (picture,) = (block for block in content if isinstance(block, document.Picture))
    svg = picture.draw()
    assert picture.name == "key_to_door-resting"
    assert ">gradient<" in svg
    assert (">attention, mean over heads<" in svg) == with_map
