"""Memory: the trials, the metrics of answers, and a quick run from end to end."""

import types

import numpy as np
import pytest
from bsuite.experiments.memory_len import sweep

from experiments import memory, runner, target_returns, tuning
from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.envs import registry
from jax_s4rl.models import configs, policy
from jax_s4rl.modules import mixers
from tests.experiments import fakes

LENGTH = 10


def make_task(length=LENGTH, num_episodes=60):
    name = memory.memory_len(length).removesuffix("/random")
    with registry.make(name) as env:
        behavior = behaviors.uniform(env.action_space)
    record = recording.record_episodes(lambda: registry.make(name), behavior, num_episodes, seed=0)
    return tasks.Task(name, {}, memory.memory_len(length), record, 2, length + 1, 0.0, 1.0)


def make_cartpole():
    def make_env():
        return registry.make("jax_s4rl/MaskedCartPole-v0", max_episode_steps=40)

    with make_env() as env:
        record = recording.record_episodes(
            make_env, behaviors.uniform(env.action_space), 20, seed=0
        )
    kwargs = {"max_episode_steps": 40}
    return tasks.Task(
        "jax_s4rl/MaskedCartPole-v0", kwargs, memory.CARTPOLE, record, 2, 40, 22.0, 500.0
    )


@pytest.fixture(scope="module")
def task():
    return make_task()


@pytest.fixture(scope="module")
def pole():
    return make_cartpole()


@pytest.fixture
def loaded(monkeypatch, task, pole):
    def load(dataset, seed=0):
        return pole if dataset == memory.CARTPOLE else task

    monkeypatch.setattr(tasks, "load", load)


@pytest.fixture
def acting(monkeypatch):
    """Memories of acting models; greedy answers are right, sampled ones are as recorded."""
    found = []

    def act(trained, task, targets, *, greedy, seed):
        found.append((trained.memory, set(targets.tolist())))
        right = np.flatnonzero(task.record.episode_returns == task.record.episode_returns.max())
        numbers = np.where(greedy, right[0], np.arange(len(greedy)) % task.record.num_episodes)
        record = task.record.select(numbers)
        return types.SimpleNamespace(
            record=record, greedy=greedy, targets=targets, act_seconds=0.1, compile_seconds=0.2
        )

    monkeypatch.setattr(target_returns, "act", act)
    return found


def trained(mixer, context):
    model = configs.ModelConfig(mixer=mixers.MixerConfig(mixer), context_length=context)
    config = types.SimpleNamespace(model=model)
    return decision_transformer.Trained(config, policy.RESTART, 0, {}, None, 0.0)  # pyright: ignore[reportArgumentType]


def test_settings_are_those_of_bsuite():
    found = {
        length: sweep.SETTINGS[setting]["memory_length"]
        for length, setting in memory.SETTINGS.items()
    }
    assert list(found) == list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("part", memory.EXPERIMENT.parts)
def test_every_trial_of_a_part_is_another(loaded, part):
    planned = memory.EXPERIMENT.parts[part](runner.Options(mixers=("attention", "s4d")))
    assert planned
    assert len({trial.digest for trial in planned}) == len(planned)
    assert len({(trial.method, trial.dataset, trial.variant) for trial in planned}) == len(planned)


@pytest.mark.slow
def test_every_mixer_gets_the_same_data_updates_and_grid(loaded):
    grids = {}
    for trial in memory.EXPERIMENT.parts["tuning"](runner.Options()):
        assert (trial.data_seed, trial.dataset) == (
            tuning.DATA_SEED,
            memory.memory_len(memory.TUNED_AT),
        )
        point = tuning.Point(
            trial.settings.optimization.learning_rate, trial.settings.model.dropout
        )
        grids.setdefault(trial.method, []).append(
            (point, trial.settings.num_updates, trial.settings.batch_size)
        )
    assert set(grids) == set(runner.MIXERS)
    assert all(
        grid == [(point, memory.UPDATES, 64) for point in tuning.GRID] for grid in grids.values()
    )


@pytest.mark.slow
def test_contexts_lie_below_and_above_the_length(loaded):
    planned = memory.memory_len_trials(runner.Options(mixers=("s5",)))
    found = [
        (trial.dataset, trial.settings.regime, trial.settings.model.context_length)
        for trial in planned
    ]
    assert found == [
        (memory.memory_len(10), "episodes", 11),
        *(
            (memory.memory_len(length), *seen)
            for length in (50, 100)
            for seen in (("episodes", length + 1), ("windows", 16))
        ),
    ]


