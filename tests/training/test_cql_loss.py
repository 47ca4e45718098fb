"""Conservative Q-learning on a chain: optimum from random data, unseen actions below seen ones."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jax_s4rl import parameter_groups
from jax_s4rl.data import trajectories, transitions
from jax_s4rl.training import config_io, cql_loss, optimizer, target_network, update

LENGTH, DISCOUNT = 5, 0.8
LEFT, RIGHT, NUM_ACTIONS = 0, 1, 3  # the third action is in no data


def chain_episode(generator, max_steps=20):
    """Walks at random from the left end of a chain; the right end pays and ends."""
    cell, cells, actions, rewards = 0, [0], [], []
    while cell < LENGTH - 1 and len(actions) < max_steps:
        actions.append(int(generator.integers(2)))
        cell = max(cell + (1 if actions[-1] == RIGHT else -1), 0)
        cells.append(cell)
        rewards.append(float(cell == LENGTH - 1))
    last = np.arange(len(actions)) == len(actions) - 1
    arrived = cell == LENGTH - 1
    return trajectories.Episode(
        np.array(cells[:-1], np.int32), np.array(actions), np.array(rewards), last & arrived,
        last & (not arrived), np.array(cells[-1], np.int32), seed=0,
    )  # fmt: skip


def exact(num_actions=2):
    """Value iteration over the two actions of the data."""
    found = np.zeros((LENGTH, num_actions))
    for _ in range(200):
        for cell in range(LENGTH - 1):
            for action, target in ((LEFT, max(cell - 1, 0)), (RIGHT, cell + 1)):
                ends = target == LENGTH - 1
                found[cell, action] = 1.0 if ends else DISCOUNT * found[target].max()
    return found


def adam(rate, num_updates):
    config = optimizer.OptimizerConfig(
        rate, weight_decay=0.0, warmup_updates=0, final_fraction=0.1, clip=10.0
    )
    return optimizer.make(config, parameter_groups.DEFAULT, num_updates)


def train(conservatism, *, seeds=(0, 1), num_updates=1500):
    generator = np.random.default_rng(0)
    record = trajectories.from_episodes([chain_episode(generator) for _ in range(60)])
    config = cql_loss.ConservativeConfig(DISCOUNT, conservatism)
    follower = target_network.track(adam(0.02, num_updates), target_network.TargetConfig(rate=0.05))
    step = update.make(
        cql_loss.loss(lambda table, cells, _: table[cells], config),
        transitions.draw,
        follower,
        batch_size=32,
        updates_per_dispatch=num_updates,
        num_seeds=len(seeds),
        devices=jax.devices()[:1],
    )
    tables = [jax.random.normal(jax.random.key(seed), (LENGTH, NUM_ACTIONS)) for seed in seeds]
    states = [
        update.init(target_network.start(table), follower, jax.random.key(seed))
        for seed, table in zip(seeds, tables, strict=True)
    ]
    store = update.replicate(transitions.make_store(record), jax.devices()[:1])
    state, _ = step(update.place(states, jax.devices()[:1]), store)
    return record, update.collect(state.params, len(seeds))


@pytest.mark.slow
def test_random_data_are_enough_for_the_optimum_and_unseen_actions_lie_below():
    _, params = train(conservatism=0.5)
    for table in params.online:
        inner = table[: LENGTH - 1]
        assert (inner.argmax(axis=1) == RIGHT).all()
        assert (inner[:, 2] < inner[:, :2].min(axis=1)).all()


@pytest.mark.slow
def test_seeds_differ_and_targets_follow():
    _, params = train(conservatism=0.5, num_updates=50)
    assert not np.allclose(params.online[0], params.online[1])
    assert not np.allclose(params.online, params.target)
    _, later = train(conservatism=0.5)
    # The values of the taken actions have settled, so their targets have caught up.
    np.testing.assert_allclose(later.target[:, :4, :2], later.online[:, :4, :2], atol=0.05)


def test_without_conservatism_values_are_those_of_value_iteration():
    def seen_only(table, cells, _):
        return table[cells, :2]

    generator = np.random.default_rng(0)
    record = trajectories.from_episodes([chain_episode(generator) for _ in range(60)])
    whole = transitions.gather(transitions.make_store(record), jnp.arange(record.num_steps))
    loss = cql_loss.loss(seen_only, cql_loss.ConservativeConfig(DISCOUNT, 0.0))
    follower = target_network.track(adam(0.05, 3000), target_network.TargetConfig(rate=0.1))
    params = target_network.start(jnp.zeros((LENGTH, 2)))

    @jax.jit
    def body(carry, _):
        params, state = carry
        gradient = jax.grad(lambda params: loss(params, whole, None)[0] / record.num_steps)(params)
        changes, state = follower.update(gradient, state, params)
        return (optax.apply_updates(params, changes), state), None

    (params, _), _ = jax.lax.scan(body, (params, follower.init(params)), length=3000)
    np.testing.assert_allclose(params.online[: LENGTH - 1], exact()[: LENGTH - 1], atol=1e-3)


def batch(**changes):
    steps = {
        "observations": [0, 1],
        "actions": [1, 0],
        "rewards": [1.0, 2.0],
        "next_observations": [1, 0],
        "terminations": [False, True],
        "time_steps": [0, 3],
    }
    return transitions.Transitions(
        **{name: jnp.asarray(value) for name, value in (steps | changes).items()}
    )


def test_the_loss_by_hand():
    online, target = jnp.array([[1.0, 3.0], [2.0, 1.0]]), jnp.array([[9.0, 9.0], [4.0, 7.0]])
    config = cql_loss.ConservativeConfig(discount=0.5, conservatism=2.0)
    loss = cql_loss.loss(lambda table, rows, _: table[rows], config)
    total, weight = loss(
        target_network.Tracked(online, target), batch(), jax.random.split(jax.random.key(0), 2)
    )
    # Online values choose the first action, whose target value is 4; after the end nothing follows.
    squares = (3.0 - (1.0 + 0.5 * 4.0)) ** 2 / 2 + (2.0 - 2.0) ** 2 / 2
    gaps = np.log(np.exp(1.0) + np.exp(3.0)) - 3.0 + np.log(np.exp(2.0) + np.exp(1.0)) - 2.0
    assert float(total) == pytest.approx(squares + 2.0 * gaps, rel=1e-6)
    assert float(weight) == 2.0


def test_no_gradient_reaches_the_target():
    tables = target_network.Tracked(jnp.ones((2, 2)), 2 * jnp.ones((2, 2)))
    loss = cql_loss.loss(lambda table, rows, _: table[rows], cql_loss.ConservativeConfig())
    gradient = jax.grad(lambda params: loss(params, batch(), None)[0])(tables)
    assert not gradient.target.any()
    # Neither does it go through the value of the next observation.
    alone = jax.grad(lambda params: loss(params, batch(observations=[0, 0]), None)[0])(tables)
    assert not alone.online[1].any()


def test_values_see_the_time():
    seen = []

    def values(table, rows, time_steps):
        seen.append(time_steps.tolist())
        return table[rows]

    loss = cql_loss.loss(values, cql_loss.ConservativeConfig())
    loss(target_network.start(jnp.ones((2, 2))), batch(), jax.random.split(jax.random.key(0), 2))
    assert seen == [[0, 3], [1, 4], [1, 4]]


def test_scaled_rewards_are_larger_rewards():
    tables = target_network.Tracked(jnp.array([[1.0, 3.0], [2.0, 1.0]]), jnp.ones((2, 2)))

    def total(rewards, scale):
        config = cql_loss.ConservativeConfig(0.5, 2.0, reward_scale=scale)
        loss = cql_loss.loss(lambda table, rows, _: table[rows], config)
        return float(loss(tables, batch(rewards=rewards), None)[0])

    assert total([1.0, 2.0], 10.0) == total([10.0, 20.0], 1.0) != total([1.0, 2.0], 1.0)


def test_the_scale_changes_no_digest_unless_it_is_set():
    plain = config_io.identity(cql_loss.ConservativeConfig(0.5, 2.0))
    assert plain == {"discount": 0.5, "conservatism": 2.0}
    scaled = config_io.identity(cql_loss.ConservativeConfig(0.5, 2.0, reward_scale=10.0))
    assert scaled == plain | {"reward_scale": 10.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"discount": 1.1},
        {"conservatism": -1.0},
        {"reward_scale": 0.0},
        {"reward_scale": float("inf")},
    ],
)
def test_weights_out_of_their_range_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        cql_loss.ConservativeConfig(**changes)
