"""Uniform batches are judged once, and tell their share of the published updates."""

from experiments import uniform_batches as uniform
from experiments.report import doors, load, tables
from tests.experiments.report import made_up


def test_uniform_batches_have_settings_of_their_own_once_there_are_results():
    point = made_up.row("uniform_batches", doors.SIZES["1K"], "s4d", 0, variant="tuning: some")
    row = made_up.row("uniform_batches", doors.SIZES["1K"], "s4d", 0, variant=uniform.VARIANT)
    untuned = doors.KEY_TO_DOOR, doors.UNIFORM
    assert doors.uniform(doors.KEY_TO_DOOR, doors.UNIFORM_BATCHES) == untuned
    assert doors.uniform(doors.KEY_TO_DOOR, doors.UNIFORM_BATCHES.holding([point])) == untuned
    tuned = doors.UNIFORM_BATCHES.holding([point, row])
    assert doors.uniform(doors.KEY_TO_DOOR, tuned) == (
        tuned,
        dict.fromkeys(doors.SIZES, uniform.VARIANT),
    )
    (replaced,) = [each for each in doors.KEY_TO_DOOR.settings if each.replaced_by]
    assert (replaced.title, replaced.replaced_by) == ("uniform batches", tuned.name)


def test_the_page_of_uniform_batches_tells_the_share_of_the_published_updates():
    row = made_up.row("uniform_batches", doors.SIZES["10K"], "s4d", 0, variant=uniform.VARIANT)
    task = doors.UNIFORM_BATCHES.holding([row | {"updates": uniform.LARGE_UPDATES}])
    (found,) = tables.beside(task)
    assert found.rows == [["10K", "S4D", "8.00"]]
    assert load.PUBLISHED_UPDATES == uniform.PUBLISHED_UPDATES
    assert {point.variant for point in task.points} == {uniform.VARIANT}
