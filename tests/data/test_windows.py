import chex
import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.data import returns, windows
from tests.data import records

LENGTHS = (3, 1, 5, 8)


def window_by_hand(record, first, context_length):
    """The window at one flat step, with plain loops."""
    episode = int(np.searchsorted(record.episode_starts, first, side="right")) - 1
    start, length = int(record.episode_starts[episode]), int(record.episode_lengths[episode])
    to_go = returns.returns_to_go(record.rewards, record.episode_lengths)
    rows = []
    for step in range(first, first + context_length):
        inside = step < start + length
        none = np.full_like(record.actions[0], -1 if record.is_discrete else 0)
        rows.append(
            (
                record.observations[step] if inside else np.zeros_like(record.observations[0]),
                record.actions[step] if inside else np.zeros_like(record.actions[0]),
                record.actions[step - 1] if inside and step > start else none,
                to_go[step] if inside else 0,
                step - start if inside else 0,
                inside,
            )
        )
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("action_size", [None, 2])
def test_every_window_is_what_plain_loops_cut(action_size):
    record = records.make_record(LENGTHS, action_size=action_size)
    store = windows.make_store(record)
    found = windows.gather_windows(store, jnp.arange(record.num_steps), 4)
    assert found.resets is None
    for step in range(record.num_steps):
        for name, array, wanted in zip(
            found._fields, found, window_by_hand(record, step, 4), strict=False
        ):
            np.testing.assert_array_equal(array[step], wanted, err_msg=f"{name} at {step}")


def test_time_steps_are_the_episodes_own_wherever_the_window_starts():
    record = records.make_record((200,))
    batch = windows.gather_windows(windows.make_store(record), jnp.array([150]), 60)
    np.testing.assert_array_equal(batch.time_steps[0, :50], np.arange(150, 200))
    assert batch.time_steps.dtype == jnp.int32
    assert int(batch.mask.sum()) == 50


def test_noise_in_a_neighboring_episode_never_reaches_a_window():
    record = records.make_record((3, 4))
    other = records.make_record((3, 4), seed=1)
    mixed = windows.make_store(record)._replace(
        observations=jnp.concatenate([record.observations[:3], other.observations[3:]]),
        actions=jnp.concatenate([record.actions[:3], other.actions[3:]]),
        returns_to_go=windows.make_store(record).returns_to_go.at[3:].set(99.0),
    )
    first = jnp.arange(3)
    plain = windows.gather_windows(windows.make_store(record), first, 6)
    chex.assert_trees_all_equal(windows.gather_windows(mixed, first, 6), plain)


def packed_by_hand(record, episodes, context_length):
    """Episodes end to end, with plain loops; None where none is left."""
    steps = [
        int(record.episode_starts[number]) + step
        for number in episodes
        for step in range(int(record.episode_lengths[number]))
    ]
    return (steps + [None] * context_length)[:context_length]


@pytest.mark.fast_cases(2)  # rows that are full, and rows that end in padding
@pytest.mark.parametrize("context_length", [9, 16, 40])
def test_packed_rows_are_whole_episodes_end_to_end(context_length):
    record = records.make_record(LENGTHS)
    weights = np.arange(1, record.num_steps + 1, dtype=np.float32)
    store = windows.make_store(record, loss_weights=weights)
    drawn = [[3, 1, 0], [1, 1, 3], [0, 2, 1]]
    packed = windows.gather_packed(store, jnp.array(drawn), context_length)
    for row, episodes in enumerate(drawn):
        for place, step in enumerate(packed_by_hand(record, episodes, context_length)):
            assert bool(packed.mask[row, place]) == (step is not None)
            assert bool(packed.resets[row, place]) == (step in record.episode_starts)
            if step is not None:
                alone = windows.gather_windows(store, jnp.array([step]), 1)
                for name, value in alone._asdict().items():
                    if name != "resets":
                        np.testing.assert_array_equal(
                            getattr(packed, name)[row, place], value[0, 0], err_msg=name
                        )


def test_a_window_of_no_step_is_refused():
    store = windows.make_store(records.make_record(LENGTHS))
    with pytest.raises(ValueError, match="context_length 0"):
        windows.gather_windows(store, jnp.array([0]), 0)


@pytest.mark.parametrize("values", records.OBSERVATIONS.values(), ids=records.OBSERVATIONS)
def test_observations_of_every_type_mean_the_same_on_the_device(values):
    held = np.asarray(windows.make_store(records.of_observations(values)).observations)[:6]
    assert held.dtype.itemsize <= 4
    wanted = values.reshape(6, 2).astype(float)
    np.testing.assert_allclose(held.astype(float), wanted, rtol=1e-6)


@pytest.mark.parametrize("values", records.UNREPRESENTABLE)
def test_observations_that_a_device_cannot_tell_apart_are_refused(values):
    with pytest.raises(ValueError, match=r"unit|rescale"):
        windows.make_store(records.of_observations(values))


def test_rewards_are_those_recorded_and_the_rest_at_a_cut():
    record = records.make_record(LENGTHS)
    store = windows.make_store(record)
    # All episodes in one row, cut 2 steps before the end of the last.
    batch = windows.gather_packed(store, jnp.arange(4)[None], record.num_steps - 2)
    found = np.asarray(windows.rewards(batch))[0]
    np.testing.assert_allclose(found[:-1], record.rewards[:-3], atol=1e-5)
    np.testing.assert_allclose(found[-1], record.rewards[-3:].sum(), atol=1e-5)
    follows = np.asarray(windows.has_next(batch.mask, batch.resets))[0]
    np.testing.assert_array_equal(np.flatnonzero(~follows), [2, 3, 8, record.num_steps - 3])
    assert not windows.has_next(jnp.zeros((1, 3), bool)).any()


def test_loss_weights_are_those_of_the_steps():
    record = records.make_record(LENGTHS)
    weights = np.arange(record.num_steps, dtype=np.float32)
    store = windows.make_store(record, loss_weights=weights)
    batch = windows.gather_windows(store, jnp.array([2]), 4)
    steps = np.arange(2, 6)
    np.testing.assert_array_equal(batch.loss_weights[0], np.where(batch.mask[0], weights[steps], 0))
    packed = windows.gather_packed(store, jnp.array([[0, 1]]), 4)
    np.testing.assert_array_equal(packed.loss_weights[0], weights[:4])
    assert windows.gather_windows(windows.make_store(record), jnp.array([2]), 4)[-1] is None


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (np.ones(3), "wanted one for each of the"),
        (-np.ones(sum(LENGTHS)), "got loss weights from -1 to -1"),
        (np.zeros(sum(LENGTHS)), "some of them above 0"),
        (np.full(sum(LENGTHS), np.nan), "wanted finite ones"),
    ],
)
def test_loss_weights_that_cannot_be_are_refused(weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        windows.make_store(records.make_record(LENGTHS), loss_weights=weights)
