"""Agents are trained, saved, loaded and evaluated."""

import functools
import json
import shutil

import gymnasium
import jax
import numpy as np
import pytest

import jax_s4rl
from jax_s4rl.agents import agent as agents
from jax_s4rl.agents import decision_transformer, run_directory, tasks
from jax_s4rl.data import returns
from jax_s4rl.models import configs, policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import checkpoints, update
from tests import filling
from tests.data import records

SETTINGS = decision_transformer.Settings(
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig("s4d", state_size=4),
        context_length=8,
        width=8,
        num_layers=1,
        mlp_ratio=1,
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
    with run_directory.open_for_training(path, described, resume=False):
        pass
    state = update.TrainState(stacked, {"moments": np.ones(3)}, np.int32(30), jax.random.key(0))
    with checkpoints.Checkpoints(path / run_directory.CHECKPOINTS, described) as written:
        written.save(20, state, loss=0.5)
        written.save(30, state._replace(params=jax.tree.map(lambda x: x + 1, stacked)), loss=1.0)
    return path, task, params


def test_the_newest_or_the_best_parameters_come_back(saved):
    path, _, params = saved
    newest, best = (agents.load(path, best=best) for best in (False, True))
    assert (newest.step, best.step) == (30, 20)
    for number in range(len(SEEDS)):
        jax.tree.map(np.testing.assert_array_equal, best.params_of(number), params[number])
    assert not jax.tree.all(jax.tree.map(np.array_equal, newest.params, best.params))


def test_a_loaded_run_acts_as_the_trained_model_does(saved):
    path, task, params = saved
    asked, greedy = np.array([5.0, 10.0]), np.array([True, False])
    loaded = agents.load(path, best=True)
    described = loaded.description
    assert (
        described.world.lowest_return_to_go
        == returns.returns_to_go(task.record.rewards, np.array([3, 5])).min()
    )
    acted = loaded.run_episodes(asked, greedy=greedy, seed=3, number=1)
    trained: decision_transformer.Trained = decision_transformer.Trained(
        described.model, policy.RESTART, 7, params[1], None, 0.0
    )
    wanted = decision_transformer.act(trained, task, asked, greedy=greedy, seed=3)
    records.assert_same(acted.record, wanted.record)
    with described.world.make_env() as env:
        assert isinstance(env, gymnasium.Env)


@pytest.mark.parametrize("has_digest", [True, False])
def test_an_edited_configuration_is_named(saved, tmp_path, has_digest):
    path = shutil.copytree(saved[0], tmp_path / "run")
    file = path / run_directory.ABOUT
    about = json.loads(file.read_text())
    about["configuration"]["model"]["return_scale"] = 500.0
    if not has_digest:
        del about["digest"]
    file.write_text(json.dumps(about))
    with pytest.raises(
        ValueError, match=r"model.return_scale is 500.0 here and [\d.]+ there; undo"
    ):
        agents.load(path)


def test_evaluation_takes_the_best_return_in_the_data_by_default(saved):
    agent = agents.load(saved[0])
    acted = agents.evaluate(agent, episodes=2)
    np.testing.assert_allclose(acted.targets, [agent.description.world.best_return] * 2)
    assert acted.greedy.all()
    several = agents.evaluate(agent, target_return=[3.0, 7.0], episodes=2, greedy=False)
    assert several.targets.tolist() == [3.0, 3.0, 7.0, 7.0]
    with pytest.raises(ValueError, match="got 0 episodes; give 1 or more"):
        agents.evaluate(agent, episodes=0)
    with pytest.raises(ValueError, match="got the target returns"):
        agents.evaluate(agent, target_return=np.nan)


def test_another_environment_can_be_given(saved):
    agent = agents.load(saved[0])

    def short():
        return gymnasium.make("CartPole-v1", max_episode_steps=3)

    for env in (short, "CartPole-v1"):
        acted = agents.evaluate(agent, env, target_return=3.0, episodes=2)
        assert acted.record.num_episodes == 2
    assert agents.evaluate(agent, short, episodes=1).record.episode_lengths.tolist() == [3]
    with pytest.raises(ValueError, match=r"observations have shape \(3,\)"):
        agents.evaluate(agent, "Pendulum-v1", episodes=1)


def test_an_agent_acts_without_an_environment(saved):
    agent = agents.load(saved[0])
    state = agent.start()
    assert state.return_to_go.tolist() == [np.float32(agent.description.world.best_return)]
    action, state = agent.act(state, np.zeros(4))
    assert action in (0, 1)
    assert agent.act(state, np.zeros(4), 1.0)[1].age == 2


def test_the_loss_on_other_episodes_needs_no_environment(saved):
    path, task, _ = saved
    agent = agents.load(path)
    found = agent.loss(task.record)
    assert len(found) == len(SEEDS)
    assert all(loss > 0 for loss in found)
    with pytest.raises(ValueError, match=r"the environment's have shape \(4,\)"):
        agent.loss(records.make_record((3,), num_actions=2, observation_shape=(5,)))


@pytest.mark.slow
def test_training_leaves_a_run_that_loads_and_goes_on(tmp_path, monkeypatch, saved):
    monkeypatch.setattr(agents.loading, "load", lambda *_, **__: saved[1])
    monkeypatch.setattr(agents.cache_folders, "enable_compilation_cache", lambda: None)
    other = SETTINGS.with_mixer("s4")
    options = {"folder": tmp_path, "settings": other, "batch_size": 4}
    options |= {"updates_per_dispatch": 1, "mixer": "s4d"}
    first = jax_s4rl.train("tiny", num_updates=1, seeds=2, **options)
    assert (first.step, first.description.seeds) == (1, (0, 1))
    loaded = jax_s4rl.load(tmp_path)
    assert loaded.description.settings.model.mixer.name == "s4d"
    jax.tree.map(np.testing.assert_array_equal, loaded.params, first.params)
    again = jax_s4rl.train("tiny", num_updates=1, seeds=2, resume=True, **options)
    jax.tree.map(np.testing.assert_array_equal, again.params, first.params)
    with pytest.raises(ValueError, match="already holds a run"):
        jax_s4rl.train("tiny", num_updates=1, seeds=2, **options)


def test_settings_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"got the settings updates, which do not exist; choose from .*batch_size"
    ):
        agents.train("tiny", folder=tmp_path, updates=3)
    with pytest.raises(ValueError, match="hyena"):
        agents.train("tiny", folder=tmp_path, mixer="hyena")
