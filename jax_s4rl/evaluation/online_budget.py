"""Score of the best of several trained policies, chosen after k online evaluations.

A tuning grid gives many policies. Offline data alone do not tell which of them is best, so a user
lets them act. Each evaluation is one episode; a bandit spends them (UCB), and after each one the
policy with the highest mean so far is the chosen one. Its true score as a function of the number of
evaluations shows what a method is worth with a given budget online: at one evaluation it is that of
a policy picked at random, and it rises to that of the best policy.

Source: Jackson et al. (2025), "A Clean Slate for Offline Reinforcement Learning" (Unifloral),
evaluation procedure; Auer et al. (2002), "Finite-time Analysis of the Multiarmed Bandit Problem",
UCB1. Two things differ from the code of Unifloral. Scores are scaled to the range from 0 to 1 for
the bonus, as UCB1 assumes, so that the curve does not depend on their unit. And a policy that was
never evaluated cannot be chosen; with a mean of 0 it would be whenever all returns are negative.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

# Weight of the bonus, as in UCB1 and in Unifloral.
EXPLORATION = 2.0
NUM_REPEATS = 1_000
NUM_EVALUATIONS = 200
# Part of the repeats between the two bounds of a curve.
MIDDLE = 0.95


class Curve(NamedTuple):
    """True score of the chosen policy by number of online evaluations.

    Attributes:
        evaluations: Numbers of evaluations, from 1.
        mean: Mean true score of the chosen policy over all repeats.
        low: Lower bound of the middle 95 % of the repeats.
        high: Upper bound of the middle 95 % of the repeats.
    """

    evaluations: Int[np.ndarray, " evaluations"]
    mean: Float[np.ndarray, " evaluations"]
    low: Float[np.ndarray, " evaluations"]
    high: Float[np.ndarray, " evaluations"]


def curve(
    returns: Sequence[Float[np.ndarray, " episodes"]],
    *,
    num_evaluations: int = NUM_EVALUATIONS,
    num_policies: int | None = None,
    num_repeats: int = NUM_REPEATS,
    exploration: float = EXPLORATION,
    seed: int = 0,
) -> Curve:
    """Computes the curve of one method on one task.

    An evaluation draws one of the recorded episodes of a policy, with replacement; the true score
    of a policy is the mean of all of them.

    Args:
        returns: Returns of the episodes of each trained policy, at least one each.
        num_evaluations: Largest number of online evaluations, at least 1.
        num_policies: Number of policies that each repeat draws, without replacement; all of them if
            None. With as many policies for every method, none gains from a larger grid.
        num_repeats: Number of simulated choices.
        exploration: Weight of the bonus inside the root, at least 0.
        seed: Seed of the simulation.

    Returns:
        The curve.

    Raises:
        ValueError: If there is no policy, a policy has no episode, a return is not finite, or a
            number is out of its range.

    Example:
        >>> found = curve([np.array([0.0]), np.array([1.0])], num_evaluations=3)
        >>> found.mean[1:].tolist()
        [1.0, 1.0]
    """
    count = len(returns) if num_policies is None else num_policies
    _check(returns, count, num_evaluations, num_repeats, exploration)
    generator = np.random.default_rng(seed)
    truths = np.array([np.mean(own) for own in returns], np.float64)
    lengths = np.array([len(own) for own in returns])
    table = np.zeros((len(returns), lengths.max()))
    for row, own in zip(table, returns, strict=True):
        row[: len(own)] = own
    # Without a spread all policies are equal, and any scale will do.
    spread = float(np.ptp(np.concatenate(returns))) or 1.0
    # The policies of each repeat, in random order: of equal values the first one counts.
    policies = generator.permuted(np.tile(np.arange(len(returns)), (num_repeats, 1)), axis=1)
    policies = policies[:, :count]
    sums, pulls = np.zeros(policies.shape), np.zeros(policies.shape)
    repeats = np.arange(num_repeats)
    chosen = np.zeros((num_evaluations, num_repeats))
    for number in range(num_evaluations):
        arms = _next_arms(sums / spread, pulls, number, exploration)
        own = policies[repeats, arms]
        episodes = generator.integers(lengths[own])
        sums[repeats, arms] += table[own, episodes]
        pulls[repeats, arms] += 1
        # What was never evaluated is never chosen.
        means = np.where(pulls > 0, sums / np.maximum(pulls, 1), -np.inf)
        chosen[number] = truths[policies[repeats, means.argmax(axis=1)]]
    low, high = np.quantile(chosen, [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2], axis=1)
    return Curve(np.arange(1, num_evaluations + 1), chosen.mean(axis=1), low, high)


def _next_arms(
    sums: Float[np.ndarray, "repeats arms"],
    pulls: Float[np.ndarray, "repeats arms"],
    number: int,
    exploration: float,
) -> Int[np.ndarray, " repeats"]:
    """Returns the policy that each repeat evaluates next: new ones first, then by UCB1."""
    counts = np.maximum(pulls, 1)
    bonus = np.sqrt(exploration * np.log(max(number, 1)) / counts)
    return np.where(pulls > 0, sums / counts + bonus, np.inf).argmax(axis=1)


def _check(
    returns: Sequence[np.ndarray],
    count: int,
    num_evaluations: int,
    num_repeats: int,
    exploration: float,
) -> None:
    if not returns or any(np.size(own) == 0 for own in returns):
        raise ValueError(
            f"got {len(returns)} policies, some of them without episodes; give the returns of one "
            "episode or more for each of at least one policy"
        )
    if not all(np.isfinite(own).all() for own in returns):
        raise ValueError("got a return that is not finite; leave out policies that diverged")
    if not 1 <= count <= len(returns):
        raise ValueError(
            f"got num_policies={count} with {len(returns)} policies; draw from 1 to all of them"
        )
    for name, value in (("num_evaluations", num_evaluations), ("num_repeats", num_repeats)):
        if value < 1:
            raise ValueError(f"got {name}={value}; give 1 or more")
    if exploration < 0:
        raise ValueError(f"got exploration={exploration}; give 0, which never explores, or more")
