"""Verdicts follow their rules, and one setting refutes a claim of every environment."""

import pytest

from experiments.report import catalog, choices, comparisons, doors, scores, verdicts
from experiments.report.scores import BETTER, EQUAL, UNDECIDED, WORSE
from jax_s4rl.evaluation import bootstrap
from tests.experiments.report import made_up

TASK = made_up.task()
ONE, THREE = "concatenated", "interleaved"


def measure(*tasks, lengths=(), questions=()):
    empty = [task for task in catalog.tasks({}) if task.name not in {each.name for each in tasks}]
    every = [*tasks, *empty]
    judged = comparisons.judge_all(every)
    named = {question.name for question in questions}
    others = [question for question in choices.questions({}) if question.name not in named]
    return comparisons.Measured(every, [*questions, *others], judged, lengths, {})


def of(measured, start):
    return next(claim for claim in verdicts.judge(measured) if claim.text.startswith(start))


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([BETTER, BETTER], verdicts.HOLDS),
        ([BETTER, WORSE], verdicts.REFUTED),
        ([BETTER, EQUAL], verdicts.REFUTED),
        ([BETTER, UNDECIDED], verdicts.UNDECIDED),
        ([], verdicts.OPEN),
    ],
)
def test_every_environment(outcomes, verdict):
    assert verdicts.everywhere(outcomes) == verdict


def test_without_rows_nothing_is_judged():
    assert {claim.verdict for claim in verdicts.judge(measure())} == {verdicts.OPEN}


def test_the_numbers_name_greedy_and_sampled_outcomes():
    task = made_up.scored(TASK, attention=20.0, s4=30.0, mlp=5.0)
    claim = of(measure(task), "S4 beats")
    assert claim.verdict == verdicts.HOLDS
    assert claim.numbers == "greedy: 2 better; sampled: 2 better"


@pytest.mark.parametrize("control", [{}, {"mlp": 30.0}])
def test_settings_that_need_no_memory_as_far_as_is_known_count_for_nothing(control):
    task = made_up.scored(TASK, attention=20.0, s4=30.0, **control)
    assert of(measure(task), "S4 beats").verdict == verdicts.OPEN


def test_models_of_each_kind_are_judged_apart():
    small = made_up.scored(TASK, attention=20.0, s4=30.0, mlp=5.0)
    large = made_up.task(name="pendulum", title="Large", group="large models")
    large = made_up.scored(large, attention=30.0, s4=20.0, mlp=5.0)
    claims = {claim.text: claim.verdict for claim in verdicts.judge(measure(small, large))}
    assert claims["S4 beats attention in every environment"] == verdicts.HOLDS
    assert claims["S4 beats attention in every environment: large models"] == verdicts.REFUTED
    assert not any(text.startswith("S4D") and "large" in text for text in claims)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.2, verdicts.HOLDS), (-0.2, -0.1, verdicts.REFUTED), (-0.1, 0.1, verdicts.UNDECIDED)],
)
def test_most_is_judged_by_the_interval_of_the_difference(low, high, verdict):
    assert verdicts.most(bootstrap.Interval(0.0, low, high)) == verdict
    assert verdicts.most(None) == verdicts.OPEN


@pytest.mark.parametrize(("settings", "verdict"), [(3, "holds"), (2, "undecided")])
def test_gains_on_continuous_and_discrete_state(settings, verdict):
    tasks = []
    for number in range(settings):
        # The continuous setting is that of "some/a" and "some/b", the other one that of "some/c".
        rows = [
            row
            for value, data in ((40.0, ("some/a", "some/b")), (25.0, ("some/c",)))
            for row in _rows(value)
            if row["dataset"] in data
        ]
        tasks.append(made_up.task(name=f"task {number}").holding(rows))
    claim = of(measure(*tasks), "S4 gains")
    assert claim.verdict == verdict
    assert claim.numbers.startswith("greedy: +30.0 [")
    assert f"{settings} against {settings} settings" in claim.numbers


def _rows(value):
    task = made_up.scored(TASK, attention=20.0, s4=value, mlp=5.0)
    return [*task.rows.references, *task.rows.scored]


@pytest.mark.parametrize(
    ("times", "verdict"),
    [((3.0, 4.0), "holds"), ((2.9, 4.0), "holds in part"), ((1.0, 2.0), "refuted")],
)
def test_several_times_faster(times, verdict):
    lengths = []
    for context, value in zip((32, 64), times, strict=True):
        lengths += [
            made_up.timed("attention", ONE, context, 10 * value),
            made_up.timed("s4d/matched", ONE, context, 10.0),
        ]
    claim = of(measure(lengths=lengths), "S4 (timed: S4D) is several times faster to train: equal")
    assert claim.verdict == verdict
    assert (
        claim.numbers
        == f"time of attention over S4D: {times[0]:.2f} at 32, {times[1]:.2f} at 64 steps"
    )


