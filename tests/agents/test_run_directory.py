"""Run directories: their content, their lock, and resumed runs."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from jax_s4rl.agents import run_directory
from jax_s4rl.data import storage
from jax_s4rl.evaluation import result_rows
from jax_s4rl.training import checkpoints, config_io, loop, run_lock, update
from jax_s4rl.training import metrics as training_metrics
from tests.agents import runs


def dispatch(program, seeds=(0,), step=10):
    metrics = update.Metrics(*(np.full((len(seeds), 2), value, np.float32) for value in (3.0, 0.5)))
    return loop.Dispatch(
        step,
        program.init(seeds)._replace(step=np.full((2, len(seeds)), step, np.int32)),
        metrics,
        0.5,
    )


def test_a_folder_says_what_the_run_is(tmp_path):
    described = runs.describe((0, 3))
    with run_directory.open_for_training(tmp_path / "x", described, resume=False):
        about = json.loads((tmp_path / "x" / run_directory.ABOUT).read_text())
    assert about["versions"]["jax"] == jax.__version__
    assert about["commit"] == result_rows.commit()
    assert about["configuration"]["dataset_hash"] == storage.content_hash(runs.RECORD)
    again = run_directory.read(tmp_path / "x")
    assert again == described
    with again.world.make_env() as env:
        assert env.spec.max_episode_steps == 40


def test_a_run_goes_on_only_if_asked_to_and_as_it_was(tmp_path):
    for resume in (True, True):
        with run_directory.open_for_training(tmp_path, runs.describe(), resume=resume):
            pass
    assert len(json.loads((tmp_path / run_directory.ABOUT).read_text())["resumed"]) == 1
    (tmp_path / run_directory.RESULTS).touch()
    with (
        pytest.raises(ValueError, match="already holds a run; resume it with --resume"),
        run_directory.open_for_training(tmp_path, runs.describe(), resume=False),
    ):
        pass
    wider = dataclasses.replace(
        runs.SETTINGS, model=dataclasses.replace(runs.SETTINGS.model, width=16)
    )
    other = dataclasses.replace(runs.describe((0, 1), wider), dataset_hash="0")
    sentence = (
        rf"dataset_hash is '{runs.describe().dataset_hash}' there, '0' was given, "
        r"seeds is \[0\] there, \[0, 1\] was given, "
        "settings.model.width is 128 there, 16 was given; go on with the saved values"
    )
    with (
        pytest.raises(ValueError, match=sentence),
        run_directory.open_for_training(tmp_path, other, resume=True),
    ):
        pass


def test_a_folder_in_use_is_refused(tmp_path):
    with (
        run_lock.Lock(tmp_path),
        pytest.raises(ValueError, match="is in use by process"),
        run_directory.open_for_training(tmp_path, runs.describe(), resume=True),
    ):
        pass


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize("seeds", [(0,), (0, 1), (5, 6, 7)])
def test_states_metrics_and_steps_come_back(tmp_path, seeds):
    program, said = runs.make_program(len(seeds)), []
    with run_directory.open_for_training(
        tmp_path, runs.describe(seeds), resume=False, report=said.append
    ) as folder:
        state, start = folder.restore(program.init(seeds))
        assert start == 0
        reached = dispatch(program, seeds)
        folder.write(reached)
        folder.save(reached, since=0)
        folder.write(dispatch(program, seeds, step=20))
        assert folder.complete() == 1.0
    with run_directory.open_for_training(
        tmp_path, runs.describe(seeds), resume=True, report=said.append
    ) as folder:
        state, start = folder.restore(program.init(seeds))
        assert folder.complete() == 0.5
    assert start == 10
    assert said == ["going on after update 10"]
    assert [row["step"] for row in training_metrics.read(tmp_path)] == [10]
    assert next(training_metrics.read(tmp_path))["loss"] == [3.0] * len(seeds)
    wanted = update.collect(reached.train_state.key, len(seeds))
    np.testing.assert_array_equal(
        *(jax.random.key_data(keys) for keys in (update.collect(state.key, len(seeds)), wanted))
    )


def test_a_folder_without_a_run_or_with_half_of_one_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"there is no run in .* \(no run.json\); check the name"
    ):
        run_directory.read(tmp_path)
    (tmp_path / run_directory.ABOUT).write_text('{"configuration":')
    with pytest.raises(
        ValueError, match=r"run.json is damaged .*; undo the change or restore the file, or train"
    ):
        run_directory.read(tmp_path)


def test_a_run_remembers_the_options_that_it_was_last_started_with(tmp_path):
    for options, wanted in (({"episodes": 3}, 3), (None, 3), ({"episodes": 4}, 4)):
        with run_directory.open_for_training(
            tmp_path, runs.describe(), resume=True, options=options
        ):
            pass
        assert run_directory.read_options(tmp_path) == {"episodes": wanted}


def test_a_smaller_try_can_use_the_folder_of_a_run_without_a_checkpoint(tmp_path):
    said = []
    with run_directory.open_for_training(tmp_path, runs.describe(), resume=False):
        pass
    smaller = dataclasses.replace(runs.SETTINGS, batch_size=2)
    with run_directory.open_for_training(
        tmp_path, runs.describe(settings=smaller), resume=False, report=said.append
    ) as folder:
        folder.restore(runs.make_program().init((0,)))
    assert said == [
        f"the run in {tmp_path} ended before its first checkpoint; a new one replaces it"
    ]
    assert run_directory.read(tmp_path).settings.batch_size == 2


def test_a_resumed_run_whose_checkpoints_are_gone_says_that_it_begins_again(tmp_path):
    said, program = [], runs.make_program()
    for _ in range(2):
        with run_directory.open_for_training(
            tmp_path, runs.describe(), resume=True, report=said.append
        ) as folder:
            assert folder.restore(program.init((0,)))[1] == 0
    assert said == [f"{tmp_path} has no checkpoint; the run begins again at its first update"]


def test_what_a_killed_write_left_is_removed(tmp_path):
    for name in (run_directory.ABOUT, training_metrics.LINES):
        (tmp_path / f".{name}.abcd1234").write_text("half")
    with run_directory.open_for_training(tmp_path, runs.describe(), resume=False) as folder:
        folder.restore(runs.make_program().init((0,)))
        assert not list(tmp_path.glob(".*"))


def remove_parts(path, name, said):
    """Trains, removes a part of the folder, then the folder."""
    program = runs.make_program()
    with run_directory.open_for_training(
        path, runs.describe(), resume=False, report=said.append
    ) as folder:
        folder.restore(program.init((0,)))
        folder.write(dispatch(program))
        part = path / name
        shutil.rmtree(part) if part.is_dir() else part.unlink()
        folder.save(dispatch(program), since=0)
        folder.complete()
        assert checkpoints.load(path / "checkpoints", {}).step == 10
        assert [row["step"] for row in training_metrics.read(path)] == [10]
        shutil.rmtree(path)
        folder.save(dispatch(program, step=20), since=10)


@pytest.mark.parametrize("name", ["checkpoints", "metrics.jsonl"])
def test_a_removed_part_is_made_again_and_a_removed_folder_is_one_sentence(tmp_path, name):
    said, path = [], tmp_path / "run"
    with pytest.raises(FileNotFoundError, match="run was removed while its run was going on"):
        remove_parts(path, name, said)
    assert [f"{path / name} was removed while" in sentence for sentence in said] == [True]


def test_a_configuration_of_another_kind_is_one_sentence(tmp_path):
    settings = config_io.to_json(runs.SETTINGS)
    for other in (settings, {"settings": {"num_updates": 5}}, settings | {"settings": settings}):
        about = {"configuration": {"settings": {"num_updates": 5}} | other}
        (tmp_path / run_directory.ABOUT).write_text(json.dumps(about))
        with pytest.raises(ValueError, match=r"run.json describes no run|differ from today's"):
            run_directory.read(tmp_path)
