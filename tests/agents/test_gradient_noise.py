"""Noise of policy gradients: estimates of fixed parameters, and the ratio by hand."""

import dataclasses

import jax
import numpy as np
import pytest

from jax_s4rl.agents import gradient_noise, hindsight_policy
from tests.agents.test_hindsight_policy import SETTINGS, Late


def test_estimates_are_gradients_of_fresh_batches():
    settings = dataclasses.replace(SETTINGS, num_updates=1, credit="none")
    params = hindsight_policy.train(Late(), settings, seed=0).params
    found = gradient_noise.estimates(Late(), settings, params, jax.random.key(0), count=3)
    assert jax.tree.structure(found) == jax.tree.structure(params.policy)
    for leaf, own in zip(jax.tree.leaves(found), jax.tree.leaves(params.policy), strict=True):
        assert leaf.shape == (3, *own.shape)
    first, second, _ = (
        np.concatenate([leaf[number].ravel() for leaf in jax.tree.leaves(found)])
        for number in range(3)
    )
    assert np.abs(first - second).max() > 0


def test_the_ratio_is_of_all_parameters_together():
    exact = {"a": np.array([3.0]), "b": np.array([4.0])}
    found = {"a": np.array([[3.0], [3.0]]), "b": np.array([[4.5], [3.5]])}
    # 25 over a mean squared error of a quarter.
    assert gradient_noise.signal_to_noise(found, exact) == pytest.approx(20.0)
