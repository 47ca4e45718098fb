"""The models that are timed are what the preface of the tables says."""

import pytest

from benchmarks import timed_models
from jax_s4rl.models import presets
from jax_s4rl.modules import mixers


def test_every_mixer_comes_with_both_tokenizations_and_s4d_with_a_twin():
    found = list(timed_models.make(32))
    assert len({one.name for one in found}) == len(found) == 2 * len(mixers.NAMES) + 1
    for one in found:
        assert (
            one.config.model.num_layers,
            one.config.model.width,
            one.config.model.context_length,
        ) == (3, 128, 32)


@pytest.mark.slow
def test_the_twin_has_the_parameters_of_attention():
    counts = {
        one.name: presets.count(one.config) for one in timed_models.make(32, ("attention", "s4d"))
    }
    assert counts["s4d/matched, concatenated"] == pytest.approx(
        counts["attention, concatenated"], rel=1e-3
    )
    assert counts["attention, concatenated"] > 3 * counts["s4d, concatenated"]


def test_the_record_has_the_lengths_asked_for():
    assert timed_models.record(5, 3).episode_lengths.tolist() == [5, 5, 5]
