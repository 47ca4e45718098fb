"""Run folders: what is in them, who may write, and what goes on with them."""

import dataclasses
import functools
import json

import gymnasium
import jax
import numpy as np
import pytest

from jax_s4rl.agents import decision_transformer, run_directory, tasks
from jax_s4rl.data import returns, storage
from jax_s4rl.evaluation import result_rows
from jax_s4rl.models import configs, policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import checkpoints, loop, run_lock, update
from jax_s4rl.training import metrics as training_metrics
from tests import filling
from tests.data import records
from tests.experiments import runs


def dispatch(program, seeds=(0,), step=10):
    metrics = update.Metrics(*(np.full((len(seeds), 2), value, np.float32) for value in (3.0, 0.5)))
    return loop.Dispatch(
        step, program.init(seeds)._replace(step=np.full((2, len(seeds)), step, np.int32)), metrics, 0.5
    )


def test_a_folder_says_what_the_run_is(tmp_path):
    described = runs.describe((0, 3))
    with run_directory.opened(tmp_path / "x", described, resume=False):
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
        with run_directory.opened(tmp_path, runs.describe(), resume=resume):
            pass
    assert len(json.loads((tmp_path / run_directory.ABOUT).read_text())["resumed"]) == 1
    with (
        pytest.raises(ValueError, match="already holds a run; go on with it by --resume"),
        run_directory.opened(tmp_path, runs.describe(), resume=False),
    ):
        pass
    wider = dataclasses.replace(runs.SETTINGS, model=dataclasses.replace(runs.SETTINGS.model, width=16))
    other = dataclasses.replace(runs.describe((0, 1), wider), dataset_hash="0")
    sentence = (
        rf"dataset_hash is '{runs.describe().dataset_hash}' there, '0' was given, seeds is \[0\] there, \[0, 1\] was "
        "given, settings.model.width is 128 there, 16 was given; go on with the saved values"
    )
    with pytest.raises(ValueError, match=sentence), run_directory.opened(tmp_path, other, resume=True):
        pass


def test_a_folder_in_use_is_refused(tmp_path):
    with (
        run_lock.Lock(tmp_path),
        pytest.raises(ValueError, match="is in use by process"),
        run_directory.opened(tmp_path, runs.describe(), resume=True),
    ):
        pass


@pytest.mark.parametrize("seeds", [(0,), (0, 1), (5, 6, 7)])
def test_states_metrics_and_steps_come_back(tmp_path, seeds):
    program, said = runs.make_program(len(seeds)), []
    with run_directory.opened(tmp_path, runs.describe(seeds), resume=False, report=said.append) as folder:
        state, start = folder.restore(program.init(seeds))
        assert start == 0
        reached = dispatch(program, seeds)
        folder.write(reached)
        folder.save(reached)
        folder.write(dispatch(program, seeds, step=20))
        assert folder.complete() == 1.0
    with run_directory.opened(tmp_path, runs.describe(seeds), resume=True, report=said.append) as folder:
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


def test_results_replace_those_of_before(tmp_path):
    row = result_rows.make_row(experiment="train", method="s4d", metrics={}, seconds={})
    with run_directory.opened(tmp_path, runs.describe(), resume=False) as folder:
        folder.write_results([row, row])
        folder.write_results([row])
        assert "--resume" in folder.resume_command
    assert len(list(result_rows.read_rows(tmp_path / run_directory.RESULTS))) == 1


def test_a_folder_without_a_run_or_with_half_of_one_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no run in .* \(no run.json\); check the name"):
        run_directory.read(tmp_path)
    (tmp_path / run_directory.ABOUT).write_text('{"configuration":')
    with pytest.raises(ValueError, match=r"run.json is damaged .*; restore it, or train again in another folder"):
        run_directory.read(tmp_path)


SETTINGS = decision_transformer.Settings(
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig("s4d", state_size=4), context_length=8, width=8, num_layers=1, mlp_ratio=1
    )
)
SEEDS = (4, 7)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    record = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
    task = tasks.Task("CartPole-v1", {"max_episode_steps": 12}, "tiny", record, 2, 12, 5.0, 12.0)
    config = decision_transformer.configure(SETTINGS, task)
    init = functools.partial(network.init, config)
    params = [groups.strip(filling.fill(init, jax.random.key(seed))) for seed in SEEDS]
    stacked = jax.tree.map(lambda *x: np.stack(x), *params)
    path = tmp_path_factory.mktemp("run")
    described = run_directory.describe(task, SETTINGS, config, SEEDS)
    with run_directory.opened(path, described, resume=False):
        pass
    state = update.TrainState(stacked, {"moments": np.ones(3)}, np.int32(30), jax.random.key(0))
    with checkpoints.Checkpoints(path / run_directory.CHECKPOINTS, described) as written:
        written.save(20, state, loss=0.5)
        written.save(30, state._replace(params=jax.tree.map(lambda x: x + 1, stacked)), loss=1.0)
    return path, task, params


def test_the_newest_or_the_best_parameters_come_back(saved):
    path, _, params = saved
    newest, best = (run_directory.load(path, best=best) for best in (False, True))
    assert (newest.step, best.step) == (30, 20)
    for number in range(len(SEEDS)):
        jax.tree.map(np.testing.assert_array_equal, best.params_of(number), params[number])
    assert not jax.tree.all(jax.tree.map(np.array_equal, newest.params, best.params))


def test_a_loaded_run_acts_as_the_trained_model_does(saved):
    path, task, params = saved
    asked, greedy = np.array([5.0, 10.0]), np.array([True, False])
    loaded = run_directory.load(path, best=True)
    described = loaded.description
    assert described.world.lowest_return_to_go == returns.returns_to_go(task.record.rewards, np.array([3, 5])).min()
    acted = loaded.act(asked, greedy=greedy, seed=3, number=1)
    trained: decision_transformer.Trained = decision_transformer.Trained(
        described.model, policy.RESTART, 7, params[1], None, 0.0
    )
    wanted = decision_transformer.act(trained, task, asked, greedy=greedy, seed=3)
    records.assert_same(acted.record, wanted.record)
    with described.world.make_env() as env:
        assert isinstance(env, gymnasium.Env)
