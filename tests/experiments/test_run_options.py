"""Options of experiments: refused ones, the shard, and the quick look."""

from pathlib import Path

import pytest

from experiments import run_options, shards
from experiments.run_options import Options

PARTS = ("small", "large")


def test_the_defaults_are_all_trials():
    Options().check(PARTS)
    assert Options().chosen_shard() is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (Options(parts=("medium",)), "got parts medium; choose from small, large"),
        (Options(mixers=("s9",)), "s9"),
        (Options(seeds=0), "got seeds=0; ask for 1 or more"),
        (Options(updates=5), "got updates=5; its trials have their own"),
        (Options(seeds=-1), "got seeds=-1; ask for 1 or more"),
        (Options(episodes=49), "got episodes=49; ask for 50 or more"),
        (Options(shard="1/2", array=True), "got --shard 1/2 and --array.*; give one of them"),
        (Options(quick=True, mixers=("s4",)), "--quick chooses parts, mixers"),
    ],
)
def test_impossible_options_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        options.check(PARTS)


def test_a_quick_look_can_be_dry_sharded_and_written_elsewhere():
    Options(quick=True, dry=True, shard="1/2", out=Path("x")).check(PARTS)
    Options(quick=True, array=True).check(PARTS)


def test_updates_are_for_experiments_that_leave_them_open():
    Options(updates=5).check(PARTS, takes_updates=True)
    with pytest.raises(ValueError, match="got updates=0; ask for 1 or more"):
        Options(updates=0).check(PARTS, takes_updates=True)


def test_a_quick_look_is_small():
    options = Options(quick=True, shard="1/2").quick_look("some", ["small"])
    assert options.parts == ("small",)
    assert (options.seeds, options.episodes) == (1, run_options.FEWEST_EPISODES)
    assert options.mixers == run_options.QUICK_MIXERS
    assert options.out == Path("runs/some-quick.jsonl")
    assert options.shard == "1/2"
    assert Options(out=Path("x")).quick_look("some", ["small"]).out == Path("x")


def test_an_experiment_has_its_own_mixers_unless_others_are_asked_for():
    assert Options().contenders(["s4d", "mamba"]) == ("s4d", "mamba")
    assert Options(mixers=("lstm",)).contenders(["s4d", "mamba"]) == ("lstm",)


def test_the_shard_is_named_or_that_of_the_job_array(monkeypatch):
    assert Options(shard="2/3").chosen_shard() == shards.Shard(2, 3)
    with pytest.raises(ValueError, match="--array needs SLURM_ARRAY_TASK_ID"):
        Options(array=True).chosen_shard()
    for name, value in zip(shards.SLURM, ("2", "0", "3", "4"), strict=True):
        monkeypatch.setenv(name, value)
    assert Options(array=True).chosen_shard() == shards.Shard(3, 4)
