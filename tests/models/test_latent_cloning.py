"""The latent-conditioned model: what may depend on the future, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import latent_cloning
from jax_s4rl.modules import mixers
from tests.models import small, small_latent

CONFIG = small_latent.config()
DRAWS = jax.random.normal(jax.random.key(3), (small.BATCH, small.LENGTH, 2))
# Row and step of the observation that is changed; outputs of the middle step of row 0 are compared.
PLACES = [(row, step) for row in range(small.BATCH) for step in (2, 5, 8)]
STEP = 5


@pytest.fixture(scope="module")
def outputs():
    """Outputs by future: with the rows as they are, and with each place changed."""
    model, inputs = latent_cloning.LatentCloning(CONFIG), small_latent.rows(CONFIG)
    params = small_latent.params(CONFIG)
    observations = np.repeat(np.asarray(inputs["observations"])[None], 1 + len(PLACES), axis=0)
    for number, place in enumerate(PLACES, start=1):
        observations[number, *place] += 1.0

    @jax.jit
    def run(observations):
        def of(future):
            return lambda each: model.apply(
                {"params": params}, draws=DRAWS, future=future, **(inputs | {"observations": each})
            )

        return {future: jax.vmap(of(future))(observations) for future in latent_cloning.FUTURES}

    return run(jnp.asarray(observations))


def places_that_count(numbers):
    plain, *changed = np.asarray(numbers)[:, 0, STEP]
    pairs = zip(PLACES, changed, strict=True)
    return [place for place, each in pairs if np.abs(each - plain).max() > 1e-5]


@pytest.mark.slow
def test_nothing_of_the_future_reaches_what_acts(outputs):
    found = outputs[latent_cloning.NONE]
    for numbers in (
        found.predicted.action,
        found.prior.mean,
        found.predicted.return_to_go[..., None],
    ):
        assert places_that_count(numbers) == [(0, 2), (0, 5)]


@pytest.mark.slow
def test_the_posterior_reads_the_whole_row_or_the_future_of_another(outputs):
    for future, later in ((latent_cloning.OWN, (0, 8)), (latent_cloning.OTHER, (1, 8))):
        found = outputs[future]
        for numbers in (found.posterior.mean, found.predicted.action):
            assert places_that_count(numbers) == [(0, 2), (0, 5), later]
        assert places_that_count(found.prior.mean) == [(0, 2), (0, 5)]


@pytest.mark.slow
def test_without_a_future_posterior_and_prior_are_one(outputs):
    found = outputs[latent_cloning.NONE]
    for own, prior in zip(found.posterior, found.prior, strict=True):
        np.testing.assert_array_equal(own, prior)
    # The last step of a row has no future.
    assert (np.asarray(found.summary)[:, :, -1] == 0).all()


def test_one_row_has_no_other():
    inputs = {name: value[:1] for name, value in small_latent.rows(CONFIG).items()}
    model = latent_cloning.LatentCloning(CONFIG)
    with pytest.raises(ValueError, match="got 1 row, but the future of another needs at least 2"):
        jax.eval_shape(
            lambda: model.apply(
                {"params": small_latent.params(CONFIG)}, draws=DRAWS[:1], future="other", **inputs
            )
        )
    with pytest.raises(ValueError, match="future is 'last'; choose one of own, other, none"):
        model.apply({"params": {}}, draws=DRAWS[:1], future="last", **inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"returns": "inside"}, "returns is 'inside', but the future enters by the latent"),
        ({"return_loss": 1.0}, "return_loss is 1.0, but latent-conditioned cloning has losses"),
        ({"observation_loss": 1.0}, "observation_loss is 1.0, but latent-conditioned"),
    ],
)
def test_a_trunk_with_returns_or_other_losses_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small.with_model(CONFIG, **changes)


def test_wrong_choices_for_the_latent_are_refused():
    with pytest.raises(ValueError, match="size is 0; it has to be at least 1"):
        latent_cloning.LatentConfig(size=0)
    with pytest.raises(ValueError, match="there is no mixer 's6'"):
        latent_cloning.LatentConfig(backward=mixers.MixerConfig("s6"))
    with pytest.raises(ValueError, match=r"reward_scale is 0\.0; it divides rewards"):
        dataclasses.replace(CONFIG, reward_scale=0.0)
    heads = latent_cloning.LatentConfig(backward=mixers.MixerConfig("attention", num_heads=3))
    with pytest.raises(ValueError, match="heads"):
        dataclasses.replace(CONFIG, latent=heads)


def test_parameters_have_the_shapes_that_are_promised():
    shapes = latent_cloning.shapes(CONFIG)
    assert "embed_return" not in shapes["trunk"]["tokenizer"]
    assert "action_head" not in shapes["trunk"]
    assert jax.tree.leaves(shapes)
    assert jnp.shape(small_latent.params(CONFIG)["prior"]["output"]["bias"]) == (4,)
