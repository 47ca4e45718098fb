"""Rules say what the code and the lines say."""

from benchmarks import acting, training
from experiments.reporting import published, rules, speeds
from tests.experiments.reporting import made_up


def timed(**parameters):
    return [made_up.timed(who, speeds.ONE, 32, 1.0) | {"parameters": count} for who, count in parameters.items()]


def test_shares_of_parameters_come_from_the_lines():
    told = rules.several_times(timed(attention=100, s4=34, s4d=20), timed(attention=100, s4=50))
    assert "fewer parameters than attention: 20 to 34 % where training is timed, 50 % where acting is timed." in told
    assert "fewer parameters than attention." in rules.several_times([], [])


def test_repeats_are_those_of_the_benchmarks():
    told = rules.several_times([], [])
    assert f"{training.Config().repeats} timings of some updates" in told
    assert f"{acting.Config().repeats} actions. The claim" in told


def test_intervals_of_ratios_are_told_of_where_lines_have_turns():
    row = made_up.timed("attention", speeds.ONE, 32, 1.0)
    assert "intervals of the ratios" not in rules.several_times([row], [])
    row["metrics"]["turns"] = [1.0, 1.1]
    assert "intervals of the ratios stand in the tables" in rules.several_times([row], [])


def test_the_weight_of_q_learning_is_the_one_that_decides():
    assert f"`{published.ROWS['CQL'].decides}` of Q-learning" in rules.PUBLISHED
