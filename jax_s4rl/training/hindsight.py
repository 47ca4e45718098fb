"""Hindsight credit: how much likelier an action becomes once a later outcome is known.

`pi(a|x)` is the policy, `h(a|x, y)` the probability that action a was taken at x given that the
outcome y came later: a state, a reward or a return. Both are given by logits. Outcomes that do not
depend on the action have `h = pi` and no credit; so has a return that is the same in every episode.
An action that is never taken gets no credit either, so a policy that learns from these needs some
randomness of its own.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_s4rl.training import losses

# Probability ratios are cut at this factor: an early, wrong h would multiply a step by hundreds.
LARGEST_RATIO = 10.0


def log_ratios(
    hindsight_logits: Float[Array, "*batch actions"], policy_logits: Float[Array, "*batch actions"]
) -> Float[Array, "*batch actions"]:
    """Computes the credit of every action, `log h(a|x, y) - log pi(a|x)`.

    Args:
        hindsight_logits: Unnormalized log-probabilities of the actions given the outcome.
        policy_logits: Unnormalized log-probabilities of the actions without it.

    Returns:
        Credits in nats: above 0 for actions that the outcome makes likelier.

    Source:
        Harutyunyan et al. (2019), "Hindsight Credit Assignment", section 3.

    Example:
        >>> ratios = log_ratios(jnp.log(jnp.array([0.9, 0.1])), jnp.zeros(2))
        >>> [round(float(ratio), 3) for ratio in ratios]
        [0.588, -1.609]
    """
    return jax.nn.log_softmax(hindsight_logits) - jax.nn.log_softmax(policy_logits)


def modulate(
    policy_logits: Float[Array, "*batch actions"], change: Float[Array, "*batch actions"]
) -> Float[Array, "*batch actions"]:
    """Writes hindsight as a change to the policy: `h = softmax(log pi + f(x, y))`.

    `f = 0` means no credit at all, and h follows the policy while it moves. The policy gets no
    gradient from the fit of h.

    Args:
        policy_logits: Unnormalized log-probabilities of the actions.
        change: Output f of a network that sees the outcome.

    Returns:
        Logits of h.

    Source:
        Meulemans et al. (2023), "Would I have gotten that reward?" (COCOA), policy modulation.

    Example:
        >>> modulate(jnp.array([0.0, 2.0]), jnp.array([1.0, 0.0])).tolist()
        [1.0, 2.0]
    """
    return jax.lax.stop_gradient(policy_logits) + change


def taken(
    values: Float[Array, "*batch actions"], actions: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Selects the value of the action that was taken.

    Args:
        values: Value of every action.
        actions: Actions taken.

    Returns:
        Their values.

    Example:
        >>> taken(jnp.array([[1.0, 2.0]]), jnp.array([1])).tolist()
        [2.0]
    """
    return jnp.take_along_axis(values, actions[..., None], axis=-1)[..., 0]


def return_weights(
    ratios: Float[Array, "*batch"],
    returns: Float[Array, "*batch"],
    *,
    largest_ratio: float = LARGEST_RATIO,
) -> Float[Array, "*batch"]:
    """Computes the advantage `(1 - pi(a|x) / h(a|x, Z)) Z` of the actions that were taken.

    It is the weight of `grad log pi(a|x)`, and of a recorded action in weighted cloning. The
    gradient is exact if every return can follow every action; a return that only one action can
    earn has no counterpart among the others, and its weight is too small.

    Args:
        ratios: Credit `log h - log pi` of the action that was taken, from `log_ratios`.
        returns: Return Z from its step on, which h is conditioned on.
        largest_ratio: Number at which `pi / h` is cut, above 1.

    Returns:
        The advantages, in the unit of the returns.

    Source:
        Harutyunyan et al. (2019), "Hindsight Credit Assignment", theorem 2.

    Example:
        >>> return_weights(jnp.log(jnp.array([2.0, 1.0])), jnp.array([3.0, 3.0])).tolist()
        [1.5, 0.0]
    """
    # As `-expm1`, because 1 - exp(x) loses the digits of small credits.
    return -jnp.expm1(jnp.minimum(-ratios, jnp.log(largest_ratio))) * returns


def all_action_advantages(
    ratios: Float[Array, "batch steps later actions"],
    policy_logits: Float[Array, "batch steps actions"],
    actions: Int[Array, "batch steps"],
    rewards: Float[Array, "batch steps"],
    *,
    discount: float = 1.0,
) -> Float[Array, "batch steps actions"]:
    """Computes `sum over k > t of discount^(k - t) (h(a|x_t, y_k) / pi(a|x_t) - 1) r_k` and more.

    The first summand pays the reward of the step itself by likelihood ratio, because no later
    outcome explains it: `([a = a_t] / pi(a_t|x_t) - 1) r_t`. A coefficient `h / pi - 1` is between
    -1 and `1 / pi`, and its mean over the actions of the policy is 0 for every outcome.

    Args:
        ratios: Credit `log h - log pi` of every action of step t (second axis) given the outcome of
            step k (third axis), from `log_ratios`; entries with `k <= t` are not read. Outcomes
            are states, or rewards; where the reward is 0, any numbers will do.
        policy_logits: Logits of the policy at every step.
        actions: Actions taken.
        rewards: Reward of every step.
        discount: Weight of a reward for each step that it is later, from 0 to 1.

    Returns:
        Advantage of every action of every step.

    Source:
        Harutyunyan et al. (2019), "Hindsight Credit Assignment", theorem 1; the reward of the step
        itself: Meulemans et al. (2023), "Would I have gotten that reward?".
    """
    steps = rewards.shape[1]
    # ahead[t, k] = k - t; the weights of the past and of the step itself are 0.
    ahead = jnp.arange(steps)[None, :] - jnp.arange(steps)[:, None]
    weights = jnp.where(ahead > 0, discount ** jnp.maximum(ahead, 0).astype(rewards.dtype), 0.0)
    # Selected before the exponential, so that no number of the past overflows.
    later = jnp.expm1(jnp.where(ahead[None, :, :, None] > 0, ratios, 0.0))
    credited = jnp.einsum("btka,tk,bk->bta", later, weights, rewards)
    chosen = jax.nn.one_hot(actions, policy_logits.shape[-1], dtype=policy_logits.dtype)
    own = chosen * jnp.exp(-jax.nn.log_softmax(policy_logits)) - 1.0
    return credited + own * rewards[..., None]


