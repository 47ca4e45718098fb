"""AdamW: the state space group has a lower rate and no decay, and rates follow their schedule."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.training import optimizer

LABELS = {"w": "default", "A": "state_space"}


def first_changes(config, gradient, num_updates=100):
    params = {"w": jnp.array([2.0]), "A": jnp.array([2.0])}
    transformation = optimizer.make(config, LABELS, num_updates)
    changes, _ = transformation.update(
        {"w": gradient, "A": gradient}, transformation.init(params), params
    )
    return {name: float(change[0]) for name, change in changes.items()}


def test_the_state_space_group_is_slower():
    config = optimizer.OptimizerConfig(
        learning_rate=1e-2, state_space_learning_rate=1e-3, weight_decay=0.0, warmup_updates=0
    )
    changes = first_changes(config, jnp.array([0.5]))
    # The first step of Adam is the rate itself, against the gradient.
    assert changes["w"] == pytest.approx(-1e-2, rel=1e-3)
    assert changes["A"] == pytest.approx(-1e-3, rel=1e-3)


def test_a_large_epsilon_makes_small_gradients_count_less():
    config = optimizer.OptimizerConfig(
        learning_rate=1e-2, weight_decay=0.0, warmup_updates=0, epsilon=1e-3, clip=math.inf
    )
    assert first_changes(config, jnp.array([1e-3]))["w"] == pytest.approx(-5e-3, rel=1e-3)
    # Without a limit of the norm, a large gradient stays one in the moments.
    assert first_changes(config, jnp.array([1e3]))["w"] == pytest.approx(-1e-2, rel=1e-3)


def test_only_the_default_group_decays():
    config = optimizer.OptimizerConfig(learning_rate=1e-3, weight_decay=0.1, warmup_updates=0)
    changes = first_changes(config, jnp.array([0.0]))
    assert changes["w"] == pytest.approx(-1e-3 * 0.1 * 2.0, rel=1e-5)
    assert changes["A"] == 0.0


def test_the_state_space_rate_is_never_above_the_others():
    config = optimizer.OptimizerConfig(
        learning_rate=1e-4, state_space_learning_rate=1.0, weight_decay=0.0, warmup_updates=0
    )
    assert first_changes(config, jnp.array([0.5]))["A"] == pytest.approx(-1e-4, rel=1e-3)


def test_a_schedule_rises_then_falls_to_its_share():
    config = optimizer.OptimizerConfig(warmup_updates=10, final_fraction=0.1)
    rates = np.array([optimizer.schedule(1.0, config, 200)(step) for step in range(201)])
    assert rates[0] == 0.0
    assert rates[10] == pytest.approx(1.0)
    assert rates[200] == pytest.approx(0.1)
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) <= 0).all()


def test_a_short_run_warms_up_for_a_tenth_of_it():
    config = optimizer.OptimizerConfig(warmup_updates=100)
    assert float(optimizer.schedule(1.0, config, 50)(5)) == pytest.approx(1.0)
    assert float(optimizer.schedule(1.0, config, 1)(0)) == pytest.approx(1.0)


def test_a_warm_up_can_outlast_the_run():
    config = optimizer.OptimizerConfig(warmup_updates=100, warmup_limit=4.0, final_fraction=1.0)
    rates = [float(optimizer.schedule(1.0, config, 50)(step)) for step in (0, 25, 50)]
    assert rates == pytest.approx([0.0, 0.25, 0.5])
    whole = optimizer.OptimizerConfig(warmup_updates=100, warmup_limit=1.0, final_fraction=1.0)
    assert float(optimizer.schedule(1.0, whole, 50)(50)) == pytest.approx(1.0)
    assert float(optimizer.schedule(1.0, whole, 200)(199)) == pytest.approx(1.0)


def test_the_default_limit_is_a_tenth_of_every_run():
    config = optimizer.OptimizerConfig(warmup_updates=1_000)
    for num_updates in range(1, 300):
        warmup = num_updates // 10
        rates = [
            optimizer.schedule(1.0, config, num_updates)(step) for step in (warmup, warmup + 1)
        ]
        assert float(rates[0]) == pytest.approx(1.0)
        assert rates[1] < rates[0]


def test_the_rates_of_both_groups_are_told():
    config = optimizer.OptimizerConfig(
        learning_rate=1e-3, state_space_learning_rate=1e-4, warmup_updates=10, final_fraction=0.1
    )
    halfway, last = (optimizer.rates(config, 100, step) for step in (5, 100))
    assert halfway["learning_rate"] == pytest.approx(5e-4)
    assert halfway["state_space_learning_rate"] == pytest.approx(5e-5)
    assert last["learning_rate"] == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("changes", "num_updates", "sentence"),
    [
        ({"learning_rate": 0.0}, 10, "learning_rate is 0.0; it has to be above zero"),
        ({"clip": float("nan")}, 10, "clip is nan"),
        ({"weight_decay": -1.0}, 10, "weight_decay is -1.0; it cannot be negative"),
        ({"warmup_limit": -1.0}, 10, "warmup_limit is -1.0; it is a share of the run"),
        ({}, 0, "num_updates is 0; train for at least 1 update"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, num_updates, sentence):
    with pytest.raises(ValueError, match=sentence):
        optimizer.make(optimizer.OptimizerConfig(**changes), LABELS, num_updates)
