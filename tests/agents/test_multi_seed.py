"""Several seeds in one program: each is trained as if it were alone."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from jax_s4rl.agents import multi_seed
from jax_s4rl.data import regimes, windows
from tests.agents import runs

SCHEDULE = dataclasses.replace(runs.SETTINGS, num_updates=4)


def build(schedule=SCHEDULE, num_seeds=1):
    return multi_seed.build(
        "a linear function",
        schedule,
        init_params=lambda key: {"w": jax.random.normal(key, (4,))},
        transformation=optax.sgd(0.05),
        loss=runs.loss,
        draw=regimes.make("windows", runs.RECORD, context_length=3),
        store=windows.make_store(runs.RECORD),
        num_seeds=num_seeds,
    )


def fit(seeds):
    return list(multi_seed.fit(build(num_seeds=len(seeds)), SCHEDULE, seeds=seeds, title="test"))


def test_seeds_of_one_program_are_those_of_single_programs():
    second, first = fit([5, 3])
    assert (second.seed, first.seed) == (5, 3)
    assert first.compile_seconds == second.compile_seconds > 0
    (alone,) = fit([3])
    np.testing.assert_allclose(first.params["w"], alone.params["w"], rtol=1e-5)
    np.testing.assert_allclose(first.log.losses, alone.log.losses, rtol=1e-5)
    assert not np.allclose(first.params["w"], second.params["w"])


def test_the_seed_decides_the_first_parameters():
    program = build(num_seeds=2)
    assert program.config == "a linear function"
    states = program.init([3, 3])
    weights = np.asarray(states.params["w"]).reshape(-1, 4)
    np.testing.assert_array_equal(weights, np.broadcast_to(weights[0], weights.shape))
    assert not np.array_equal(weights[0], np.asarray(program.init([4, 4]).params["w"])[0, 0])


def test_parameters_and_batches_do_not_share_a_key():
    program = multi_seed.build(
        None,
        SCHEDULE,
        init_params=lambda key: {"key": jax.random.key_data(key)},
        transformation=optax.identity(),
        loss=runs.loss,
        draw=regimes.make("windows", runs.RECORD, context_length=3),
        store=windows.make_store(runs.RECORD),
    )
    state = program.init([3])
    assert not np.array_equal(state.params["key"], jax.random.key_data(state.key))


@pytest.mark.slow
def test_any_number_of_updates_is_made():
    (whole,) = fit([3])
    odd = dataclasses.replace(SCHEDULE, updates_per_dispatch=3)
    (fitted,) = multi_seed.fit(build(odd), odd, seeds=[3], title="test")
    assert fitted.log.steps == [3, 4]
    np.testing.assert_array_equal(fitted.params["w"], whole.params["w"])


def test_fewer_than_one_update_is_refused():
    with pytest.raises(ValueError, match="num_updates is 0; train for at least 1 update"):
        build(dataclasses.replace(SCHEDULE, num_updates=0))
