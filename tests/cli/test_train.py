"""The training script: stopped, killed or spoiled, it goes on from its last checkpoint as if nothing had been."""

import os
import signal
import types

import chex
import numpy as np
import pytest
import rich.console

from jax_s4rl.agents import decision_transformer, run_directory
from jax_s4rl.cli import train
from jax_s4rl.data import trajectories
from jax_s4rl.evaluation import rollout
from jax_s4rl.training import checkpoints, loop, metrics, update
from tests.data import records
from tests.experiments import runs

QUIET = rich.console.Console(quiet=True)


def run(path, *, resume=False, seeds=(0,), on_write=None, checkpoint_every=6, said=None, bad_episode=None):
    """Trains in a folder; returns the last checkpoint's step and state."""
    program, told = runs.make_program(len(seeds)), []
    if bad_episode is not None:
        program = runs.spoil(program, bad_episode)
    report = (said if said is not None else told).append
    with run_directory.opened(path, runs.describe(seeds), resume=resume, report=report) as folder:
        if on_write is not None:
            write = folder.write
            folder.write = lambda dispatch: (write(dispatch), on_write(dispatch))
        train.train(program, runs.SETTINGS, folder, checkpoint_every, QUIET)
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


def test_the_command_line_of_a_resumed_run_takes_its_settings(tmp_path):
    given = ["--folder", str(tmp_path), "--mixer", "lru", "--batch-size", "4", "--model.width", "16", "--seeds", "2"]
    options = train.parse(given)
    settings = options.resolved()
    assert (settings.model.mixer.name, settings.model.width, settings.batch_size, options.seeds) == ("lru", 16, 4, 2)
    described = run_directory.describe(runs.TASK, settings, runs.MODEL, (0, 1))
    with run_directory.opened(tmp_path, described, resume=False):
        pass
    again = train.parse(["--folder", str(tmp_path), "--resume", "--model.width", "32"])
    assert again.dataset == "tiny"
    assert again.resolved().model.width == 32
    assert again.resolved().model.mixer.name == "lru"
    assert (again.resolved().batch_size, again.seeds) == (4, 2)
    assert train.parse(["--folder", str(tmp_path / "new"), "--resume"]).resolved() == decision_transformer.Settings()


def test_episodes_are_judged_by_target_and_kind():
    record = trajectories.concatenate([records.make_record((2,), seed=seed) for seed in range(4)])
    greedy, targets = np.array([True, True, False, False]), np.array([1.0, 2.0, 1.0, 2.0])
    acted = rollout.Rollout(record, targets, greedy, 0.0, 1.0, 1)
    judged = train.judge(acted, (1.0, 2.0))
    returned = record.episode_returns.tolist()
    assert judged == {"asked": [1.0, 2.0], "achieved_greedy": returned[:2], "achieved_sampled": returned[2:]}


@pytest.mark.parametrize("best_step", [8, 12])
def test_the_last_checkpoint_and_the_best_are_both_judged(monkeypatch, capsys, best_step):
    def load(_, *, best):
        return types.SimpleNamespace(step=best_step if best else 12)

    monkeypatch.setattr(train.run_directory, "load", load)
    monkeypatch.setattr(train, "evaluate_run", lambda _, run, name, *__: [{"checkpoint": name, "updates": run.step}])
    rows = train.evaluate(train.Train(), {}, rich.console.Console(width=200))
    wanted = {"last": 12, "best": best_step} if best_step != 12 else {"last and best": 12}
    assert {row["checkpoint"]: row["updates"] for row in rows} == wanted
    assert train.RULE in capsys.readouterr().out
