"""Shards: who runs which trial, where rows are, and what a Slurm job array says."""

import itertools
import types

import pytest

from experiments import shards
from jax_s4rl.evaluation import result_rows

COSTS = {f"{number:02d}": cost for number, cost in enumerate([9, 1, 7, 3, 3, 8, 2, 2, 5, 1])}


def of_all(costs, count):
    return [shards.Shard(number, count).choose(costs) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10, 12])
def test_every_trial_belongs_to_one_shard(count):
    chosen = of_all(COSTS, count)
    assert sorted(itertools.chain(*chosen)) == sorted(COSTS)
    assert len(chosen) == count


def test_shards_cost_about_the_same():
    loads = [sum(COSTS[digest] for digest in own) for own in of_all(COSTS, 3)]
    # 41 updates in all.
    assert sorted(loads) == [13, 14, 14]


def test_the_choice_does_not_depend_on_the_order_of_trials():
    turned = dict(reversed(COSTS.items()))
    assert of_all(turned, 4) == of_all(COSTS, 4)


def test_a_summary_counts_trials_and_updates():
    assert shards.Shard(1, 3).summary({"a": 1000, "b": 400, "c": 500}) == (
        "shard 1/3: 1 of 3 trials, 1,000 of 1,900 updates"
    )


def test_a_trial_of_two_parts_costs_what_its_most_seeds_do():
    def trial(digest, num_updates):
        return types.SimpleNamespace(
            digest=digest, settings=types.SimpleNamespace(num_updates=num_updates)
        )

    planned = [([trial("a", 10), trial("b", 20)], range(2)), ([trial("a", 10)], range(5))]
    assert shards.costs(planned) == {"a": 50, "b": 40}


@pytest.mark.parametrize("text", ["2", "2/", "a/4", "-1/4", "1/4/2", ""])
def test_another_text_than_a_shard_is_refused(text):
    with pytest.raises(ValueError, match="give number/count, as in 2/4 for the second of four"):
        shards.parse(text)


@pytest.mark.parametrize("text", ["0/4", "5/4", "0/0"])
def test_a_shard_that_does_not_exist_is_refused(text):
    with pytest.raises(ValueError, match=f"got shard {text}; number shards from 1"):
        shards.parse(text)


def slurm(task, first, last, count):
    names = ("ID", "MIN", "MAX", "COUNT")
    values = (task, first, last, count)
    return {
        f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in zip(names, values, strict=True)
    }


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        (slurm(1, 1, 4, 4), "1/4"),
        (slurm(4, 1, 4, 4), "4/4"),
        (slurm(0, 0, 7, 8), "1/8"),
        (slurm(12, 10, 12, 3), "3/3"),
    ],
)
def test_a_task_of_an_array_is_a_shard(variables, wanted):
    assert shards.of_array(variables) == shards.parse(wanted)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "--array needs SLURM_ARRAY_TASK_ID, .*sbatch --array=1-4, or give --shard 1/4"),
        (slurm(2, 1, 4, "") | {}, "--array needs SLURM_ARRAY_TASK_COUNT, which Slurm sets"),
        (slurm(3, 3, 3, 1), "has one task, 3, so it has nothing to share; give --shard i/n"),
        (slurm(1, 1, 5, 3), "has 3 tasks from 1 to 5, with gaps; submit all of them"),
    ],
)
def test_an_array_that_does_not_say_the_shard_is_refused(variables, sentence):
    with pytest.raises(ValueError, match=sentence):
        shards.of_array(variables)


def row(seed):
    fields = {"experiment": "some", "method": "s4d", "seed": seed, "metrics": {}, "seconds": {}}
    return dict.fromkeys(result_rows.FIELDS) | fields


def test_rows_of_all_shards_are_read_in_their_order(tmp_path):
    out = tmp_path / "some.jsonl"
    for number, shard in enumerate(["10/10", "2/10", "1/2"], start=1):
        result_rows.append_row(shards.rows_file(out, shards.parse(shard)), row(number))
    result_rows.append_row(shards.rows_file(out, None), row(0))
    assert [each["seed"] for each in shards.read_rows(out)] == [0, 3, 2, 1]
    # Something else that lies there does not count, and neither does another experiment.
    result_rows.append_row(tmp_path / "some.shards" / "copy of 1-of-2" / shards.ROWS, row(9))
    result_rows.append_row(shards.rows_file(tmp_path / "other.jsonl", shards.parse("1/2")), row(9))
    assert len(list(shards.read_rows(out))) == 4
    # Nor are rows of shards taken for those of an experiment, which are found by their suffix.
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["some.jsonl"]


def test_a_shard_runs_once_at_a_time(tmp_path):
    out = tmp_path / "some.jsonl"
    first, second = shards.parse("1/2"), shards.parse("2/2")
    with shards.held(first, out), shards.held(second, out), shards.held(None, out):
        with (
            pytest.raises(ValueError, match="1-of-2 is in use by process"),
            shards.held(first, out),
        ):
            pytest.fail("two processes would run the same trials")
        with shards.held(first, tmp_path / "other.jsonl"):
            pass
    with shards.held(first, out):
        pass
