"""Training in a run directory: stopped or killed, it resumes as if it had never stopped."""

import os
import signal

import chex
import numpy as np
import pytest
import rich.console

from jax_s4rl.agents import run_directory, training
from jax_s4rl.training import checkpoints, loop, metrics, update
from tests.agents import runs

QUIET = rich.console.Console(quiet=True)


def run(
    path,
    *,
    resume=False,
    seeds=(0,),
    on_write=None,
    checkpoint_every=6,
    said=None,
    bad_episode=None,
):
    """Trains in a folder; returns the last checkpoint's step and state."""
    program, told = runs.make_program(len(seeds)), []
    if bad_episode is not None:
        program = runs.spoil(program, bad_episode)
    report = (said if said is not None else told).append
    with run_directory.opened(path, runs.describe(seeds), resume=resume, report=report) as folder:
        if on_write is not None:
            write = folder.write
            folder.write = lambda dispatch: (write(dispatch), on_write(dispatch))
        training.train(program, runs.SETTINGS, folder, checkpoint_every, QUIET)
    return last(path, seeds)


def last(path, seeds=(0,)):
    like = update.collect(runs.make_program(len(seeds)).init(seeds), len(seeds))
    found = checkpoints.load(path / run_directory.CHECKPOINTS, like)
    return found.step, found.state._replace(key=None)


def steps(path):
    return [row["step"] for row in metrics.read(path)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    return run(path), steps(path)


def test_it_trains_to_the_end(whole):
    (step, state), lines = whole
    assert step == 20
    assert state.step == [20]
    assert np.abs(state.params["w"]).min() > 0
    assert lines == list(range(2, 21, 2))


def test_a_signal_leaves_with_success_and_resuming_repeats_the_rest(tmp_path, whole):
    def stop(dispatch):
        if dispatch.step == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as left:
        run(tmp_path, on_write=stop)
    assert left.value.code == 0
    assert last(tmp_path)[0] == 10
    said = []
    step, state = run(tmp_path, resume=True, said=said)
    assert said == ["going on after update 10"]
    chex.assert_trees_all_equal((step, state), whole[0])
    assert steps(tmp_path) == whole[1]


def test_a_signal_that_comes_while_compiling_stops_after_the_first_dispatch(tmp_path, monkeypatch):
    compile_update = loop.compile_update

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return compile_update(*arguments)

    monkeypatch.setattr(loop, "compile_update", interrupted)
    with pytest.raises(SystemExit) as left:
        run(tmp_path)
    assert left.value.code == 0
    assert last(tmp_path)[0] == 2


def test_what_came_after_the_last_checkpoint_is_repeated(tmp_path, whole):
    def die(dispatch):
        if dispatch.step == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, on_write=die)
    assert last(tmp_path)[0] == 12
    assert steps(tmp_path)[-1] == 16
    chex.assert_trees_all_equal(run(tmp_path, resume=True), whole[0])
    assert steps(tmp_path) == whole[1]
    # A run that is complete is left as it is.
    chex.assert_trees_all_equal(run(tmp_path, resume=True), whole[0])


def test_a_run_that_diverges_keeps_its_last_good_checkpoint_and_names_the_episodes(tmp_path):
    # With this seed, the sixth batch is the first that holds the episode.
    sentence = r"update 6 \(seed 0, its batch came from episodes (0, )?1"
    with pytest.raises(loop.Diverged, match=sentence):
        run(tmp_path, seeds=(6,), bad_episode=1, checkpoint_every=2)
    step, state = last(tmp_path, (6,))
    assert step == 4
    assert np.isfinite(state.params["w"]).all()
