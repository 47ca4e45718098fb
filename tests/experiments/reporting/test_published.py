"""The published numbers are all there, and ours stand beside them."""

from experiments.reporting import catalog, lines, published, studies, verdicts
from tests.experiments.reporting import made_up

SMALL, LARGE = published.SIZES["1K"], published.SIZES["10K"]


def runs(dataset, method, sampled, variant="balanced batches"):
    # The sampled score of made-up runs is half of the greedy one.
    return made_up.runs("key_to_door", dataset, method, made_up.spread(2 * sampled), "success", variant=variant)


def find(rows):
    found = lines.sort(rows)
    study = studies.Study(catalog.KEY_TO_DOOR, found, lines.arms(found.scored, catalog.KEY_TO_DOOR.group))
    return study, list(published.beside(study.about, found))


def test_every_published_number_is_shown_without_any_line():
    study, found = find([])
    assert len(found) == 10
    assert published.verdict(published.deciding(study)).word == verdicts.OPEN


def test_all_variants_of_ours_stand_beside_it():
    rows = [
        *made_up.bounds("key_to_door", SMALL, "success_sampled", 0.027, 1.0),
        *runs(SMALL, "attention", 0.70),
        *runs(SMALL, "attention", 0.20, "uniform batches, 300 updates"),
        *runs(LARGE, "attention", 0.50),
        *runs(SMALL, "s4d", 0.70),
    ]
    study, found = find(rows)
    shown = {(each.row, each.size, each.variant): each.verdict for each in found}
    dt = "DT"
    assert shown[dt, "1K", "balanced batches"].word == verdicts.HOLDS
    assert shown[dt, "1K", "uniform batches, 300 updates"].where == "ours is lower"
    assert shown[dt, "10K", "balanced batches"].word == verdicts.FAILS
    assert shown["random", "10K", "exact"].word == verdicts.HOLDS
    assert ("s4d", "1K", "balanced batches") in shown
    verdict = published.verdict(published.deciding(study))
    assert verdict.word == verdicts.PARTLY
    assert verdict.where.startswith("DT, 1K\n")
    assert "not in DT, 10K" in verdict.where
    assert published.others(study) == "other variants: 0 of 1 agree"
    assert len(published.blocks_of(study.about, study.found)) == 3


def test_a_variant_that_was_not_named_decides_nothing():
    study, found = find([*runs(SMALL, "cql", 0.13, "conservatism 0.1"), *runs(SMALL, "cql", 0.0, "conservatism 1")])
    deciding = [each.variant for each in found if each.decides and each.row == "CQL"]
    assert deciding == ["conservatism 1", "conservatism 1"]
    verdict = published.verdict(published.deciding(study))
    assert verdict.word == verdicts.FAILS_SO_FAR
    assert published.others(study) == "other variants: 1 of 1 agree"
    _, table, _ = published.blocks_of(study.about, study.found)
    shown = [line[2] for line in table.rows if line[0] == "CQL"]
    assert shown == ["conservatism 0.1", "**conservatism 1**", "**conservatism 1**"]


def test_few_runs_are_not_judged():
    study, found = find(runs(SMALL, "attention", 0.70)[:4])
    (ours,) = (each for each in found if each.num_runs == 4)
    assert ours.verdict == verdicts.Verdict(verdicts.OPEN, "too few runs")
    assert published.verdict(published.deciding(study)).word == verdicts.OPEN


def test_every_row_is_decided_once():
    _, found = find([])
    assert [each.decides for each in found] == [True] * 10


def test_models_that_count_for_no_claim_stand_elsewhere():
    _, found = find([*runs(SMALL, "attention", 0.72, "critic"), *runs(SMALL, "s4d", 0.72, "critic")])
    assert not {each.variant for each in found} & {"critic"}


def test_in_short_a_line_for_each_method_and_for_ours():
    study, _ = find([*runs(SMALL, "attention", 0.70), *runs(LARGE, "s4d", 0.9), *runs(LARGE, "s4d", 0.1, "critic")])
    rows = {row[0]: row[1:] for row in published.in_short(study).rows}
    balanced = [f"{name}, balanced batches" for name in ("DT", "S4D", "S4")]
    assert list(rows) == [balanced[0], "%BC", "CQL, conservatism 1", "BC", "random", *balanced[1:]]
    assert rows[balanced[0]][:1] + rows[balanced[0]][2:] == ["71.8", "94.6", "-"]
    assert rows[balanced[0]][1].startswith("70.0 [")
    assert rows[balanced[1]][:3] == ["-", "-", "-"]
    assert rows[balanced[1]][3].startswith("90.0 [")


def test_uniform_batches_are_judged_by_themselves_after_the_most_updates():
    rows = runs(SMALL, "attention", 0.3, "uniform batches, 900 updates")
    rows += [row | {"updates": 1_500} for row in runs(SMALL, "attention", 0.7, "uniform batches, 1500 updates")]
    lookup = made_up.row("key_to_door", LARGE, "lookup", success_sampled=0.625)
    study, _ = find([*rows, *runs(LARGE, "attention", 0.2, "uniform batches, 2000 updates"), lookup])
    found = published.uniform(study)
    assert [(each.size, each.variant[17:]) for each in found] == [("1K", "1500 updates"), ("10K", "2000 updates")]
    assert published.verdict(found).where == "DT, 1K\nnot in DT, 10K"
    shown = {row[0]: row[1:] for row in published.in_short(study).rows}
    assert shown["DT, uniform batches"][1].endswith("], 1500 updates")
    assert shown["recorded successes done again"] == ["-", "-", "-", "62.5"]
