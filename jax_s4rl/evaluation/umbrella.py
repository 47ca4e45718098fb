"""Credit-assignment metrics for bsuite's umbrella chains."""

import math
from collections.abc import Sequence

import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Bool, Float

from jax_s4rl.data import trajectories

# Index of the forecast in an observation: whether an umbrella is needed, whether one is carried,
# the time left, distractors.
NEED = 0
# bsuite counts a chain length as solved if the regret is below half of that of random play, which
# is 1 per episode.
SOLVED_REGRET = 0.5
REGRET_OF_A_WRONG_CHOICE = 2.0


def umbrella_first_actions(record: trajectories.Trajectories) -> Bool[np.ndarray, " episodes"]:
    """Returns whether the first action of each umbrella episode was right.

    The right action takes the umbrella if and only if the forecast says that it is needed.

    Args:
        record: Episodes of `umbrella_length` or `umbrella_distract` with flat observations.

    Returns:
        True for each episode whose first action equals the forecast.
    """
    starts = record.episode_starts
    return record.actions[starts] == record.observations[starts, NEED].astype(np.int64)


def umbrella_closed_form(
    target_return: Float[np.ndarray, " targets"] | float, chain_length: int
) -> Float[np.ndarray, " targets"]:
    """Computes the probability that the first action was right, given the return of random play.

    `P(right | return R) = 1/2 + R / (2 n)` by Bayes' rule, if all actions are uniformly random: all
    other rewards are fair coins. Sampling from a perfectly trained return-conditioned model reaches
    this probability; the likeliest action of that model is right whenever R is above zero.

    Args:
        target_return: Return R of an episode, from -n to n.
        chain_length: Number n of steps of an episode.

    Returns:
        Probabilities between 0 and 1.

    Example:
        >>> umbrella_closed_form(np.array([-5.0, 0.0, 1.0]), 5).tolist()
        [0.0, 0.5, 0.6]
    """
    return np.clip(0.5 + np.asarray(target_return, np.float64) / (2 * chain_length), 0.0, 1.0)


def umbrella_credit(record: trajectories.Trajectories) -> Float[np.ndarray, " steps"]:
    """Computes the exact hindsight credit of every action of random play.

    The credit is `log P(a | history, return) - log P(a | history)`. That of the first action is
    `log (2 P(right | R))` if it was right, `log (2 - 2 P(right | R))` otherwise; no other action
    changes a reward, so theirs is 0.

    Args:
        record: Episodes of uniformly random play in `umbrella_length`, all of one length.

    Returns:
        Credits in nats, in the order of the record.

    Raises:
        ValueError: If episodes have different lengths.
    """
    lengths = np.unique(record.episode_lengths)
    if len(lengths) > 1:
        raise ValueError(
            f"got episodes of {lengths[0]} to {lengths[-1]} steps, wanted one length; take those "
            "of one chain"
        )
    right = umbrella_closed_form(record.episode_returns, int(lengths[0]))
    chances = np.where(umbrella_first_actions(record), right, 1 - right)
    credits = np.zeros(record.num_steps)
    credits[record.episode_starts] = np.log(2 * chances)
    return credits


def umbrella_regret(right: Bool[np.ndarray, " episodes"]) -> float:
    """Computes the mean regret per episode: 2 for a wrong first action, 0 for a right one.

    Args:
        right: Whether each first action was right, from `umbrella_first_actions`.

    Returns:
        Between 0 (optimal) and 2; random play has 1.

    Example:
        >>> umbrella_regret(np.array([True, True, True, False]))
        0.5
    """
    return float(REGRET_OF_A_WRONG_CHOICE * np.mean(~np.asarray(right, bool)))


def umbrella_score(regrets: Sequence[float] | Float[np.ndarray, " lengths"]) -> float:
    """Computes the share of chain lengths whose regret per episode is below 0.5.

    A regret below 0.5 means that more than three of four first actions are right. bsuite scores an
    agent that learns online, over all its episodes; this is the same rule for a policy that no
    longer learns, so call it a bsuite-style offline score.

    Args:
        regrets: Regret of each chain length, from `umbrella_regret`.

    Returns:
        Between 0 and 1.

    Example:
        >>> umbrella_score([0.0, 0.4, 0.5, 1.0])
        0.5
    """
    return float(np.mean(np.asarray(regrets, np.float64) < SOLVED_REGRET))


def umbrella_share_above_half(chain_length: int, right: float = 1.0) -> float:
    """Computes the share of episodes with a total reward above 0.5, given right first actions.

    All rewards but the last are fair coins of +1 and -1, so this share says little of the policy:
    for an even length it is at most 1/2, the share of perfect play.

    Args:
        chain_length: Number n of steps of an episode, at least 1.
        right: Share of right first actions, from 0 to 1; 1/2 for random play.

    Returns:
        The share, exact in the mean over episodes.

    Raises:
        ValueError: If there is no step, or `right` is not a share.

    Example:
        >>> umbrella_share_above_half(8), round(umbrella_share_above_half(8, right=0.5), 4)
        (0.5, 0.3633)
    """
    if chain_length < 1 or not 0 <= right <= 1:
        raise ValueError(
            f"got chain_length={chain_length} and right={right}; give 1 step or more, and a share "
            "from 0 to 1"
        )
    coins = chain_length - 1
    # Whole numbers, so that one half is exactly one half.
    ways = [math.comb(coins, heads) for heads in range(chain_length)]
    # With a last reward of 1, half of the coins suffice; with -1, one more of them has to be heads.
    half = (coins + 1) // 2
    won, lost = (sum(ways[least:]) / 2**coins for least in (half, half + 1))
    return right * won + (1 - right) * lost


def umbrella_floor(chain_length: int) -> float:
    """Computes the least cross-entropy of the first action given the return, in random data.

    No model can have a lower cross-entropy. The return is that of `n` fair coins, j of them heads,
    and the first action is right with probability j / n; the least cross-entropy is the mean binary
    entropy of j / n.

    Args:
        chain_length: Number n of steps of an episode, at least 1.

    Returns:
        The least cross-entropy in nats, from 0 (one step) to almost ln 2 (long chains).

    Example:
        >>> umbrella_floor(1), round(umbrella_floor(5), 3)
        (0.0, 0.577)
    """
    heads = np.arange(chain_length + 1)
    right = heads / chain_length
    entropy = scipy.special.entr(right) + scipy.special.entr(1 - right)
    return float(scipy.stats.binom.pmf(heads, chain_length, 0.5) @ entropy)


def beats_data(
    achieved: Float[np.ndarray, " episodes"], recorded: Float[np.ndarray, " others"]
) -> float:
    """Computes the share of episodes whose return is above that of every recorded episode.

    Args:
        achieved: Returns of the policy.
        recorded: Returns of the dataset.

    Returns:
        Between 0 and 1; 0 if the dataset contains the optimum.

    Example:
        >>> beats_data(np.array([1.0, 3.0]), np.array([0.0, 2.0]))
        0.5
    """
    return float(np.mean(achieved > np.max(recorded)))
