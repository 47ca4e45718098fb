"""Training in a run directory: stopped or killed, it resumes as if it had never stopped."""

import dataclasses
import errno
import inspect
import json
import os
import signal
import sys
import types

import chex
import numpy as np
import pytest
import rich.console

from jax_s4rl.agents import interruption, run_directory, training
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
    settings=runs.SETTINGS,
):
    """Trains in a folder; returns the last checkpoint's step and state."""
    program, told = runs.make_program(len(seeds)), []
    if bad_episode is not None:
        program = runs.spoil(program, bad_episode)
    report = (said if said is not None else told).append
    described = runs.describe(seeds, settings)
    with run_directory.open_for_training(path, described, resume=resume, report=report) as folder:
        if on_write is not None:
            write = folder.write
            folder.write = lambda dispatch: (write(dispatch), on_write(dispatch))
        training.train(program, settings, folder, checkpoint_every, QUIET)
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
    return run(path), steps(path), path


def test_it_trains_to_the_end(whole):
    (step, state), lines, _ = whole
    assert step == 20
    assert state.step == [20]
    assert np.abs(state.params["w"]).min() > 0
    assert lines == list(range(2, 21, 2))


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize(
    ("number", "name", "error"),
    [(signal.SIGTERM, "SIGTERM", SystemExit), (signal.SIGINT, "Ctrl-C", interruption.Stopped)],
)
def test_a_signal_leaves_a_checkpoint_and_resuming_repeats_the_rest(
    tmp_path, whole, number, name, error
):
    def stop(dispatch):
        if dispatch.step == 10:
            os.kill(os.getpid(), number)

    said = []
    with pytest.raises(error) as left:
        run(tmp_path, on_write=stop, said=said)
    # Schedulers count the end by SIGTERM as a success.
    assert getattr(left.value, "code", 0) == 0
    assert said == [
        f"stopped by {name} after update 10 of 20, with a checkpoint; resume with: jax-s4rl train "
        f"--folder {tmp_path} --resume"
    ]
    assert last(tmp_path)[0] == 10
    said = []
    step, state = run(tmp_path, resume=True, said=said)
    assert said == ["going on after update 10"]
    chex.assert_trees_all_equal((step, state), whole[0])
    assert steps(tmp_path) == whole[1]


def saved_losses(path):
    """Returns the losses by which checkpoints are compared, by step."""
    like = {int(one.name): one for one in (path / run_directory.CHECKPOINTS).iterdir()}
    return {
        step: json.loads((one / "metrics/metrics").read_text())["loss"]
        for step, one in like.items()
    }


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize("stops", [(10,), (2, 16), (12,), (4, 6, 8, 18)])
def test_a_stop_does_not_change_which_checkpoint_is_the_best(tmp_path, whole, stops):
    for resumed, step in enumerate(stops):

        def stop(dispatch, step=step):
            if dispatch.step == step:
                os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(SystemExit):
            run(tmp_path, on_write=stop, resume=bool(resumed))
        # What was saved because of the stop alone is the best only if there is no other.
        assert (saved_losses(tmp_path)[step] == checkpoints.NEVER_BEST) == bool(step % 6)
    run(tmp_path, resume=True)
    due = {
        step: loss for step, loss in saved_losses(tmp_path).items() if step % 6 == 0 or step == 20
    }
    wanted = saved_losses(whole[2])
    assert due == {step: wanted[step] for step in due}
    assert {18, 20} <= set(due)


@pytest.mark.slow
def test_a_complete_run_is_made_longer_and_told_what_that_means(tmp_path, whole):
    run(tmp_path)
    said, longer = [], dataclasses.replace(runs.SETTINGS, num_updates=25)
    step, state = run(tmp_path, resume=True, settings=longer, said=said)
    assert step == 25
    # A last dispatch of one update, for which the program is made again.
    assert steps(tmp_path)[-3:] == [22, 24, 25]
    assert "20 updates were planned, now 25" in said[1]
    # A tenth of the peak at the end of the old schedule, more at the same update of the new one.
    assert "goes from 0.0001 to 0.000201 and falls to 0.0001" in said[1]
    assert not np.array_equal(state.params["w"], whole[0][1].params["w"])
    # Longer once more: the checkpoints still fit, and the run remembers its length.
    assert run_directory.read(tmp_path).settings.num_updates == 25
    again = run(tmp_path, resume=True, settings=dataclasses.replace(longer, num_updates=26))
    assert again[0] == 26
    with pytest.raises(ValueError, match="num_updates is 26 there, 20 was given"):
        run(tmp_path, resume=True)


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
    # At the same distances as before, and after the last update.
    saved = {int(path.name) for path in (tmp_path / run_directory.CHECKPOINTS).iterdir()}
    assert {12, 18, 20} <= saved <= {6, 12, 18, 20}
    # A run that is complete is left as it is.
    chex.assert_trees_all_equal(run(tmp_path, resume=True), whole[0])


def fill_disk(folder):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder._checkpoints._manager.save = fail


def train_until_full(path):
    """Trains until the disk is full, after the first checkpoint."""
    described = runs.describe()
    with run_directory.open_for_training(path, described, resume=False) as folder:
        save = folder.save

        def save_and_fill(dispatch, *, since):
            save(dispatch, since=since)
            folder.complete()
            fill_disk(folder)

        folder.save = save_and_fill
        training.train(runs.make_program(), runs.SETTINGS, folder, 6, QUIET)


def test_a_full_disk_keeps_the_last_checkpoint_and_says_how_to_go_on(tmp_path):
    with pytest.raises(OSError, match="No space left on device") as left:
        train_until_full(tmp_path)
    assert left.value.__notes__ == [
        f"after that, resume with: jax-s4rl train --folder {tmp_path} --resume"
    ]
    assert last(tmp_path)[0] == 6


def test_exhausted_memory_leaves_a_folder_for_a_smaller_training(tmp_path, monkeypatch):
    program = runs.make_program()
    monkeypatch.setattr(training.decision_transformer, "prepare", lambda *_: program)

    def fail(*_):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nallocating 9 bytes")

    def again(settings):
        options = {"resume": False, "checkpoint_every": 6, "console": QUIET}
        return training.run(runs.TASK, settings, (0,), tmp_path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "compile_update", fail)
        with pytest.raises(MemoryError, match="a smaller training can use it"):
            again(runs.SETTINGS)
    smaller = dataclasses.replace(runs.SETTINGS, num_updates=10)
    assert again(smaller).keys() == {"compile", "train"}
    assert last(tmp_path)[0] == 10


def test_a_run_that_diverges_keeps_its_last_good_checkpoint_and_names_the_episodes(tmp_path):
    # With this seed, the sixth batch is the first that holds the episode.
    sentence = r"update 6 \(seed 0, its batch came from episodes (0, )?1"
    with pytest.raises(loop.Diverged, match=sentence):
        run(tmp_path, seeds=(6,), bad_episode=1, checkpoint_every=2)
    step, state = last(tmp_path, (6,))
    assert step == 4
    assert np.isfinite(state.params["w"]).all()


def test_hooks_do_not_pile_up(tmp_path, monkeypatch):
    depths = []
    monkeypatch.setattr(sys, "unraisablehook", lambda _: depths.append(len(inspect.stack())))
    short = dataclasses.replace(runs.SETTINGS, num_updates=2)
    for number in range(4):
        with interruption.raised():
            run(tmp_path / str(number), settings=short)
        sys.unraisablehook(types.SimpleNamespace(exc_value=ValueError("of somebody")))
    assert depths[1:] == [depths[1]] * 3
