"""What was found is said in sentences that follow the rows, losses first."""

import pytest

from experiments.report import catalog, comparisons, front, load
from tests.experiments.report import made_up

TASK = made_up.task()
ONE = "concatenated"


def measure(*tasks, lengths=()):
    empty = [task for task in catalog.tasks({}) if task.name not in {each.name for each in tasks}]
    every = [*tasks, *empty]
    return comparisons.Measured(every, [], comparisons.judge_all(every), lengths, {})


def sentences(measured):
    return [finding.text for finding in front.findings(measured)]


def with_control(task, **values):
    """A task with a model without memory that falls behind, so that its settings count."""
    return made_up.scored(task, mlp=5.0, **values)


def test_without_rows_nothing_is_said():
    assert sentences(measure()) == []


def test_what_is_lost_is_named_in_the_first_sentence():
    first, *_ = sentences(measure(with_control(TASK, attention=30.0, s4=20.0, s4d=30.2)))
    assert first == (
        "**Neither S4 nor S4D beats attention everywhere.** In settings that count, S4 is worse in "
        "2 of 2, worse on Some (curve; other); S4D is equal in 2 of 2. Among them, observations "
        "hide nothing on Some (curve); in the rest S4 is worse in 1 of 1, worse on Some (other); "
        "S4D is equal in 1 of 1. Settings in which mlp is level do not count."
    )


def test_the_first_sentence_changes_with_the_rows():
    first, *_ = sentences(measure(with_control(TASK, attention=20.0, s4=30.0, s4d=40.0)))
    where = "where a model without memory (mlp) falls behind"
    assert first.startswith(f"**S4 and S4D beat attention {where}.**")
    assert "S4D is better in 2 of 2. Neither is worse in any of these." in first
    better = with_control(TASK, attention=20.0, s4=30.0, s4d=30.0)
    equal = made_up.task(name="pendulum", settings=TASK.settings[1:])
    equal = with_control(equal, attention=20.0, s4=20.0, s4d=20.0)
    start = f"**S4 and S4D beat attention in most settings {where}, not in all.**"
    assert sentences(measure(better, equal))[0].startswith(start)
    task = with_control(TASK, attention=20.0, s4=30.0, s4d=20.0)
    assert sentences(measure(task))[0].startswith("**It is open whether S4 and S4D beat")


def test_losses_where_no_memory_is_needed_are_named_too():
    task = made_up.task(settings=TASK.settings[1:])
    task = made_up.scored(task, attention=30.0, s4=20.0, s4d=30.0, mlp=30.0)
    counted = made_up.task(name="pendulum", title="Other", settings=TASK.settings[1:])
    counted = with_control(counted, attention=20.0, s4=30.0, s4d=30.0)
    unknown = made_up.task(name="umbrella", title="Unknown", settings=TASK.settings[1:])
    unknown = made_up.scored(unknown, attention=20.0, s4=10.0)
    first, *_ = sentences(measure(task, counted, unknown))
    assert "In settings that count, S4 is better in 1 of 1" in first
    assert first.endswith("do not count, where S4 is worse on Some and Unknown.")


def test_models_of_another_kind_are_not_in_the_first_sentence():
    task = with_control(TASK, attention=20.0, s4=30.0, s4d=30.0)
    large = made_up.task(name="pendulum", title="Large", settings=TASK.settings, group="large")
    large = with_control(large, attention=30.0, s4=20.0, s4d=20.0)
    assert sentences(measure(task, large))[0] == sentences(measure(task))[0]


def test_a_control_that_beats_attention_is_named():
    task = made_up.scored(TASK, attention=20.0, s4=60.0, s4d=60.0, mlp=40.0)
    *_, simple = sentences(measure(task))
    assert simple == (
        "**0 of 2 settings need no memory.** Where none is needed, mlp is level with the best "
        "mixer; it is better than attention in 2 others."
    )


def test_an_lstm_and_simple_methods_are_named():
    task = with_control(TASK, attention=20.0, s4=20.0, s4d=20.0, lstm=30.0, percent_bc=40.0)
    _, lstm, simple, *_ = sentences(measure(task))
    assert lstm == (
        "**S4 loses to an LSTM more often than it beats it.** Where both ran, against the LSTM S4 "
        "is worse in 2 of 2, worse on Some (curve; other); against attention the LSTM is better in "
        "2 of 2."
    )
    assert simple == (
        "**0 of 2 settings need no memory, and a simple method has the best mean score in 2 of 2 "
        "(%BC in 2).** Where none is needed, mlp is level with the best mixer. %BC clones the best "
        "tenth of the episodes."
    )


def test_lookup_is_compared_where_it_is_known():
    held = made_up.scored(TASK, attention=20.0)
    lookup = [
        made_up.row("some", data, "lookup", **{"return": 90.0}) for data in ("some/a", "some/c")
    ]
    task = TASK.holding([*held.rows.references, *lookup, *held.rows.scored])
    (simple,) = sentences(measure(task))
    start = "**A simple method has the best mean score in 2 of 2 settings (lookup in 2).**"
    assert simple == f"{start} lookup repeats a recorded episode."


