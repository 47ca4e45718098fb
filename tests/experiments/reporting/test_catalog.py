"""Descriptions fit the scripts that they are of."""

import importlib
import importlib.util
from pathlib import Path

from experiments.reporting import catalog, lines
from tests.experiments.reporting import made_up


def test_names_and_titles_are_unique():
    assert len({about.name for about in catalog.ALL}) == len(catalog.ALL)
    assert len({about.title for about in catalog.ALL}) == len(catalog.ALL)


def test_lines_have_what_their_description_names():
    for about in catalog.ALL:
        for row in about.read().scored:
            assert about.score in row["metrics"], f"{about.name}: a line lacks {about.score}"


def test_lines_come_from_scripts_that_are_there():
    for about in catalog.ALL:
        if about.path().exists():
            assert importlib.util.find_spec(f"experiments.{about.name}")


def test_chosen_settings_are_not_tuned_on_reported_data():
    for about in catalog.ALL:
        found = about.read()
        tuned = {lines.recording(row) for row in found.tuning}
        assert not tuned & {lines.recording(row) for row in found.scored}


def test_claims_are_judged_by_what_settings_were_chosen_by():
    # Fixed in the script before the results were there.
    for about in catalog.ALL:
        if importlib.util.find_spec(f"experiments.{about.name}"):
            script = importlib.import_module(f"experiments.{about.name}")
            assert getattr(script, "TUNED_BY", about.score) == about.score, about.name


def test_methods_that_are_told_no_return_give_no_answer_to_one(tmp_path):
    about = catalog.KEY_TO_DOOR
    rows = [made_up.row(about.name, "d", method, 0, target_0_sampled=0.5, x=1) for method in ("cql", "bc", "s4d")]
    made_up.write(tmp_path, about.name, rows)
    found = {row["method"]: row["metrics"] for row in about.read(tmp_path).scored}
    assert {name: "target_0_sampled" in metrics for name, metrics in found.items()} == {
        "cql": False,
        "bc": False,
        "s4d": True,
    }
    assert all(metrics["x"] == 1 for metrics in found.values())


def test_every_file_of_lines_is_known():
    known = {about.name for about in catalog.ALL} | catalog.ELSEWHERE
    folder = Path(__file__).parents[3] / "experiments" / "results"
    assert {path.stem for path in folder.glob("*.jsonl")} <= known
