"""Rows of hindsight credit and value transport, as the report reads them."""

import pytest

from experiments import hindsight_credit, value_transport
from experiments.report import credit, load
from tests.experiments.report import made_up


def test_a_correlation_is_the_score_of_both_ways_of_acting():
    row = made_up.row("hindsight_credit", "d", "s4d", 0, rank_correlation=0.5)
    (found,) = credit.of_hindsight(row)
    assert found["metrics"][credit.HINDSIGHT.key(load.GREEDY)] == 0.5
    plain = made_up.row("hindsight_credit", "d", "s4d", 0)
    assert credit.of_hindsight(plain) == [plain]


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
    assert {point.data for point in credit.TRANSPORT.points} == {(value_transport.DATASET,)}
    assert (credit.RECORDED, credit.TRANSPORTED) == (
        value_transport.RECORDED,
        value_transport.TRANSPORTED,
    )