def test_a_baseline_is_compared_on_the_data_that_it_has():
    held = made_up.scored(TASK, attention=20.0, s4=30.0)
    few = made_up.runs("some", "some/a", "cql", made_up.spread(90.0), "return")
    every = [*held.rows.references, *held.rows.scored]
    task = TASK.holding([*every, *few])
    curve, other = task.settings
    assert front.best_methods(task, curve) == {"s4", "cql"}
    assert front.best_methods(task, other) == {"s4"}
    lower = made_up.runs("some", "some/a", "cql", made_up.spread(50.0), "return")
    assert front.best_methods(TASK.holding([*every, *lower]), curve) == {"s4"}


@pytest.mark.parametrize(("carried", "start"), [(5.0, "S4 fails"), (40.0, "Acting with")])
def test_what_a_carried_state_changes_has_a_sentence_of_its_own(carried, start):
    masked = made_up.bounds("memory", comparisons.MASKED, "return", 0.0, 100.0)
    trained = []
    for method in ("s4", "s4d", "lstm"):
        trained += with_carried(method, load.AS_TRAINED, 80.0, carried)
    rows = {"memory": masked, catalog.CARRIED: trained}
    measured = measure()._replace(tasks=catalog.tasks(rows), rows=rows)
    (sentence,) = sentences(measured)
    assert sentence.startswith(f"**{start}")
    shown = "from 40.0 to 5.00 (S4)" if carried < 10 else "from 40.0 to 40.0 (S4)"
    assert shown in sentence


def with_carried(method, training, value, carried):
    """Returns made-up runs on CartPole without velocities, with a return of a carried state."""
    more = {} if carried is None else {"return_carried_sampled": carried}
    runs = made_up.runs(
        "memory", comparisons.MASKED, method, made_up.spread(value), "return", variant=training
    )
    return [row | {"metrics": row["metrics"] | more} for row in runs]


@pytest.mark.parametrize(("short", "whole"), [(60.0, 90.0), (60.0, 20.0), (10.0, 20.0)])
def test_what_mends_a_carried_state_is_named(short, whole):
    masked = made_up.bounds("memory", comparisons.MASKED, "return", 0.0, 100.0)
    changed = []
    for method in ("s4", "s4d"):
        for training, value, carried in (
            (load.AS_TRAINED, 80.0, 5.0),
            (load.SHORT_MEMORY, 80.0, short),
            (load.WHOLE_EPISODES, 2 * whole, None),
        ):
            changed += with_carried(method, training, value, carried)
    rows = {"memory": masked, catalog.CARRIED: changed}
    measured = measure()._replace(tasks=catalog.tasks(rows), rows=rows)
    sentence = next(each for each in sentences(measured) if "never clear" in each)
    assert ("never clears its state; " in sentence) == (max(short, whole) >= 40)
    returned = f"half a training sequence at most it is {short:.1f} (S4)"
    assert (returned in sentence) == (short >= 40)
    returned = "ith training on episodes as long as those acted it is 90.0 (S4) and 90.0 (S4D)"
    assert (returned in sentence) == (whole >= 40)


def test_settings_that_need_no_memory_are_counted():
    task = made_up.scored(TASK, attention=20.0, s4d=30.0, mlp=30.0)
    assert any("2 of 2 settings need no memory" in each for each in sentences(measure(task)))


def test_times_are_told_with_as_many_tokens_and_parameters():
    lengths = []
    for context, value in ((100, 10.0), (1_000, 50.0)):
        lengths += [
            made_up.timed("attention", ONE, context, value),
            made_up.timed("s4d/matched", ONE, context, 10.0),
        ]
    lengths += [
        made_up.timed("attention", ONE, 64, 3.0, kind="acting"),
        made_up.timed("s4d", ONE, 64, 1.0, kind="acting"),
    ]
    (speed,) = sentences(measure(lengths=lengths))
    assert "takes 1.00 times as long as one of S4D at 100 steps, and 5.00 times at 1,000" in speed
    assert "After 64 steps an action of attention takes 3.00 times" in speed


def test_the_picture_shows_both_panels_and_changes_with_the_rows():
    metrics = {"asked": [10.0, 20.0], "achieved_sampled": [9.0, 19.0]}
    rows = [
        load.with_metrics(row, **metrics)
        for method in front.SWEPT
        for row in made_up.runs("cartpole", front.SWEEP, method, made_up.spread(1.0), "return")
    ]
    lengths = [made_up.timed("attention", ONE, 32, 1.0)]
    picture = front.picture({"cartpole": rows}, lengths)
    assert picture.draw().startswith(b"\x89PNG")
    assert picture.digest.encode() in picture.draw()
    assert front.picture({"cartpole": rows[1:]}, lengths).digest != picture.digest
