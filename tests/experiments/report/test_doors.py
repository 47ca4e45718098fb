"""Uniform batches are judged once, and tell their share of the published updates."""

from experiments import uniform_batches as uniform
from experiments.report import catalog, doors, load, tables
from tests.experiments.report import made_up


def test_uniform_batches_are_judged_with_settings_of_their_own_once_there_are_some():
    balanced = [made_up.row("key_to_door", doors.SIZES["1K"], "s4d", 0)]
    point = made_up.row("uniform_batches", doors.SIZES["1K"], "s4d", 0, variant="tuning: some")
    row = made_up.row("uniform_batches", doors.SIZES["1K"], "s4d", 0, variant=uniform.VARIANT)
    titles = {}
    for name, tuned in (("none", []), ("tuning", [point]), ("results", [point, row])):
        found = catalog.tasks({"key_to_door": balanced, "uniform_batches": tuned})
        titles[name] = [
            setting.title
            for task in found
            if task.file in ("key_to_door", "uniform_batches") and task.rows.scored
            for setting in task.settings
        ]
    assert doors.UNTUNED.title in titles["none"]
    assert titles["none"] == titles["tuning"]
    assert doors.UNTUNED.title not in titles["results"]
    assert len(titles["results"]) == len(titles["none"])


def test_the_page_of_uniform_batches_tells_the_share_of_the_published_updates():
    row = made_up.row("uniform_batches", doors.SIZES["10K"], "s4d", 0, variant=uniform.VARIANT)
    task = doors.UNIFORM_BATCHES.holding([row | {"updates": uniform.LARGE_UPDATES}])
    (found,) = tables.of_further(task)
    assert found.rows == [["10K", "S4D", "8.00"]]
    assert load.PUBLISHED_UPDATES == uniform.PUBLISHED_UPDATES
    assert {point.variant for point in task.points} == {uniform.VARIANT}
