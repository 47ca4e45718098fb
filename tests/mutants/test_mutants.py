"""The catalog fits the package, its tests exist, and each mutant was killed when it was tried."""

import ast
from pathlib import Path

import pytest

from jax_s4rl.evaluation import documents, result_rows
from tests.mutants import __main__ as runner
from tests.mutants import catalog, table, trials

ROOT = Path(__file__).resolve().parents[2]


def test_there_are_ten_of_different_names():
    assert len({mutant.name for mutant in catalog.ALL}) == len(catalog.ALL) == 10


@pytest.mark.parametrize("mutant", catalog.ALL, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_place_and_can_be_parsed(mutant):
    text = (ROOT / mutant.file).read_text()
    assert mutant.file.startswith("jax_s4rl/")
    assert text.count(mutant.original) == 1
    changed = text.replace(mutant.original, mutant.changed)
    assert changed != text
    ast.parse(changed)


@pytest.mark.parametrize("mutant", catalog.ALL, ids=lambda mutant: mutant.name)
def test_its_test_exists_and_is_fast(mutant):
    file, name = mutant.test.split("::")
    functions = {
        node.name: node
        for node in ast.parse((ROOT / file).read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert "pytest.mark.slow" not in map(ast.unparse, functions[name].decorator_list)


def test_a_change_is_undone_and_one_that_does_not_fit_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("one = 1\ntwo = 2\n")
    mutant = catalog.Mutant("two is three", "a.py", "two = 2", "two = 3", "")
    with trials.changed(mutant, tmp_path):
        assert (tmp_path / "a.py").read_text() == "one = 1\ntwo = 3\n"
    assert (tmp_path / "a.py").read_text() == "one = 1\ntwo = 2\n"
    twice = catalog.Mutant("", "a.py", " = ", "=", "")
    with pytest.raises(ValueError, match=r"a.py holds ' = ' 2 times, wanted once"):
        trials.changed(twice, tmp_path).__enter__()


def test_the_table_has_the_newest_try_of_each():
    first, second = catalog.ALL[:2]
    rows = [
        table.make_row(second, trials.KILLED, 3.14),
        table.make_row(first, trials.KILLED, 1.0),
        table.make_row(first, trials.SURVIVED, 2.0),
    ]
    assert table.table(rows).splitlines()[2:] == [
        f"| {first.name} | `{first.file}` | **survived** | 2.0 |",
        f"| {second.name} | `{second.file}` | `{second.test}` | 3.1 |",
    ]


def test_every_mutant_of_the_catalog_was_killed_and_the_page_says_by_what():
    rows = list(result_rows.read_rows(table.RESULTS))
    newest = {row["method"]: row["metrics"] for row in rows}
    assert {name: metrics["outcome"] for name, metrics in newest.items()} == dict.fromkeys(
        (mutant.name for mutant in catalog.ALL), trials.KILLED
    )
    assert all(newest[mutant.name]["test"] == mutant.test for mutant in catalog.ALL)
    text = table.PAGE.read_text()
    assert documents.replace_section(text, table.SECTION, table.table(rows)) == text


@pytest.mark.slow
def test_mutants_are_killed_in_a_copy(tmp_path):
    page, out = tmp_path / "page.md", tmp_path / "rows.jsonl"
    page.write_text("<!-- mutants --><!-- /mutants -->")
    before = {one.file: (ROOT / one.file).read_bytes() for one in catalog.ALL}
    names = ("returns-to-go", "normalized score")
    runner.main(runner.Config(names=names, out=out, page=page))
    assert [row["metrics"]["outcome"] for row in result_rows.read_rows(out)] == ["killed"] * 2
    assert page.read_text().count("| `tests/") == 2
    assert before == {one.file: (ROOT / one.file).read_bytes() for one in catalog.ALL}


@pytest.mark.slow
def test_a_change_that_nothing_notices_survives_and_one_that_cannot_run_is_neither(tmp_path):
    trials.copy_project(tmp_path.resolve())
    score = catalog.ALL[-1]
    harmless = catalog.Mutant("", score.file, "return 100 * (", "return 100.0 * (", score.test)
    broken = catalog.Mutant("", score.file, "return 100 * (", "return 100 * ((", score.test)
    outcomes = []
    for mutant in (harmless, broken):
        with trials.changed(mutant, tmp_path):
            outcomes.append(trials.run([mutant.test], tmp_path)[0])
    outcomes.append(trials.run([f"{score.test}_not"], tmp_path)[0])
    assert outcomes == [trials.SURVIVED, trials.OTHER, trials.OTHER]
