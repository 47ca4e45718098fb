"""The checks pass for a mixer that keeps its promises, and name the promise that is broken."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import pytest

from jax_s4rl.modules import lstm, mixer_checks, s4d

WIDTH = 2


class Sum(nn.Module):
    """Sums the tokens of an episode; `broken` names the promise that it does not keep."""

    broken: str = ""
    width: int = WIDTH
    dtype: Any = jnp.float32

    def __call__(self, x, state=None, *, resets=None, mask=None):
        given = x
        if mask is not None and self.broken != "padding":
            x = jnp.where(mask[..., None], x, 0.0)
        if mask is not None and self.broken == "NaN":
            x = x + 0.0 * given
        weights = jnp.tril(jnp.ones((x.shape[1], x.shape[1])))[None]
        if resets is not None and self.broken != "resets":
            episodes = jnp.cumsum(resets, axis=1)
            weights = jnp.where(episodes[:, :, None] == episodes[:, None, :], weights, 0.0)
        if self.broken == "future":
            weights = jnp.ones_like(weights)
        y = weights @ x
        if state is None:
            return (y, None) if self.broken == "tuple" else y
        carried = state[:, None]
        if resets is not None and self.broken != "resets":
            carried = jnp.where((episodes > 0)[..., None], 0.0, carried)
        y = y + carried
        return y, state if self.broken == "chunk" else y[:, -1]

    def init_state(self, batch_size, max_length):
        return jnp.zeros((batch_size, self.width))

    def prepare(self):
        return ()

    def step(self, constants, x, state, reset=None):
        if reset is not None and self.broken != "step resets":
            state = jnp.where(reset[:, None], 0.0, state)
        y = (2 if self.broken == "step" else 1) * (state + x)
        return y, y.astype(jnp.bfloat16) if self.broken == "dtype" else y


def test_kept_promises_pass():
    mixer_checks.check(Sum())
    mixer_checks.check(lstm.LSTM(width=WIDTH), seed=1)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("padding", "outputs depend on padding: first at "),
        ("NaN", "outputs depend on NaN in padding: first at "),
        ("resets", "outputs depend on other episodes: first at "),
        ("future", "outputs depend on later tokens: first at "),
        ("tuple", "a whole sequence without a state returns .*; wanted float32"),
        ("chunk", "chunk after chunk differs from whole rows: first at "),
        ("step", r"differs from whole rows: first at \(0, 0, 0\), got .*, wanted .* apart"),
        ("step resets", "step by step differs from whole rows: first at "),
        ("dtype", "a step returns the state bfloat16.*; wanted that of init_state, float32"),
    ],
)
def test_a_broken_promise_is_named(broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        mixer_checks.check(Sum(broken))


def test_a_layer_without_the_methods_is_refused():
    with pytest.raises(AssertionError, match="the mixer has no method init_state, prepare, step"):
        mixer_checks.check(nn.Dense(WIDTH), width=WIDTH)


def test_the_number_of_features_has_to_be_known():
    with pytest.raises(ValueError, match="number of features is not known; give width="):
        mixer_checks.check(s4d.S4D())


def test_what_is_hidden_has_no_effect_without_resets_either():
    x = jnp.ones((*mixer_checks.REAL.shape, WIDTH))
    with pytest.raises(AssertionError, match="outputs depend on later tokens"):
        mixer_checks.check_hidden(Sum("future"), {}, x, real=mixer_checks.REAL)
