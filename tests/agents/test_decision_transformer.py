"""Training and acting, end to end on a little real data."""

import dataclasses
import functools

import chex
import gymnasium
import jax
import numpy as np
import optax
import pytest

from jax_s4rl.agents import decision_transformer, tasks
from jax_s4rl.collection import behaviors, recording
from jax_s4rl.data import regimes, windows
from jax_s4rl.models import configs, policy
from jax_s4rl.models import decision_transformer as network
from jax_s4rl.modules import groups, mixers
from jax_s4rl.training import loop, optimizer, update
from tests import filling
from tests.data import records

SMALL = decision_transformer.Settings(
    model=configs.ModelConfig(
        mixer=mixers.MixerConfig(state_size=4),
        context_length=8,
        width=8,
        num_layers=1,
        mlp_ratio=1,
        dropout=0.0,
    ),
    batch_size=8,
    num_updates=60,
    updates_per_dispatch=20,
    optimization=optimizer.OptimizerConfig(learning_rate=1e-2),
)


def with_model(**changes):
    return dataclasses.replace(SMALL, model=dataclasses.replace(SMALL.model, **changes))


def make_task(env_id="CartPole-v1", **kwargs):
    kwargs = {"max_episode_steps": 40} | kwargs

    def make_env():
        return gymnasium.make(env_id, disable_env_checker=True, **kwargs)

    with make_env() as env:
        discrete = isinstance(env.action_space, gymnasium.spaces.Discrete)
        record = recording.record_episodes(make_env, behaviors.uniform(env.action_space), 8, seed=0)
        num_actions = int(env.action_space.n) if discrete else None
    return tasks.Task(env_id, kwargs, "tiny", record, num_actions, 40, 20.0, 40.0)


@pytest.fixture(scope="module")
def task():
    return make_task()


@pytest.fixture(scope="module")
def trained(task):
    return list(decision_transformer.train(SMALL, task, seeds=[3, 1]))


def test_it_learns_and_acts(task, trained):
    first = trained[0]
    assert first.seed == 3
    assert first.log.losses[-1] < first.log.losses[0]
    assert first.num_parameters == sum(leaf.size for leaf in jax.tree.leaves(first.params))
    acted = decision_transformer.act(
        first, task, np.array([10.0, 20.0]), greedy=np.array([True, False]), seed=0
    )
    assert acted.record.num_episodes == 2
    assert (acted.record.episode_lengths <= 40).all()
    shorter = decision_transformer.act(
        first,
        task,
        np.array([10.0]),
        greedy=np.array([True]),
        seed=0,
        make_env=make_task(max_episode_steps=3).make_env,
    )
    assert shorter.record.episode_lengths.max() <= 3


