"""The table of ranges: all seeds, the best range bold, and the page is up to date."""

from experiments import runner, step_range_report, step_ranges
from jax_s4rl.evaluation import result_rows
from tests.experiments.report import made_up


def row(method, variant, seed, value, context=4):
    dataset = step_range_report.memory.CARTPOLE
    return made_up.row(
        "step_ranges",
        dataset,
        method,
        seed,
        context=context,
        variant=variant,
        return_sampled=float(value),
    )


def test_all_seeds_are_shown_and_the_best_range_is_bold():
    names = list(step_ranges.RANGES)
    values = {names[0]: (10, 20, 30), names[1]: (40, 50, 60)}
    rows = [
        row("s4d", name, seed, value)
        for name, own in values.items()
        for seed, value in enumerate(own)
    ]
    rows += [row("mlp", "", seed, 5) for seed in range(3)]
    shown = step_range_report.table([*rows, made_up.row("step_ranges", "d", "random")]).splitlines()
    title = "CartPole without velocities, context 4: return"
    assert shown[2:] == [
        f"| {title} | s4d | 20 (10, 20, 30) | **50** (40, 50, 60) |  |  |  |",
        f"| {title} | mlp |  |  |  |  | 5 (5, 5, 5) |",
    ]


def test_every_task_has_a_title():
    assert len(step_range_report.TASKS) == len(step_ranges.PARTS)


def test_the_page_shows_what_the_lines_say():
    wanted = step_range_report.table(result_rows.read_rows(runner.results_file("step_ranges")))
    assert wanted in step_range_report.Config().readme.read_text(), (
        "run `python -m experiments.step_range_report`"
    )
