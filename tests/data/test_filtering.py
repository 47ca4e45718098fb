"""The better episodes, and what becomes of ties."""

import numpy as np
import pytest

from jax_s4rl.data import filtering
from tests.data import records


def record_of(*returns):
    """One-step episodes with these returns."""
    record = records.make_record((1,) * len(returns))
    changed = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return type(record)(**changed | {"rewards": np.array(returns, np.float32)})


def test_the_best_share_is_kept_in_the_order_of_the_record():
    record = record_of(5, 1, 4, 2, 3)
    assert filtering.best(record, 0.4).tolist() == [0, 2]
    assert filtering.best(record, 0.5).tolist() == [0, 2, 4]
    assert filtering.best(record, 1.0).tolist() == [0, 1, 2, 3, 4]
    assert filtering.best(record, 1e-6).tolist() == [0]


def test_of_ties_the_first_ones_are_kept_or_all():
    record = record_of(0, 1, 0, 0, 1, 0)
    assert filtering.best(record, 0.5).tolist() == [0, 1, 4]
    assert filtering.best(record, 0.5, ties="all").tolist() == [0, 1, 2, 3, 4, 5]
    assert filtering.best(record, 1 / 6, ties="all").tolist() == [1, 4]


def test_a_whole_number_is_not_rounded_up():
    # In floating point numbers 0.07 * 100 is a little above 7.
    assert len(filtering.best(record_of(*range(100)), 0.07)) == 7


def test_returns_of_whole_episodes_count():
    record = records.make_record((3, 1, 5, 2, 4), seed=3)
    kept = filtering.best(record, 0.4)
    assert set(kept) == set(np.argsort(record.episode_returns)[-2:])
    assert record.select(kept).num_episodes == 2


def test_successes_are_all_that_were_paid():
    record = record_of(0, 1, -1, 11)
    assert filtering.successes(record).tolist() == [1, 3]
    assert filtering.successes(record, above=1).tolist() == [3]
    with pytest.raises(ValueError, match="above 11, the highest is 11"):
        filtering.successes(record, above=11)


@pytest.mark.parametrize(
    ("share", "ties", "sentence"), [(0, "first", "share=0"), (10, "first", "share=10"), (0.1, "some", "ties='some'")]
)
def test_what_is_no_share_is_refused(share, ties, sentence):
    with pytest.raises(ValueError, match=sentence):
        filtering.best(record_of(1, 2), share, ties=ties)
