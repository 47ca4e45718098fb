"""How much of an estimated policy gradient is signal, beside the exact gradient of a problem.

A policy and its hindsight network are held fixed, and the gradient is estimated from many batches.
"""

import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from jax_s4rl.agents import hindsight_policy


@functools.partial(jax.jit, static_argnums=(0, 1), static_argnames="count")
def estimates(
    simulator: hindsight_policy.Simulator,
    settings: hindsight_policy.Settings,
    params: hindsight_policy.Params,
    key: PRNGKeyArray,
    *,
    count: int,
) -> Any:
    """Estimates the gradient of the expected return several times, each from a batch of its own.

    Args:
        simulator: Decision problem.
        settings: Settings of the training; the entropy bonus is left out.
        params: Parameters of all networks, which stay as they are.
        key: Typed key of states and actions.
        count: Number of estimates.

    Returns:
        Gradients of the parameters of policy and value, each leaf with the estimates as first axis.
    """

    def estimate(key: PRNGKeyArray) -> Any:
        episodes = hindsight_policy.play(simulator, settings, params.policy, key)

        def gain(policy: Any) -> Array:
            whole = params._replace(policy=policy)
            found = hindsight_policy.evaluate(simulator, settings, whole, episodes)
            # The loss is a mean over steps, the return a sum of them.
            return -simulator.num_steps * found.policy

        return jax.grad(gain)(params.policy)

    return jax.lax.map(estimate, jax.random.split(key, count))


def signal_to_noise(found: Any, exact: Any) -> float:
    """Computes the squared size of the exact gradient over the mean squared error of estimates.

    Args:
        found: Estimates of the gradient, each leaf with the estimates as first axis.
        exact: The exact gradient, of the same tree.

    Returns:
        The ratio in decibels, ten times its logarithm to the base 10.

    Source:
        Meulemans et al. (2023), "Would I have gotten that reward?"; the form is a choice of this
        project.

    Example:
        >>> signal_to_noise({"w": np.array([[0.0], [2.0]])}, {"w": np.array([1.0])})
        0.0
    """
    pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True))
    signal = sum(float(np.square(truth).sum()) for _, truth in pairs)
    noise = sum(float(np.square(each - truth[None]).sum() / len(each)) for each, truth in pairs)
    return float(10 * np.log10(signal / noise))
