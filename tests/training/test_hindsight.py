"""Hindsight credit: identities, and exact policy gradients of a small problem by enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.training import hindsight

STEPS, STATES, ACTIONS = 3, 3, 2


def logits(*shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


def test_no_change_to_the_policy_is_no_credit():
    policy = logits(4, ACTIONS)
    same = hindsight.modulate(policy, jnp.zeros_like(policy))
    assert not hindsight.log_ratios(same, policy).any()
    changed = hindsight.modulate(policy, logits(4, ACTIONS, seed=1))
    np.testing.assert_allclose(jax.nn.softmax(changed).sum(axis=-1), 1, rtol=1e-6)


def test_the_policy_gets_no_gradient_from_hindsight():
    gradient = jax.grad(lambda policy: hindsight.modulate(policy, jnp.ones(2)).sum())(jnp.zeros(2))
    assert not gradient.any()


def test_coefficients_have_mean_zero_under_the_policy_for_every_outcome():
    policy, later = logits(5, 1, ACTIONS), logits(5, 7, ACTIONS, seed=1)
    ratios = hindsight.log_ratios(later, jnp.broadcast_to(policy, later.shape))
    mean = (jax.nn.softmax(policy) * jnp.expm1(ratios)).sum(axis=-1)
    np.testing.assert_allclose(mean, 0, atol=1e-6)


def test_advantages_by_hand():
    # Two steps: the reward 3 of the second is four times likelier after action 0 of the first.
    ratios = jnp.full((1, 2, 2, 2), jnp.nan).at[0, 0, 1].set(jnp.log(jnp.array([1.6, 0.4])))
    found = hindsight.all_action_advantages(
        ratios, jnp.zeros((1, 2, 2)), jnp.array([[0, 1]]), jnp.array([[1.0, 3.0]]), discount=0.5
    )
    # 0.6 * 3 * 0.5 and -0.6 * 3 * 0.5, and (2 - 1) * 1 for the action taken, -1 for the other one.
    np.testing.assert_allclose(found, [[[1.9, -1.9], [-3.0, 3.0]]], rtol=1e-6)


def test_ratios_are_cut():
    found = hindsight.return_weights(jnp.log(jnp.array([1e-4, 0.5])), jnp.ones(2))
    np.testing.assert_allclose(found, [-9.0, -1.0], rtol=1e-5)
    wider = hindsight.return_weights(jnp.log(jnp.array([1e-2])), jnp.ones(1), largest_ratio=1e3)
    np.testing.assert_allclose(wider, [-99.0], rtol=1e-5)


def test_padding_has_neither_loss_nor_gradient():
    mask, actions = jnp.array([[True, False]]), jnp.zeros((1, 2), jnp.int32)
    spoiled = jnp.ones((1, 2, ACTIONS)).at[:, 1].set(jnp.nan)

    def both(policy):
        every, count = hindsight.all_action_loss(policy, spoiled, mask)
        taken, _ = hindsight.taken_action_loss(policy, actions, spoiled[..., 0], mask)
        return every + taken, count

    (total, count), gradient = jax.value_and_grad(both, has_aux=True)(logits(1, 2, ACTIONS))
    assert np.isfinite(total)
    assert float(count) == 1
    assert not gradient[:, 1].any()


class Chain:
    """A small decision problem of three steps, and all of its episodes with their chances."""

    def __init__(self, matters=True):
        rng = np.random.default_rng(3)
        self.policy = rng.normal(size=(STATES, ACTIONS))
        after = rng.dirichlet(np.ones(STATES), (STATES, ACTIONS))
        if not matters:
            after[:, 1] = after[:, 0]
        self.after = after
        # Chance of a reward of 1, otherwise 0: every return can follow every action.
        self.pays = rng.uniform(0.1, 0.9, (STATES, ACTIONS))
        if not matters:
            self.pays[:, 1] = self.pays[:, 0]
        kinds = [STATES] * (STEPS - 1) + [ACTIONS] * STEPS + [2] * STEPS
        every = np.array([(0, *path) for path in itertools.product(*map(range, kinds))])
        self.states, self.actions = every[:, :STEPS], every[:, STEPS : 2 * STEPS]
        self.earned = every[:, 2 * STEPS :].astype(float)

    @property
    def chosen(self):
        return np.exp(self.policy) / np.exp(self.policy).sum(axis=1, keepdims=True)

    @property
    def world(self):
        """Chance of everything in an episode but the actions."""
        here = self.states, self.actions
        moves = self.after[self.states[:, :-1], self.actions[:, :-1], self.states[:, 1:]]
        pays = np.where(self.earned > 0, self.pays[here], 1 - self.pays[here])
        return moves.prod(axis=1) * pays.prod(axis=1)

    @property
    def chances(self):
        """Chance of each episode."""
        return self.chosen[self.states, self.actions].prod(axis=1) * self.world

    def expected(self, policy):
        """The expected return as a function of the policy, for its gradient."""
        chances = jax.nn.softmax(policy)[self.states, self.actions].prod(axis=1)
        return jnp.dot(chances, jnp.asarray(self.world * self.earned.sum(axis=1)))

    def of_states(self):
        """Logarithms of exact `h(a|x_t, x_k)`, for all episodes and pairs of steps."""
        chosen, step = self.chosen, np.einsum("sa,san->sn", self.chosen, self.after)
        found = np.zeros((len(self.states), STEPS, STEPS, ACTIONS))
        for t, k in itertools.combinations(range(STEPS), 2):
            way = np.linalg.matrix_power(step, k - t - 1)
            joint = chosen[:, None, :] * np.einsum("san,nm->sma", self.after, way)
            given = joint / joint.sum(axis=-1, keepdims=True)
            found[:, t, k] = np.log(given[self.states[:, t], self.states[:, k]])
        return found

    def of_rewards(self):
        """Logarithms of exact `h(a|x_t, r_k)`, for all episodes and pairs of steps, by counting."""
        found = np.zeros((len(self.states), STEPS, STEPS, ACTIONS))
        for t, k in itertools.combinations(range(STEPS), 2):
            alike = self.states[:, t] * 2 + self.earned[:, k].astype(int)
            totals = np.bincount(alike, self.chances)
            for action in range(ACTIONS):
                own = np.bincount(alike, self.chances * (self.actions[:, t] == action))
                found[:, t, k, action] = np.log(own[alike] / totals[alike])
        return found

    def of_returns(self):
        """Logarithms of exact `h(a_t|x_t, Z_t)` of the actions taken, by counting episodes."""
        to_go = self.earned[:, ::-1].cumsum(axis=1)[:, ::-1]
        found = np.zeros_like(to_go)
        for t in range(STEPS):
            # Episodes that are alike in state and return, and in the action as well, by number.
            alike = self.states[:, t] * (STEPS + 1) + to_go[:, t].astype(int)
            taken = alike * ACTIONS + self.actions[:, t]
            totals, own = (np.bincount(key, self.chances)[key] for key in (alike, taken))
            found[:, t] = np.log(own / totals)
        return found, to_go


def gradient_of(chain, loss_of):
    """The expected gradient over all episodes, with one loss for each."""

    def loss(policy):
        return jnp.dot(jnp.asarray(chain.chances), loss_of(policy[chain.states]))

    return -jax.grad(loss)(jnp.asarray(chain.policy))


@pytest.fixture
def _double():
    with jax.enable_x64(True):
        yield


def advantages_of(chain, known, earned):
    """Advantages of every action, from the logarithms of h and the reward of every step."""
    here = jnp.asarray(chain.policy)[chain.states]
    plain = jnp.broadcast_to(here[:, :, None], known.shape)
    ratios = hindsight.log_ratios(jnp.asarray(known), plain)
    actions = jnp.asarray(chain.actions)
    return hindsight.all_action_advantages(ratios, here, actions, jnp.asarray(earned))


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("outcome", ["states", "rewards"])
def test_the_gradient_by_later_outcomes_is_exact(outcome):
    chain = Chain()
    exact = jax.grad(chain.expected)(jnp.asarray(chain.policy))
    known = chain.of_states() if outcome == "states" else chain.of_rewards()
    advantages = advantages_of(chain, known, chain.earned)

    def losses(policy):
        real = jnp.ones((1, STEPS), bool)
        return jax.vmap(
            lambda own, gains: hindsight.all_action_loss(own[None], gains[None], real)[0]
        )(policy, advantages)

    np.testing.assert_allclose(gradient_of(chain, losses), exact, atol=1e-9)
    assert np.abs(exact).max() > 0.1


@pytest.mark.usefixtures("_double")
def test_the_order_of_later_independent_rewards_changes_no_earlier_credit():
    """Coins are added to the rewards, each of a chance and a worth of its own.

    In one episode their order matters; in expectation neither it nor the coins do.
    """
    chain = Chain()
    known, chances = chain.of_states(), chain.chances
    worth, odds = np.array([0.0, 2.0, -5.0]), np.array([0.5, 0.2, 0.7])
    alone = np.einsum("b,ba->a", chances, advantages_of(chain, known, chain.earned)[:, 0])
    for order in ([0, 1, 2], [0, 2, 1]):
        expected = np.zeros(ACTIONS)
        every = []
        for heads in itertools.product((0, 1), repeat=STEPS - 1):
            flips = np.array([0, *heads])[order]
            chance = np.where(flips, odds[order], 1 - odds[order])[1:].prod()
            coins = (flips * worth[order])[None]
            found = advantages_of(chain, known, chain.earned + coins)[:, 0]
            every.append(found)
            expected += chance * np.einsum("b,ba->a", chances, found)
        np.testing.assert_allclose(expected, alone, atol=1e-9)
        assert np.std(every, axis=0).max() > 0.1


@pytest.mark.usefixtures("_double")
def test_the_gradient_by_returns_is_exact():
    chain = Chain()
    exact = jax.grad(chain.expected)(jnp.asarray(chain.policy))
    known, to_go = chain.of_returns()
    ratios = known - np.log(chain.chosen[chain.states, chain.actions])
    gains = hindsight.return_weights(jnp.asarray(ratios), jnp.asarray(to_go), largest_ratio=1e9)
    actions = jnp.asarray(chain.actions)

    def losses(policy):
        real = jnp.ones((1, STEPS), bool)
        return jax.vmap(
            lambda own, took, gain: hindsight.taken_action_loss(
                own[None], took[None], gain[None], real
            )[0]
        )(policy, actions, gains)

    np.testing.assert_allclose(gradient_of(chain, losses), exact, atol=1e-9)


def test_actions_without_effect_have_no_credit():
    chain = Chain(matters=False)
    log_chosen = np.log(chain.chosen)[chain.states]
    for t, k in itertools.combinations(range(STEPS), 2):
        np.testing.assert_allclose(chain.of_states()[:, t, k], log_chosen[:, t], atol=1e-9)
    known, _ = chain.of_returns()
    np.testing.assert_allclose(known, np.log(chain.chosen[chain.states, chain.actions]), atol=1e-9)
