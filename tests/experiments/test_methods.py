"""Every mixer and baseline has a line in the table of methods."""

from experiments import methods, protocol, runner
from jax_s4rl.modules import mixers


def test_every_mixer_has_a_name_and_a_color_of_its_own():
    wanted = {*mixers.NAMES, *runner.MIXERS, *protocol.SELECTIVE, "percent_bc", "bc", "cql"}
    assert set(methods.METHODS) == wanted
    for shown in ("title", "color"):
        assert len({getattr(each, shown) for each in methods.METHODS.values()}) == len(wanted)


def test_mixers_stand_before_baselines_and_first_those_of_all_experiments():
    assert tuple(methods.METHODS)[: len(runner.MIXERS)] == runner.MIXERS
    assert tuple(methods.METHODS)[-3:] == ("percent_bc", "bc", "cql")
