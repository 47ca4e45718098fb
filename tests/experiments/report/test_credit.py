"""Rows of hindsight credit and value transport, as the report reads them."""

import math

import pytest

from experiments import (
    gated_ppo,
    hindsight_credit,
    linear_key_to_door,
    value_transport,
    value_transport_online,
)
from experiments.report import credit, load, tables
from jax_s4rl.agents import hindsight_policy
from tests.experiments.report import made_up


def test_a_correlation_is_the_score_of_both_ways_of_acting():
    row = made_up.row("hindsight_credit", "d", "s4d", 0, rank_correlation=0.5)
    (found,) = credit.of_hindsight(row)
    assert found["metrics"][credit.HINDSIGHT.key(load.GREEDY)] == 0.5
    clone = made_up.row("hindsight_credit", "d", "bc", 0, variant="s4d", score_greedy=0.5)
    assert credit.of_hindsight(clone) == credit.of_clones(row) == []
    (found,) = credit.of_clones(clone)
    assert (found["method"], load.variant(found)) == ("s4d, all episodes", "")


@pytest.mark.parametrize("side", [credit.RECORDED, credit.TRANSPORTED])
def test_what_is_not_about_rewards_is_a_method_of_its_own(side):
    row = made_up.row("e", "d", "cql", 0, variant=f"{side}, discount 0.92, conservatism 0.1")
    (found,) = credit.of_transport(row)
    assert (found["method"], load.variant(found)) == ("cql, discount 0.92, conservatism 0.1", side)
    (bare,) = credit.of_transport(made_up.row("e", "d", "s4d", 0, variant=side))
    assert (bare["method"], load.variant(bare)) == ("s4d", side)


def test_a_clone_of_all_episodes_stands_for_both():
    found = credit.of_transport(made_up.row("e", "d", "bc", 0, variant="s4d"))
    assert [load.variant(row) for row in found] == [credit.RECORDED, credit.TRANSPORTED]


def test_names_are_those_of_the_scripts():
    data = [point.data for point in credit.HINDSIGHT.points]
    assert data == [(dataset,) for dataset in hindsight_credit.PARTS.values()]
    assert {point.data[0] for point in credit.CLONING.points} == hindsight_credit.CLONED.keys()
    assert {point.data for point in credit.TRANSPORT.points} == {(value_transport.DATASET,)}
    assert (credit.RECORDED, credit.TRANSPORTED) == (
        value_transport.RECORDED,
        value_transport.TRANSPORTED,
    )
    names = [point.data[0] for point in credit.LINEAR.points]
    cells = linear_key_to_door.LENGTHS
    assert names == [f"{linear_key_to_door.NAME}/{number}" for number in cells]
    (umbrella,) = (
        point for point in credit.HINDSIGHT.points if point.title in credit.LONG_UMBRELLA
    )
    assert umbrella.data == (hindsight_credit.UMBRELLA,)
    assert credit.LONG_MIXERS == hindsight_credit.SHOWN
    assert set(credit.CREDITS) == set(hindsight_policy.CREDITS)
    assert [point.data for point in credit.TRANSPORT_ONLINE.points] == [
        (f"{value_transport_online.NAME}/{steps}",)
        for steps in sorted(value_transport_online.DISTRACTORS)
    ]
    assert [point.data[0] for point in credit.GATE.points] == list(
        dict.fromkeys(name for name, _ in gated_ppo.PARTS["umbrella"])
    )
    assert set(credit.WAYS) == set(value_transport_online.WAYS)


def test_rows_of_online_runs_have_scores_and_names_for_readers():
    rows = made_up.online_runs("linear_key_to_door", "linear_key_to_door/23", ("none",), treasure=1)
    (row, *_) = credit.LINEAR.holding(rows).rows.scored
    assert (row["dataset"], row["method"]) == ("linear_key_to_door/23", "REINFORCE")
    assert row["metrics"]["score_sampled"] == 1


def test_the_credit_of_actions_that_decide_nothing_has_a_table():
    numbers = dict.fromkeys(credit.HINDSIGHT.further.values(), 0.015)
    row = made_up.row(
        *("hindsight_credit", hindsight_credit.UMBRELLA, "s4d", 0),
        rank_correlation=0.97,
        **numbers,
    )
    (table,) = tables.beside(credit.HINDSIGHT.holding([row]))
    assert table.rows == [["umbrella, 100 steps", "S4D", *["0.015"] * len(numbers)]]


def test_a_gate_is_open_without_one_and_what_has_not_learned_never_does():
    own = made_up.online_runs("gated_ppo", "umbrella/10", ("s5, gate",), learned_at=5, open=0.1)
    plain = made_up.online_runs("gated_ppo", "umbrella/10", ("s5",), learned_at=None)
    found = credit.GATE.holding([*own, *plain]).rows.scored
    metrics = {row["method"]: row["metrics"] for row in found}
    assert (metrics["s5, gate"]["learned_at"], metrics["s5, gate"]["open"]) == (5, 0.1)
    assert (metrics["s5"]["learned_at"], metrics["s5"]["open"]) == (math.inf, 1.0)
    assert {row["dataset"] for row in found} == {"umbrella/10"}
