"""Loading: a folder is enough to act, and what acts is what was trained."""

import functools

import gymnasium
import jax
import numpy as np
import pytest

from experiments import learning, run_folder, run_folder_loading, tasks
from jax_s4rl.data import returns
from jax_s4rl.models import decision, policy
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import checkpoints, update
from tests import filling
from tests.data import records

SETTINGS = learning.Settings(
    model=decision.ModelConfig(
        mixer=mixers.MixerConfig("s4d", state_size=4), context_length=8, width=8, num_layers=1, mlp_ratio=1
    )
)
SEEDS = (4, 7)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    record = records.make_record((3, 5), num_actions=2, observation_shape=(4,))
    task = tasks.Task("CartPole-v1", {"max_episode_steps": 12}, "tiny", record, 2, 12, 5.0, 12.0)
    config = learning.configure(SETTINGS, task)
    init = functools.partial(decision.init, config)
    params = [groups.strip(filling.fill(init, jax.random.key(seed))) for seed in SEEDS]
    stacked = jax.tree.map(lambda *x: np.stack(x), *params)
    path = tmp_path_factory.mktemp("run")
    described = run_folder.describe(task, SETTINGS, config, SEEDS)
    with run_folder.opened(path, described, resume=False):
        pass
    state = update.TrainState(stacked, {"moments": np.ones(3)}, np.int32(30), jax.random.key(0))
    with checkpoints.Checkpoints(path / run_folder.CHECKPOINTS, described) as written:
        written.save(20, state, loss=0.5)
        written.save(30, state._replace(params=jax.tree.map(lambda x: x + 1, stacked)), loss=1.0)
    return path, task, params


def test_the_newest_or_the_best_parameters_come_back(saved):
    path, _, params = saved
    newest, best = (run_folder_loading.load(path, best=best) for best in (False, True))
    assert (newest.step, best.step) == (30, 20)
    for number in range(len(SEEDS)):
        jax.tree.map(np.testing.assert_array_equal, best.params_of(number), params[number])
    assert not jax.tree.all(jax.tree.map(np.array_equal, newest.params, best.params))


def test_a_loaded_run_acts_as_the_trained_model_does(saved):
    path, task, params = saved
    asked, greedy = np.array([5.0, 10.0]), np.array([True, False])
    loaded = run_folder_loading.load(path, best=True)
    described = loaded.description
    assert described.world.lowest_return_to_go == returns.returns_to_go(task.record.rewards, np.array([3, 5])).min()
    acted = loaded.act(asked, greedy=greedy, seed=3, number=1)
    trained: learning.Trained = learning.Trained(described.model, policy.RESTART, 7, params[1], None, 0.0)
    wanted = learning.act(trained, task, asked, greedy=greedy, seed=3)
    records.assert_same(acted.record, wanted.record)
    with described.world.make_env() as env:
        assert isinstance(env, gymnasium.Env)