def all_action_loss(
    policy_logits: Float[Array, "batch steps actions"],
    advantages: Float[Array, "batch steps actions"],
    mask: Bool[Array, "batch steps"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes `- sum over a of pi(a|x) A(x, a)`, whose gradient is that of the expected return.

    Args:
        policy_logits: Logits of the policy.
        advantages: Advantage of every action; it gets no gradient.
        mask: True at real steps.

    Returns:
        Sum over real steps, and their number.

    Example:
        >>> total, weight = all_action_loss(
        ...     jnp.zeros((1, 1, 2)), jnp.array([[[1.0, 3.0]]]), jnp.array([[True]]))
        >>> float(total), float(weight)
        (-2.0, 1.0)
    """
    # Selected first, so that not even a NaN in the padding reaches the gradient.
    advantages = jnp.where(mask[..., None], jax.lax.stop_gradient(advantages), 0.0)
    gains = jnp.sum(jax.nn.softmax(policy_logits) * advantages)
    return -gains, jnp.sum(mask, dtype=gains.dtype)


def taken_action_loss(
    policy_logits: Float[Array, "batch steps actions"],
    actions: Int[Array, "batch steps"],
    advantages: Float[Array, "batch steps"],
    mask: Bool[Array, "batch steps"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes `- A log pi(a_t|x_t)` of the actions that were taken.

    Args:
        policy_logits: Logits of the policy.
        actions: Actions taken.
        advantages: Advantage of each, for instance from `return_weights`; it gets no gradient.
        mask: True at real steps.

    Returns:
        Sum over real steps, and their number.

    Example:
        >>> total, _ = taken_action_loss(
        ...     jnp.zeros((1, 1, 2)), jnp.zeros((1, 1), int), jnp.ones((1, 1)), jnp.array([[True]]))
        >>> round(float(total), 3)
        0.693
    """
    log_probabilities = taken(jax.nn.log_softmax(policy_logits), actions)
    each = jnp.where(mask, -jax.lax.stop_gradient(advantages), 0.0) * log_probabilities
    return jnp.sum(each), jnp.sum(mask, dtype=each.dtype)


def later_cross_entropy(
    hindsight_logits: Float[Array, "batch steps later actions"],
    actions: Int[Array, "batch steps"],
    matters: Bool[Array, "batch later"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Computes the cross-entropy of the actions given what came later, which h is learned by.

    Args:
        hindsight_logits: Logits of h at step t (second axis) given the outcome of step k (third
            axis), of all pairs of steps; those with `k <= t` are not read.
        actions: Actions taken.
        matters: True for outcomes that are learned, for instance those with a reward.

    Returns:
        Sum over pairs of steps, in nats, and their number.

    Example:
        >>> total, count = later_cross_entropy(
        ...     jnp.zeros((1, 3, 3, 2)), jnp.zeros((1, 3), int), jnp.array([[True, False, True]]))
        >>> round(float(total), 3), float(count)
        (1.386, 2.0)
    """
    steps, size = actions.shape[1], hindsight_logits.shape[-1]
    ahead = jnp.arange(steps)[None, :] > jnp.arange(steps)[:, None]
    mask = ahead[None] & matters[:, None, :]
    rows = (-1, steps)
    return losses.cross_entropy(
        hindsight_logits.reshape(*rows, size),
        jnp.broadcast_to(actions[:, :, None], mask.shape).reshape(rows),
        mask.reshape(rows),
    )


def gate(
    ratios: Float[Array, "*batch"], *, threshold: float | Float[Array, ""]
) -> Bool[Array, "*batch"]:
    """Says which actions mattered in hindsight; the advantages of all others are to be ignored.

    Where estimates of the credit are too noisy to scale updates, they can still decide which
    updates to make.

    Args:
        ratios: Credit `log h - log pi`, of the action that was taken or the largest of a step.
        threshold: Smallest size of a credit that counts, in nats.

    Returns:
        True for actions that mattered.

    Source:
        Alipov et al. (2021), "Towards Practical Credit Assignment for Deep Reinforcement Learning",
        abstract of the first version; their exact rule is not public.

    Example:
        >>> gate(jnp.array([0.01, -0.3]), threshold=0.1).tolist()
        [False, True]
    """
    return jnp.abs(ratios) >= threshold
