"""Merging: all rows once, contradictions refused, and nothing lost."""

import pytest

from experiments import merge, shards
from jax_s4rl.evaluation import result_rows


def row(seed, score=0.5, **changes):
    cell = {} if seed is None else {"cell": "abc"}
    return (
        dict.fromkeys(result_rows.FIELDS)
        | {"experiment": "some", "dataset": "tiny", "method": "s4d", "seed": seed}
        | {"metrics": cell | {"score": score}, "seconds": {}}
        | changes
    )


@pytest.fixture
def out(tmp_path):
    return tmp_path / "some.jsonl"


def write(out, shard, *rows):
    result_rows.append_rows(shards.rows_file(out, shard and shards.parse(shard)), rows)


def seeds(out):
    return [each["seed"] for each in result_rows.read_rows(out)]


def test_rows_of_shards_are_appended_once(out, capsys):
    write(out, None, row(0))
    write(out, "2/2", row(3))
    write(out, "1/2", row(1), row(2))
    merge.main(merge.Options(out))
    assert seeds(out) == [0, 1, 2, 3]
    assert capsys.readouterr().out == f"{out}: 3 rows appended, 0 were there already\n"
    write(out, "2/2", row(4))
    merge.main(merge.Options(out))
    assert seeds(out) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().out == f"{out}: 1 rows appended, 3 were there already\n"


def test_the_same_row_in_two_shards_counts_once(out):
    write(out, "1/2", row(0), row(None))
    write(out, "2/2", row(0), row(None))
    assert merge.merge(out) == (2, 2)
    assert seeds(out) == [0, None]


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize("where", [None, "1/2"])
def test_two_rows_for_a_trial_and_seed_are_refused(out, where, seed):
    write(out, where, row(7), row(seed))
    write(out, "2/2", row(8), row(seed, score=0.6, machine="other"))
    before = out.read_bytes() if out.exists() else None
    first = shards.rows_file(out, where and shards.parse(where))
    of = "tiny, s4d" + ("" if seed is None else ", seed 0")
    with pytest.raises(ValueError, match="delete one of the two lines") as refused:
        merge.merge(out)
    assert str(refused.value).startswith(
        f"{of} has two rows that differ in metrics, machine: {first}, line 2, and "
        f"{shards.rows_file(out, shards.parse('2/2'))}, line 2; delete"
    )
    assert (out.read_bytes() if out.exists() else None) == before
    # The advice works.
    kept = first.read_text().splitlines(keepends=True)[:1]
    first.write_text("".join(kept))
    merge.merge(out)
    assert sorted(seeds(out), key=str) == sorted([7, 8, seed], key=str)


def test_other_trials_datasets_and_methods_are_no_contradiction(out):
    write(out, "1/2", row(0), row(None))
    others = row(0, metrics={"cell": "def"}), row(None, method="best"), row(None, dataset="large")
    write(out, "2/2", *others)
    assert merge.merge(out) == (5, 0)


def test_rows_that_were_twice_in_the_file_before_stay(out):
    write(out, None, row(0), row(0, score=0.7))
    write(out, "1/2", row(0, score=0.7), row(1))
    assert merge.merge(out) == (1, 1)


def test_there_have_to_be_shards(out):
    write(out, None, row(0))
    with pytest.raises(ValueError, match=r"there are no rows of shards in .*some\.shards; name"):
        merge.merge(out)


def test_two_merges_at_once_are_refused(out):
    write(out, "1/2", row(0))
    with (
        merge.run_lock.Lock(shards.folder(out)),
        pytest.raises(ValueError, match=r"some\.shards is in use by process"),
    ):
        merge.merge(out)
    assert not out.exists()
