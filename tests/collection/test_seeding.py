import itertools

import pytest

from jax_s4rl.collection import seeding


def test_streams_of_neighboring_seeds_never_meet_and_stay_above_evaluation():
    owned = set()
    for seed, stream in itertools.product(
        (0, 1, seeding.MAX_SEED), range(seeding.STREAMS_PER_SEED)
    ):
        first = next(seeding.episode_seeds(seed, stream))
        last = next(seeding.episode_seeds(seed, stream, start=seeding.EPISODES_PER_STREAM - 1))
        assert last - first == seeding.EPISODES_PER_STREAM - 1
        assert first >= seeding.EVALUATION_SEEDS
        assert last < 2**32
        owned |= {first // seeding.EPISODES_PER_STREAM, last // seeding.EPISODES_PER_STREAM}
    assert len(owned) == 3 * seeding.STREAMS_PER_SEED


def test_several_environments_share_a_stream():
    ranges = [
        list(itertools.islice(seeding.episode_seeds(2, 3, start, 4), 5)) for start in range(4)
    ]
    assert sorted(itertools.chain(*ranges)) == list(
        itertools.islice(seeding.episode_seeds(2, 3), 20)
    )


@pytest.mark.parametrize(("seed", "stream"), [(-1, 0), (seeding.MAX_SEED + 1, 0), (0, -1), (0, 16)])
def test_numbers_out_of_range_are_refused(seed, stream):
    with pytest.raises(ValueError, match="wanted a seed from 0"):
        next(seeding.episode_seeds(seed, stream))


def test_a_used_up_stream_says_so():
    seeds = seeding.episode_seeds(0, 0, start=seeding.EPISODES_PER_STREAM - 1)
    next(seeds)
    with pytest.raises(ValueError, match="no seed left"):
        next(seeds)