@pytest.mark.slow
def test_seeds_of_one_program_are_those_of_single_runs(task, trained):
    first, second = trained
    assert first.compile_seconds == second.compile_seconds > 0
    assert first.log.losses != second.log.losses
    (alone,) = decision_transformer.train(SMALL, task, seeds=[1])
    np.testing.assert_allclose(alone.log.losses, second.log.losses, rtol=1e-4)
    chex.assert_trees_all_close(alone.params, second.params, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_continuous_actions_learn_and_act():
    settings = with_model(mixer=mixers.MixerConfig("attention"), tokens="interleaved")
    task = make_task("Pendulum-v1")
    (trained,) = decision_transformer.train(settings, task, seeds=[0])
    assert trained.log.losses[-1] < trained.log.losses[0]
    acted = decision_transformer.act(
        trained, task, np.array([-100.0]), greedy=np.array([True]), seed=0
    )
    assert acted.record.actions.shape[1:] == (1,)


@pytest.mark.slow
@pytest.mark.parametrize("mixer", ["attention", "s4d"])
def test_one_device_and_two_make_the_same_update_of_a_model(task, mixer):
    # With dropout: a row's noise does not depend on the device that it is on.
    config = decision_transformer.configure(
        with_model(mixer=mixers.MixerConfig(mixer), dropout=0.2), task
    )
    params = groups.strip(filling.fill(functools.partial(network.init, config), jax.random.key(0)))
    draw = regimes.make("windows", task.record, context_length=SMALL.model.context_length)
    updated = []
    for devices in (jax.devices()[:1], jax.devices()[:2]):
        descent = optax.sgd(0.1)
        step = update.make(
            decision_transformer.loss_function(config),
            draw,
            descent,
            batch_size=8,
            updates_per_dispatch=1,
            devices=devices,
        )
        state = update.place([update.init(params, descent, jax.random.key(1))], devices)
        state, _ = step(state, update.replicate(windows.make_store(task.record), devices))
        updated.append(jax.tree.map(lambda x: x[0], update.collect(state.params, 1)))
    assert not jax.tree.all(jax.tree.map(np.array_equal, params, updated[0]))
    chex.assert_trees_all_close(*updated, rtol=1e-6, atol=1e-6)


def test_the_shape_of_the_model_comes_from_the_data(task):
    config = decision_transformer.configure(SMALL, task)
    observations = task.record.observations
    assert config.observation_shape == (4,)
    np.testing.assert_allclose(
        config.observation_mean, observations.mean(axis=0), rtol=1e-4, atol=1e-6
    )
    assert config.return_scale == task.record.episode_returns.max()
    assert config.horizon == 40


@pytest.mark.slow
def test_it_learns_by_squared_error_and_without_norms_and_residuals(task):
    settings = with_model(
        norm="none",
        residual=False,
        mlp_ratio=0,
        action_loss="squared_error",
        action_bound="tanh",
    )
    (trained,) = decision_transformer.train(settings, task, seeds=[0])
    assert trained.log.losses[-1] < trained.log.losses[0]
    # Sampled actions are the greedy ones: there is no distribution.
    played = [
        decision_transformer.act(
            trained, task, np.array([20.0]), greedy=np.array([greedy]), seed=0
        ).record.actions
        for greedy in (True, False)
    ]
    np.testing.assert_array_equal(*played)


@pytest.mark.slow
def test_it_learns_to_foresee_and_to_judge():
    settings = with_model(
        returns="outside", observation_loss=0.5, return_loss=0.5, tokens="interleaved"
    )
    task = make_task("jax_s4rl/RandomWalk-v0", obs="index")
    (trained,) = decision_transformer.train(settings, task, seeds=[0])
    assert trained.config.observation_kind == "index"
    assert trained.log.losses[-1] < trained.log.losses[0]
    trained = dataclasses.replace(trained, memory=policy.CARRY)
    acted = decision_transformer.act(
        trained, task, np.array([-5.0, -10.0]), greedy=np.array([False, True]), seed=0
    )
    assert acted.record.observations.ndim == 1


def test_a_feature_that_never_changes_is_not_blown_up(task):
    constant = dataclasses.replace(task.record, observations=np.ones_like(task.record.observations))
    config = decision_transformer.configure(SMALL, dataclasses.replace(task, record=constant))
    assert config.observation_std == (1.0,) * 4


def test_the_loss_weighs_each_action(task):
    config = decision_transformer.configure(SMALL, task)
    params = groups.strip(filling.fill(functools.partial(network.init, config), jax.random.key(0)))
    weights = np.arange(task.record.num_steps, dtype=np.float32)
    first, keys = np.arange(4, dtype=np.int32), jax.random.split(jax.random.key(1), 4)
    loss = decision_transformer.loss_function(config, is_training=False)

    def total(loss_weights):
        store = windows.make_store(task.record, loss_weights=loss_weights)
        return loss(params, windows.gather_windows(store, jax.numpy.asarray(first), 1), keys)

    each = [float(total(np.eye(len(weights), dtype=np.float32)[step])[0]) for step in first]
    found, count = total(weights)
    np.testing.assert_allclose(float(found), np.dot(each, weights[first]), rtol=1e-5)
    # The first step has no weight, and is not counted.
    assert float(count) == 3
    plain, count = total(None)
    np.testing.assert_allclose(float(plain), np.sum(each), rtol=1e-5)
    assert float(count) == 4


def test_loss_weights_of_continuous_actions_are_refused():
    task = make_task("Pendulum-v1")
    weights = np.ones(task.record.num_steps, np.float32)
    with pytest.raises(ValueError, match="got loss weights for continuous actions"):
        decision_transformer.prepare(SMALL, task, loss_weights=weights)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"regime": "episodes"}, r"training on whole episodes asks for context_length >= \d+"),
        ({"batch_size": 7}, "a batch of 7 rows cannot be shared evenly by 2 devices"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_training(task, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(decision_transformer.train(dataclasses.replace(SMALL, **changes), task, seeds=[0]))


@pytest.mark.parametrize(
    ("regime", "mixer", "wanted"),
    [
        ("windows", mixers.MixerConfig("s4d"), policy.RESTART),
        ("openings", mixers.MixerConfig("s4d"), policy.RESTART),
        ("episodes", mixers.MixerConfig("s4d"), policy.CARRY),
        ("packed", mixers.MixerConfig("attention"), policy.RESTART),
        ("packed", mixers.MixerConfig("attention", window=4), policy.CARRY),
    ],
)
def test_the_memory_fits_the_regime(regime, mixer, wanted):
    assert (
        decision_transformer.memory(dataclasses.replace(with_model(mixer=mixer), regime=regime))
        == wanted
    )


@pytest.mark.slow
def test_eight_seeds_in_one_program_are_eight_single_runs(task):
    settings = with_model(dropout=0.1)
    settings = dataclasses.replace(
        settings, num_updates=20, optimization=optimizer.OptimizerConfig()
    )
    together = list(decision_transformer.train(settings, task, seeds=range(8)))
    program = decision_transformer.prepare(settings, task)
    for one in together:
        state, _ = program.update(program.init([one.seed]), program.store)
        alone = jax.tree.map(lambda x: x[0], update.collect(state.params, 1))
        chex.assert_trees_all_close(one.params, alone, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mixer", "regime"),
    [
        ("attention", "windows"),
        ("s4d", "packed"),
        ("s4", "episodes"),
    ],
)
def test_after_the_first_dispatch_nothing_is_compiled_and_no_data_are_moved(task, mixer, regime):
    compiled = []

    def listen(event, _, **__):
        if "backend_compile" in event:
            compiled.append(event)

    settings = dataclasses.replace(
        with_model(mixer=mixers.MixerConfig(mixer), dropout=0.1), regime=regime
    )
    settings = dataclasses.replace(
        settings, model=dataclasses.replace(settings.model, context_length=40)
    )
    program = decision_transformer.prepare(settings, task)
    state = program.init([0])
    program_compiled, _ = loop.compile_update(program.update, state, program.store)
    dispatches = loop.dispatches(
        program_compiled, state, program.store, num_updates=60, updates_per_dispatch=20, num_seeds=1
    )
    next(dispatches)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        # Explicit copies to the host are the metrics; anything that goes to a device would raise.
        with jax.transfer_guard("disallow"):
            assert [dispatch.step for dispatch in dispatches] == [40, 60]
        assert not compiled
        jax.jit(lambda x: x + 3)(np.float32(1)).block_until_ready()
        assert compiled
    finally:
        jax.monitoring.clear_event_listeners()


@pytest.mark.parametrize(("changes", "sentence"), records.EMPTY_HANDED)
def test_data_that_teach_nothing_are_refused(task, changes, sentence):
    empty = dataclasses.replace(task, record=records.without(task.record, changes))
    with pytest.raises(ValueError, match=sentence):
        decision_transformer.prepare(SMALL, empty)
    # A clone takes over whatever was done.
    decision_transformer.prepare(with_model(returns="none"), empty)
