"""The Trajectory Transformer: rows equal steps and reading; values are predicted and never read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.models import trajectory_transformer
from jax_s4rl.modules import mixers
from tests.models import small, small_trajectory

# As of the decision transformer: float32 sums in another order.
TOLERANCE = {"s4": 2e-5}
QUICK = [("s4d",), ("attention",)]
CASES = small.marked([(name,) for name in mixers.NAMES], QUICK)
# The mixer without memory depends on one token alone.
REMEMBERING = small.marked([(name,) for name in mixers.NAMES if name != "mlp"], QUICK)


def close(got, wanted, mixer="s4d"):
    got, wanted = np.asarray(got), np.asarray(wanted)
    real = np.isfinite(wanted)
    np.testing.assert_array_equal(np.isfinite(got), real)
    limit = TOLERANCE.get(mixer, 1e-5) * abs(wanted[real]).max()
    np.testing.assert_allclose(got[real], wanted[real], atol=limit)


def walk(config, tokens, skipped=0):
    """Logits of `step` after `step`; the first tokens are read at once."""
    apply, size = small_trajectory.apply(config), config.num_dimensions

    def run(tokens):
        constants = apply(method="prepare")
        memory = apply(len(tokens), tokens.shape[1], method="init_state")
        found = []
        if skipped:
            first = tokens[:, :skipped]
            logits, memory = apply(memory, first, jnp.ones_like(first, bool), 0, method="read")
            found.append(logits)
        for place in range(skipped, tokens.shape[1]):
            logits, memory = apply(constants, memory, tokens[:, place], place % size, method="step")
            found.append(logits)
        return jnp.stack(found, axis=1), memory.place

    return jax.jit(run)(tokens)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("mixer", CASES)
@pytest.mark.parametrize(
    "positions",
    small.marked([(kind,) for kind in trajectory_transformer.POSITIONS], [("learned",)]),
)
def test_steps_and_reading_equal_the_whole_row(mixer, positions):
    config = small_trajectory.config(mixer, positions=positions)
    # Read to the middle of a transition, then step by step into the next one.
    tokens = small_trajectory.tokens(config)[:, :7]
    wanted = jax.jit(small_trajectory.apply(config))(tokens)
    logits, place = walk(config, tokens, skipped=3)
    close(logits, wanted[:, 2:], mixer)
    assert place.tolist() == [tokens.shape[1]] * len(tokens)


@pytest.mark.slow
@pytest.mark.parametrize("mixer", mixers.NAMES)
def test_steps_alone_equal_the_whole_row(mixer):
    config = small_trajectory.config(mixer)
    tokens = small_trajectory.tokens(config)
    wanted = jax.jit(small_trajectory.apply(config))(tokens)
    close(walk(config, tokens)[0], wanted, mixer)


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("mixer", CASES)
def test_padding_on_the_left_leaves_no_trace(mixer):
    config = small_trajectory.config(mixer, positions="learned")
    tokens, size = small_trajectory.tokens(config, 2), config.num_dimensions
    apply = small_trajectory.apply(config)

    def read(tokens, mask):
        memory = apply(len(tokens), tokens.shape[1], method="init_state")
        return apply(memory, tokens, mask, 0, method="read")

    wanted, _ = jax.jit(read)(tokens, jnp.ones_like(tokens, bool))
    padded = jnp.concatenate([jnp.full((len(tokens), size), 1, jnp.int32), tokens], axis=1)
    mask = jnp.broadcast_to(jnp.arange(padded.shape[1]) >= size, padded.shape)
    logits, memory = jax.jit(read)(padded, mask)
    close(logits, wanted, mixer)
    assert memory.place.tolist() == [tokens.shape[1]] * len(tokens)


@pytest.mark.parametrize("mixer", REMEMBERING)
def test_outputs_depend_on_what_the_published_mask_shows(mixer):
    """All tokens up to their place, but for the values, whose columns the mask strikes out."""
    config = small_trajectory.config(mixer)
    # The second row has no stop token. Each line of the batch changes one of its tokens.
    row, size = small_trajectory.tokens(config)[1], config.num_dimensions
    length = len(row)
    counts = jnp.tile(jnp.array(config.counts), length // size)
    changed = jnp.where(jnp.eye(length, dtype=bool), (row + 1)[None] % counts[None], row[None])
    logits = np.asarray(
        jax.jit(small_trajectory.apply(config))(jnp.concatenate([row[None], changed]))
    )
    depends = (logits[1:] != logits[:1]).any(axis=-1).T
    is_value = np.arange(length) % size == size - 1
    np.testing.assert_array_equal(depends, np.tri(length, dtype=bool) & ~is_value)


def test_the_stop_token_is_hidden_among_the_values_too():
    config = small_trajectory.config()
    tokens, last = small_trajectory.tokens(config), config.num_dimensions - 1
    run = jax.jit(small_trajectory.apply(config))
    stopped = tokens.at[1, last].set(config.stop)
    np.testing.assert_array_equal(run(stopped), run(tokens))


def test_every_dimension_has_rows_and_classes_of_its_own():
    config = small_trajectory.config()
    tokens = jnp.zeros((1, config.num_dimensions), jnp.int32)
    table = small_trajectory.params(config)["table"]["embedding"]
    # Four dimensions of five tokens, a row for values and one for stop.
    assert table.shape == (4 * 5 + 2, 8)
    logits = np.asarray(jax.jit(small_trajectory.apply(config))(tokens))[0]
    counts = np.roll(config.counts, -1)
    for place, count in enumerate(counts):
        possible = np.isfinite(logits[place])
        assert possible.tolist() == [*([True] * count), *([False] * (5 - count)), True]


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("mixer", CASES)
def test_a_row_that_begins_anew_forgets_the_one_before(mixer):
    config = small_trajectory.config(mixer, positions="learned")
    tokens, apply = small_trajectory.tokens(config), small_trajectory.apply(config)

    def run(tokens):
        constants = apply(method="prepare")
        memory = apply(len(tokens), 12, method="init_state")
        for place in range(3):
            _, memory = apply(constants, memory, tokens[:, place], place, method="step")
        first, memory = apply(constants, memory, tokens[:, 5], 0, True, method="step")
        second, _ = apply(constants, memory, tokens[:, 6], 1, method="step")
        return jnp.stack([first, second], axis=1)

    wanted = jax.jit(apply)(tokens[:, 5:7])
    close(jax.jit(run)(tokens), wanted, mixer)


def test_rows_beyond_the_model_are_refused():
    config = small_trajectory.config()
    tokens = small_trajectory.tokens(config, small_trajectory.TRANSITIONS + 1)
    with pytest.raises(ValueError, match=r"have 25 tokens .* context_length=4 transitions of 5"):
        small_trajectory.apply(config)(tokens)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": "rotary"}, "positions is 'rotary'; choose one of learned, none"),
        ({"num_layers": 0}, "num_layers is 0; it has to be at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_wrong_choices_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        trajectory_transformer.ModelConfig(**changes)


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"counts is \(2, 2\); give a number .* of the 4 dim"):
        trajectory_transformer.TrajectoryTransformerConfig(1, 1, (2, 2))


@pytest.mark.parametrize(
    ("mixer", "positions", "is_bounded"),
    [("s4d", "none", False), ("s4d", "learned", True), ("attention", "none", True)],
)
def test_tables_and_full_caches_end(mixer, positions, is_bounded):
    chosen = trajectory_transformer.ModelConfig(
        mixer=mixers.MixerConfig(mixer), positions=positions
    )
    assert chosen.is_bounded == is_bounded


def test_shapes_are_those_of_drawn_parameters():
    config = small_trajectory.config()
    drawn = jax.eval_shape(lambda key: trajectory_transformer.init(config, key), jax.random.key(0))
    assert jax.tree.structure(drawn) == jax.tree.structure(trajectory_transformer.shapes(config))


def test_tokens_of_different_dimensions_have_different_rows():
    config = small_trajectory.config()
    params = small_trajectory.params(config)
    rows = jnp.broadcast_to(jnp.arange(22.0)[:, None], (22, 8))
    model = trajectory_transformer.TrajectoryTransformer(config).bind(
        {"params": params | {"table": {"embedding": rows}}}
    )
    pairs = [(d, token) for d, count in enumerate(config.counts) for token in range(count)]
    dimensions, tokens = (jnp.array(column) for column in zip(*pairs, strict=True))
    found = model._embed(tokens, dimensions, jnp.zeros_like(tokens))[:, 0].tolist()
    is_value = np.array(dimensions) == len(config.counts) - 1
    # All values share a row; no other two tokens do.
    assert len(set(found)) == len(found) - sum(is_value) + 1
