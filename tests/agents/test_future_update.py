"""Update into the future: ratios, baselines and prices, and what is left without a future."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.agents import future_update, recurrent_update
from jax_s4rl.models import future_actor_critic
from jax_s4rl.training import losses
from tests.agents.small_future_agent import CONFIG, PARAMS, SETTINGS, play

ROUNDING = 1e-5
RULES = SETTINGS.rules
AHEAD = jax.jit(future_actor_critic.look_ahead, static_argnums=0)


def form(**choices):
    return future_update.IntoTheFuture(future_update.Objective(**choices))


def look(rows, **choices):
    return jax.jit(form(**choices).view, static_argnums=(0, 1))(CONFIG, RULES, PARAMS, rows)


def part(tree, chosen):
    return jax.tree.map(lambda array: array[chosen], tree)


def loss_and_gradient(params, rows, viewed, progress=0.0, **choices):
    gradient = jax.jit(
        jax.value_and_grad(form(**choices).loss, argnums=2, has_aux=True), static_argnums=(0, 1)
    )
    return gradient(
        CONFIG,
        RULES.weights,
        params,
        recurrent_update.Minibatch(rows.start, rows.inputs, viewed),
        jnp.float32(progress),
    )


@pytest.mark.slow
@pytest.mark.parametrize("future", ["own", "other", "none"])
def test_ratios_of_the_first_minibatch_are_one_under_the_same_latent_variables(future):
    rows, _ = play()
    viewed, metrics = look(rows, future=future)
    chosen = np.array([2, 0])
    few = rows._replace(**{name: part(getattr(rows, name), chosen) for name in ("start", "inputs")})
    (_, parts), _ = loss_and_gradient(PARAMS, few, part(viewed, chosen), future=future)
    # "divergence" is 0 if and only if every ratio is 1.
    assert abs(parts["divergence"]) < ROUNDING
    beside_acting, _ = look(rows, future=future, ratio="acting")
    np.testing.assert_array_equal(beside_acting.played.log_probability, rows.log_probability)
    apart = np.abs(viewed.played.log_probability - rows.log_probability).max()
    assert (apart < ROUNDING) == (future == "none")
    assert (metrics["actor_kl"] == 0) == (future == "none")


@pytest.mark.slow
def test_advantages_of_drawn_values_are_those_of_values_that_were_played_with():
    rows, _ = play()
    wanted = recurrent_update.estimate(RULES, rows)
    viewed, metrics = look(rows, baseline="prior")
    np.testing.assert_allclose(viewed.played.advantages, wanted.advantages, atol=ROUNDING)
    np.testing.assert_allclose(viewed.played.targets, wanted.targets, atol=ROUNDING)
    # Values are clipped around those of the same latent variable.
    found = AHEAD(CONFIG, PARAMS, rows.start, rows.inputs, viewed.later)
    np.testing.assert_allclose(viewed.played.values, found.said.value, atol=ROUNDING)
    gap = np.square(rows.values - wanted.targets) - np.square(found.said.value - wanted.targets)
    assert float(metrics["critic_gap"]) == pytest.approx(float(gap.mean()), abs=ROUNDING)


@pytest.mark.slow
def test_other_baselines_judge_by_values_of_their_own():
    rows, _ = play()
    later = look(rows)[0].later
    calm = rows.inputs._replace(draws=jnp.zeros_like(rows.inputs.draws))
    values = {
        "mean": AHEAD(CONFIG, PARAMS, rows.start, calm, None).said.value,
        "posterior": AHEAD(CONFIG, PARAMS, rows.start, rows.inputs, later).said.value,
    }
    ends = ~np.asarray(future_update.has_next(rows))
    for baseline, own in values.items():
        assert np.abs(own - rows.values).max() > ROUNDING
        following = np.where(ends, rows.next_values, np.roll(own, -1, axis=1))
        judged = rows._replace(values=own, next_values=following)
        viewed, _ = look(rows, baseline=baseline)
        np.testing.assert_allclose(
            viewed.played.advantages,
            recurrent_update.estimate(RULES, judged).advantages,
            atol=1e-4,
        )


@pytest.mark.slow
def test_with_a_posterior_that_is_its_prior_gradients_are_those_of_plain_ppo():
    """A large beta makes the two equal; then it changes no gradient, and the future none either.

    It is 10 here, since rounding in the divergence is multiplied by it.
    """
    equal = jax.tree.map(lambda array: array, PARAMS)
    for name in ("actor_latent", "critic_latent"):
        heads, width = equal[name], CONFIG.width
        kernel = heads["prior"]["hidden"]["kernel"]
        padded = jnp.zeros_like(heads["posterior"]["hidden"]["kernel"]).at[:width].set(kernel)
        heads["posterior"] = heads["prior"] | {
            "hidden": heads["prior"]["hidden"] | {"kernel": padded}
        }
    rows, _ = play()
    found = {}
    for future, beta in (("own", 10.0), ("none", 0.0)):
        choices = {"future": future, "beta": beta, "decoder_weight": 0.0, "free_nats": 0.0}
        view = jax.jit(form(**choices).view, static_argnums=(0, 1))
        viewed, _ = view(CONFIG, RULES, equal, rows)
        (total, _), found[future] = loss_and_gradient(equal, rows, viewed, **choices)
        found[future]["loss"] = total
    for name in found["own"]:
        if not name.endswith("_latent"):
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING),
                found["own"][name],
                found["none"][name],
            )
    # What reached the priors as latent variables of acting now reaches the posteriors.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING),
        found["own"]["actor_latent"]["posterior"]["output"],
        found["none"]["actor_latent"]["prior"]["output"],
    )


@pytest.mark.slow
def test_the_price_is_summed_over_dimensions_and_rises_with_the_training():
    rows, _ = play()
    viewed, metrics = look(rows)
    weights = {"beta": 0.5, "final_beta": 2.0, "free_nats": 0.0, "decoder_weight": 3.0}
    (free, parts), _ = loss_and_gradient(
        PARAMS, rows, viewed, beta=0.0, final_beta=0.0, decoder_weight=0.0
    )
    kl = metrics["actor_kl"] + metrics["critic_kl"]
    errors = parts["actor_decoder"] + parts["critic_decoder"]
    for progress, beta in ((0.0, 0.5), (0.5, 1.25), (1.0, 2.0)):
        (total, _), _ = loss_and_gradient(PARAMS, rows, viewed, progress, **weights)
        assert float(total) == pytest.approx(float(free + beta * kl + 3 * errors), rel=1e-4)
    found = AHEAD(CONFIG, PARAMS, rows.start, rows.inputs, viewed.later)
    distributions = (*found.actor.posterior, *found.actor.prior)
    each = [
        losses.normal_kl(*(leaf[..., n : n + 1] for leaf in distributions))
        for n in range(CONFIG.latent.size)
    ]
    np.testing.assert_allclose(
        future_update.divergences(found.actor), np.sum(each, axis=0), rtol=ROUNDING
    )


def test_the_future_of_another_is_that_of_the_environment_before_in_every_pass():
    rows, _ = play()
    own, other = (future_update.later_of(rows, future) for future in ("own", "other"))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:-1], b[1:]), own, other)
    assert future_update.later_of(rows, "none") is None
    ended = (rows.outcomes.terminations | rows.outcomes.truncations).T
    np.testing.assert_array_equal(own.has_next[:, :-1], ~ended[:, :-1])
    assert not own.has_next[:, -1].any()
    np.testing.assert_array_equal(own.reward, rows.outcomes.rewards.T)


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"beta": -1}, "beta is -1; it has to be at least 0"),
        ({"free_nats": float("nan")}, "free_nats is nan"),
        ({"future": "mine"}, "future is 'mine'; choose one of own, other, none"),
        ({"ratio": "prior"}, "ratio is 'prior'; choose one of posterior, acting"),
        ({"baseline": "none"}, "baseline is 'none'; choose one of mean, prior, posterior"),
    ],
)
def test_choices_that_do_not_exist_are_refused(choice, sentence):
    with pytest.raises(ValueError, match=sentence):
        future_update.Objective(**choice)
