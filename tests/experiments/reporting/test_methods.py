"""The ways of working that are compared are told apart, and are about no mixer's environment."""

from experiments.reporting import catalog, lines, methods
from tests.experiments.reporting import made_up

HERE = (methods.TOKENS, methods.CHECKPOINTS, methods.SPEED_PER_TASK)


def test_they_stand_at_the_end_of_the_report_and_count_for_no_environment():
    assert catalog.ALL[-len(HERE) :] == HERE
    assert [about.is_environment for about in catalog.ALL].index(False) == len(catalog.ALL) - len(HERE)


def test_times_of_every_machine_stand_apart(tmp_path):
    about = methods.SPEED_PER_TASK
    seconds = {"compile": 1.0, "update_median": 2e-3}
    line = made_up.row(about.name, "d", "s4", seconds=seconds, cell="same")
    made_up.write(tmp_path, about.name, [line, line | {"machine": "another"}])
    scored = about.read(tmp_path).scored
    assert [row["metrics"]["variant"] for row in scored] == ["a machine", "another"]
    assert scored[0]["metrics"][about.score] == 2.0
    assert lines.minutes(scored) == 0