@pytest.mark.slow
def test_batches_of_cartpole_have_as_many_steps_and_the_settings_of_cartpole(loaded, monkeypatch):
    points = {"cartpole": tuning.Point(1e-3, 0.1), "memory": tuning.Point()}
    monkeypatch.setattr(tuning.Chosen, "of", lambda chosen, *_: points[chosen.experiment])
    for trial in memory.cartpole_trials(runner.Options(mixers=("lstm",))):
        settings = trial.settings
        assert settings.batch_size * settings.model.context_length == memory.STEPS
        assert (settings.optimization.learning_rate, settings.model.dropout) == (1e-3, 0.1)
        assert settings.optimization.weight_decay == 0


@pytest.mark.slow
def test_the_control_has_no_memory_and_the_settings_of_attention(loaded, monkeypatch):
    points = {"cartpole": tuning.Point(1e-3, 0.1), "memory": tuning.Point(5e-3)}
    monkeypatch.setattr(tuning.Chosen, "of", lambda chosen, *_: points[chosen.experiment])
    *whole, pole = memory.controls_trials(runner.Options())
    assert {trial.method for trial in (*whole, pole)} == {"mlp"}
    assert [trial.variant for trial in (*whole, pole)] == [*["whole episodes"] * 3, "context 32"]
    assert {trial.settings.optimization.learning_rate for trial in whole} == {5e-3}
    assert pole.settings.optimization.learning_rate == 1e-3


def test_answers_are_counted(loaded, acting, task):
    (trial, *_) = memory.memory_len_trials(runner.Options(mixers=("s4d",), episodes=120))
    found = trial.score(task, trained("s4d", LENGTH + 1))
    assert acting == [(policy.RESTART, {1.0})]
    assert (found["correct_greedy"], found["solved_greedy"], found["return_greedy"]) == (1, 1, 1)
    assert found["correct_sampled"] == pytest.approx((task.record.episode_returns > 0).mean())
    assert found["return_sampled"] == pytest.approx(2 * found["correct_sampled"] - 1)
    assert found["length"] == LENGTH
    assert found["seconds"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("mixer", "memories"), [("s4d", [policy.RESTART, policy.CARRY]), ("attention", ["restart"])]
)
def test_a_state_is_also_carried_past_the_context(loaded, acting, task, mixer, memories):
    (trial, *_) = memory.memory_len_trials(runner.Options(mixers=(mixer,)))
    found = trial.score(task, trained(mixer, 4))
    assert [memory for memory, _ in acting] == memories
    assert ("correct_carried_greedy" in found) == (mixer == "s4d")
    assert found["seconds"] == pytest.approx(0.3 * len(memories))


def test_cartpole_has_returns_and_no_answers(loaded, acting, pole):
    (trial, *_) = memory.cartpole_trials(runner.Options(mixers=("s4d",)))
    found = trial.score(pole, trained("s4d", 40))
    assert found["return_greedy"] == pole.record.episode_returns.max()
    assert not {"correct_greedy", "length"} & set(found)


def test_reference_lines_have_the_metrics_of_models(loaded):
    lines = [line.compute() for line in memory.references(runner.Options())]
    # Lookup is known on CartPole alone.
    assert len(lines) == 3 * (len(memory.SETTINGS) + 1) + 1
    assert lines[0].items() >= {"correct_greedy": 0.5, "solved_greedy": 0, "length": LENGTH}.items()
    assert lines[1]["correct_sampled"] == 1
    assert lines[-1]["return_greedy"] == lines[-1]["return_sampled"] > 0


def test_clones_have_no_returns_and_the_best_tenth_is_kept_for_one_of_them(loaded):
    planned = {
        (trial.method, trial.dataset): trial for trial in memory.baselines_trials(runner.Options())
    }
    for dataset in (memory.memory_len(50), memory.CARTPOLE):
        assert planned["bc", dataset].settings.model.returns == "none"
        assert (planned["bc", dataset].keep, planned["percent_bc", dataset].keep) == (
            runner.ALL,
            runner.BEST_TENTH,
        )
        assert ("cql", dataset) in planned


@pytest.mark.slow
def test_a_quick_look_ends_and_is_not_done_twice(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "SHORT", 4)
    rows = fakes.look_twice(memory.EXPERIMENT, tmp_path, monkeypatch, ("attention", "s4d"))
    references = [*(2 * ["random", "optimal", "best_in_data"]), "lookup"]
    assert [row["method"] for row in rows] == [*references, "attention", "s4d"]
    assert "correct_carried_sampled" in rows[-1]["metrics"]
    assert "correct_carried_sampled" not in rows[-2]["metrics"]