@pytest.mark.parametrize(
    ("one", "verdict"), [(50.0, "holds"), (60.0, "holds"), (40.0, "refuted"), (45.5, "undecided")]
)
def test_one_token_does_as_well_as_three(one, verdict):
    lines = made_up.bounds("tokens", "cartpole/mixed", "return", 0.0, 100.0)
    for variant, value in ((ONE, one), (THREE, 50.0)):
        for seed, each in enumerate(made_up.spread(value, 2.0)):
            both = {"return_greedy": each, "return_sampled": each, "variant": variant}
            lines.append(made_up.row("tokens", "cartpole/mixed", "s4d", seed, **both))
    question = next(each for each in choices.QUESTIONS if each.name == "tokens")
    claim = of(measure(questions=[question.holding({"tokens": lines})]), "One token")
    assert claim.verdict == verdict


def walks(method, value, variant=""):
    dataset = "random_walk/nosuffix-1000"
    return made_up.runs(
        "random_walk",
        dataset,
        method,
        made_up.spread(2 * value),
        "optimal_share",
        variant=variant,
    )


@pytest.mark.parametrize(("value", "verdict"), [(0.2, "refuted"), (0.5, "holds")])
def test_walks_are_joined_only_above_the_best_exact_score(value, verdict):
    lines = made_up.bounds("random_walk", "random_walk/nosuffix-1000", "optimal_share")
    known = {"lookup": 0.1, "blind": 0.3, "random": 0.2}
    lines += [
        made_up.row("random_walk", "random_walk/nosuffix-1000", method, optimal_share=share)
        for method, share in known.items()
    ]
    lines += [*walks("s4d", value), *walks("s4d", 0.9, "relabelled returns")]
    claim = of(measure(catalog.RANDOM_WALK.holding(lines)), "Decision transformers join")
    assert claim.verdict == verdict
    assert "1 of 1 mixers with relabelled returns" in claim.numbers


def walks_to_doors(attention, uniform):
    lines = []
    for size, dataset in doors.SIZES.items():
        lines += made_up.bounds("key_to_door", dataset, "success", 0.027, 1.0)
        for variant, share in ((doors.BALANCED, attention), (doors.UNIFORM[size], uniform)):
            lines += made_up.runs(
                "key_to_door",
                dataset,
                "attention",
                made_up.spread(2 * share),
                "success",
                variant=variant,
            )
        lines += made_up.runs(
            "key_to_door", dataset, "bc", made_up.spread(0.04), "success", variant="attention"
        )
    return measure(doors.KEY_TO_DOOR.holding(lines))


def test_published_numbers_that_random_play_meets_do_not_count():
    measured = walks_to_doors(0.72, 0.2)
    found = verdicts.entries(measured)
    can_fail = {each.line for each in found if each.can_fail}
    assert can_fail == {"DT", "%BC", "CQL"}
    start = "The Decision Transformer's key-to-door table: "
    balanced, uniform = (of(measured, start + kind) for kind in ("balanced", "uniform"))
    assert (balanced.verdict, balanced.numbers) == (
        verdicts.PARTLY,
        "1 of 2 published numbers agree",
    )
    assert uniform.verdict == verdicts.REFUTED


def test_state_space_models_remember_longest_only_if_they_are_better_at_the_longest_test():
    def tested(method, share):
        return [
            made_up.row(
                "long_memory",
                "t_maze/100/random",
                method,
                seed,
                success_at_300_sampled=0.9,
                success_at_3000_sampled=value,
            )
            for seed, value in enumerate(made_up.spread(share))
        ]

    for share, verdict in ((0.9, verdicts.HOLDS), (0.2, verdicts.REFUTED)):
        lines = [*tested("s4d", share), *tested("lstm", 0.5)]
        claim = of(measure(catalog.LONGER_TESTS.holding(lines)), "State space models remember")
        assert claim.verdict == verdict
        assert "(longest run: 3,000)" in claim.numbers

    # Equal where a T-maze is longest, whatever a short chain says, and worse in a longer test.
    mazes = [
        *made_up.runs("long_memory", "t_maze/100/random", "s4d", made_up.spread(1.8), "success"),
        *made_up.runs("long_memory", "t_maze/100/random", "lstm", made_up.spread(1.8), "success"),
        *made_up.runs("long_memory", "memory_chain/10/random", "s4d", [2.0] * 5, "success"),
        *made_up.runs("long_memory", "memory_chain/10/random", "lstm", [1.0] * 5, "success"),
        *made_up.bounds("long_memory", "t_maze/100/random", "success"),
    ]
    longer = catalog.LONGER_TESTS.holding([*tested("s4d", 0.2), *tested("lstm", 0.5)])
    memory = next(each for each in catalog.TASKS if each.name == "long_memory").holding(mazes)
    claim = of(measure(memory, longer), "State space models remember")
    assert claim.verdict == verdicts.REFUTED
    assert "(longest run: 100): S4D 90.0 % against LSTM 90.0 %" in claim.numbers


def test_outcomes_are_counted_in_words():
    words = [WORSE, BETTER, BETTER, scores.FEW]
    assert verdicts.count(words) == "2 better, 1 worse"
