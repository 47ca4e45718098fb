"""Runs under two versions of JAX beside the committed rows."""

import pytest

from experiments.reporting import descriptions, jax_versions, studies
from tests.experiments.reporting import made_up

METRICS = (descriptions.Metric("return", "return"),)
ABOUT = descriptions.Description("some", "Some", "?", METRICS)


def write(folder, values=(1.0, 2.0, 3.0)):
    rows = made_up.runs("some", "a", "s4d", values, "return")
    made_up.write(folder, "some", rows)
    return studies.read([ABOUT], folder), rows


def under(rows, version, by=0.0, **more):
    return [
        row
        | {
            "versions": {"jaxlib": version},
            "metrics": row["metrics"] | {ABOUT.score: row["metrics"][ABOUT.score] + by} | more,
        }
        for row in rows
    ]


def test_a_row_for_each_experiment_counts_what_differs(tmp_path):
    found, rows = write(tmp_path)
    spread = max(row["metrics"][ABOUT.score] for row in rows) - min(row["metrics"][ABOUT.score] for row in rows)
    again = [*under(rows, "0.10.1", 2 * spread), *under(rows, "0.10.2")]
    (fold,) = jax_versions.blocks_of(found, again)
    _, table = fold.content
    (row,) = table.rows
    assert row[:3] == ["Some", "1", "3"]
    assert (row[3], row[5]) == ("0", "3")
    assert (row[6], row[8]) == ("3", "0")
    assert (row[9], row[11]) == ("0", "3")


def test_the_text_says_what_was_found(tmp_path):
    found, rows = write(tmp_path)
    (fold,) = jax_versions.blocks_of(found, under(rows, "0.10.1"))
    text = fold.content[0].text
    assert "3 runs were trained again with jaxlib 0.10.1" in text
    assert "3 have the same numbers to the last digit, and the scores of 0 differ" in text
    assert "With 0.10.2 itself" not in text


def test_nothing_is_said_of_nothing(tmp_path):
    found, rows = write(tmp_path)
    assert jax_versions.blocks_of(found, []) == []
    assert jax_versions.blocks_of(found, under(rows, "0.10.2")) == []


@pytest.mark.parametrize(("by", "beyond"), [(0.01, "0"), (0.2, "3")])
def test_the_standard_deviation_of_an_evaluation_says_what_sampling_leaves_open(tmp_path, by, beyond):
    way = ABOUT.score.rpartition("_")[2]
    rows = [
        row | {"metrics": row["metrics"] | {f"std_{way}": 1.0}}
        for row in made_up.runs("some", "a", "s4d", [1.0, 2.0, 3.0], "return")
    ]
    made_up.write(tmp_path, "some", rows)
    (fold,) = jax_versions.blocks_of(studies.read([ABOUT], tmp_path), under(rows, "0.10.1", by))
    assert fold.content[1].rows[0][5] == beyond


@pytest.mark.parametrize(("by", "beyond"), [(0.01, "0"), (0.2, "1")])
def test_a_share_says_what_sampling_leaves_open(tmp_path, by, beyond):
    about = descriptions.Description("some", "Some", "?", (descriptions.Metric("success", "success"),))
    rows = made_up.runs("some", "a", "s4d", [0.5], "success")
    made_up.write(tmp_path, "some", rows)
    changed = [
        row
        | {
            "versions": {"jaxlib": "0.10.1"},
            "metrics": row["metrics"] | {about.score: row["metrics"][about.score] + by},
        }
        for row in rows
    ]
    (fold,) = jax_versions.blocks_of(studies.read([about], tmp_path), changed)
    assert fold.content[1].rows[0][5] == beyond
