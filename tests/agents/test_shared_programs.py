"""Equal work of one process compiles once: trainings, losses of held-out episodes, inspection."""

import contextlib
import dataclasses
import functools
import gc
import weakref

import jax
import numpy as np
import pytest

from jax_s4rl.agents import cql, decision_transformer, held_out, inspection, multi_seed
from jax_s4rl.models import q_network
from jax_s4rl.modules import mixers, mlp
from jax_s4rl.training import optimizer
from tests.agents import test_decision_transformer as tiny

# A length that no other test has, so that nothing is compiled before.
SETTINGS = dataclasses.replace(tiny.SMALL, num_updates=7, updates_per_dispatch=4)
Q_SETTINGS = cql.Settings(
    network=q_network.NetworkConfig(width=8, num_layers=1), num_updates=6, updates_per_dispatch=4
)


@pytest.fixture(scope="module")
def task():
    return tiny.make_task()


@contextlib.contextmanager
def compilations():
    """Yields a list of the programs that are compiled in the body."""
    compiled = []

    def listen(event, _, **__):
        if "backend_compile" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield compiled
    finally:
        jax.monitoring.clear_event_listeners()


def train(task, seed, settings=SETTINGS):
    (trained,) = decision_transformer.train(settings, task, seeds=[seed])
    return trained


def work(task, seed):
    """Trains, and does with the result what people do."""
    trained = train(task, seed)
    inspection.first_actions(trained, task.record.observations[:2], np.ones(2))
    held_out.loss(trained.config, trained.params, task.record)
    decision_transformer.act(trained, task, np.ones(2, np.float32), greedy=np.ones(2, bool), seed=0)
    list(cql.train(Q_SETTINGS, task, seeds=[seed]))
    return trained


def test_equal_work_compiles_once(task):
    with compilations() as compiled:
        first = work(task, 0)
    assert compiled
    # Other episodes of the same shapes, too.
    other = dataclasses.replace(task, record=task.record)
    with compilations() as compiled:
        second = work(other, 1)
    assert not compiled
    assert first.log.losses != second.log.losses


@pytest.mark.slow
def test_a_training_does_not_depend_on_those_before(task):
    first = train(task, 0)
    other = dataclasses.replace(
        SETTINGS, optimization=dataclasses.replace(SETTINGS.optimization, learning_rate=1e-3)
    )
    assert train(task, 0, other).log.losses[-1] != first.log.losses[-1]
    assert train(task, 0).log.losses == first.log.losses


def test_few_results_of_different_calls_stay():
    class Made:
        def __init__(self, *arguments, **options):
            del arguments, options

    make = multi_seed.shared(Made)
    made = [weakref.ref(make(number, and_more=(number,))) for number in range(multi_seed.KEPT + 3)]
    gc.collect()
    assert [one() is not None for one in made] == [False] * 3 + [True] * multi_seed.KEPT
    assert make(5, and_more=(5,)) is made[5]()
    # What cannot be hashed is made each time.
    assert make([1]) is not make([1])


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (optimizer.OptimizerConfig(), "betas"),
        (mixers.MixerConfig(), "step_range"),
        (mixers.MixerConfig(), "ring"),
    ],
)
def test_settings_that_were_given_lists_can_be_hashed(settings, name):
    # Around the check of types, which users do not have.
    object.__setattr__(settings, name, [0.5, 0.9])
    settings.__post_init__()
    assert getattr(settings, name) == (0.5, 0.9)
    hash(settings)


@pytest.mark.slow
def test_a_mixer_that_is_registered_anew_is_the_one_that_is_trained(task, monkeypatch):
    monkeypatch.setattr(mixers, "_LAYERS", dict(mixers._LAYERS))
    monkeypatch.setattr(mixers, "OPTIONS", dict(mixers.OPTIONS))
    model = dataclasses.replace(SETTINGS.model, mixer=mixers.MixerConfig("mlp"))
    plain = dataclasses.replace(SETTINGS, model=model)
    losses = []
    for layer in (mlp.MLP, functools.partial(mixers.definition("lstm")[0])):
        mixers.register("mine", layer)
        losses.append(train(task, 0, plain.with_mixer("mine")).log.losses)
    assert losses == [train(task, 0, plain.with_mixer(n)).log.losses for n in ("mlp", "lstm")]


@pytest.mark.slow
def test_a_mixer_that_is_registered_with_other_options_is_made_with_them(task, monkeypatch):
    monkeypatch.setattr(mixers, "_LAYERS", dict(mixers._LAYERS))
    monkeypatch.setattr(mixers, "OPTIONS", dict(mixers.OPTIONS))
    layer, options = mixers.definition("s5")
    sizes = []
    for given in (options, tuple(name for name in options if name != "state_size")):
        mixers.register("mine", layer, options=given)
        model = dataclasses.replace(
            SETTINGS.model,
            mixer=mixers.MixerConfig(
                "mine", **({"state_size": 4} if "state_size" in given else {})
            ),
        )
        program = decision_transformer.prepare(dataclasses.replace(SETTINGS, model=model), task)
        sizes.append(sum(x.size for x in jax.tree.leaves(program.init([0]).params)))
    assert sizes[0] != sizes[1]
