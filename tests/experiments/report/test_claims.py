"""Claims are judged from rows: with none, with some, and with a clear answer."""

import pytest

from benchmarks import acting, training
from experiments.report import catalog, claims, document, key_to_door, scores, verdicts
from tests.experiments.report import made_up

DISCRETE, CONTINUOUS = "key_to_door", "cartpole"


def judge(folder, training=(), acting=()):
    timings = {"train": training, "act": acting}
    return {each.text: each for each in claims.judge(catalog.read(folder), timings)}


def find(judged, *words):
    # The first one: claims about the tasks follow those about the benchmarks.
    return next(each for claim, each in judged.items() if all(word in claim for word in words))


def write(folder, name, **middles):
    about = next(about for about in catalog.ALL if about.name == name)
    rows = made_up.bounds(name, "d", about.metrics[0].name)
    for method, middle in middles.items():
        # The sampled score of made-up runs is half of the greedy one.
        rows += made_up.runs(name, "d", method, made_up.spread(2 * middle), about.metrics[0].name)
    made_up.write(folder, name, rows)


def test_the_table_has_a_line_for_every_claim_and_every_rule_once(tmp_path):
    judged = list(judge(tmp_path).values())
    _, _, table, rules = claims.table(judged)
    assert isinstance(table, document.Table)
    assert isinstance(rules, document.Fold)
    assert [line[0] for line in table.rows] == [each.text for each in judged]
    intervals, numbered = rules.content
    assert isinstance(intervals, document.Paragraph)
    assert "not other data" in intervals.text
    assert "recordings" in intervals.text
    assert isinstance(numbered, document.Numbered)
    assert len(numbered.items) == len({each.rule for each in judged})
    assert "run `python -m experiments.random_walk`, then also `umbrella`" in str(table.rows[0][2])


def test_without_lines_every_claim_says_what_to_run(tmp_path):
    for each in judge(tmp_path).values():
        assert each.verdict.word == verdicts.OPEN
        assert each.commands
        assert each.rule


def test_a_mixer_must_be_ahead_in_every_environment(tmp_path):
    write(tmp_path, DISCRETE, attention=0.5, s4=0.7, s4d=0.5)
    judged = judge(tmp_path)
    assert find(judged, "S4 beats").verdict.word == verdicts.HOLDS_SO_FAR
    assert find(judged, "S4D beats").verdict.word == verdicts.FAILS_SO_FAR
    assert "python -m experiments.umbrella" in find(judged, "S4 beats").commands
    write(tmp_path, CONTINUOUS, attention=0.5, s4=0.3)
    assert find(judge(tmp_path), "S4 beats").verdict.word == verdicts.PARTLY


def test_outcomes_are_counted_for_both_ways_of_choosing_actions(tmp_path):
    write(tmp_path, CONTINUOUS, attention=0.5, s4=0.7)
    told = find(judge(tmp_path), "S4 beats").numbers.splitlines()
    assert (told[0], told[2]) == (
        "settings: ahead in 1",
        "with greedy and sampled actions swapped: ahead in 1",
    )


def test_what_fewer_tokens_give_alone_stands_beside_one_against_three(tmp_path):
    rows = [
        made_up.timed("attention", scores.THREE, 100, 900.0),
        made_up.timed("attention", scores.ONE, 100, 300.0),
    ]
    rows += [
        made_up.timed("s4d", scores.ONE, 100, 100.0),
        made_up.timed("s4d/matched", scores.ONE, 100, 200.0),
    ]
    found = find(judge(tmp_path, training=rows), "faster: to train, S4 with one token")
    assert found.numbers.splitlines()[1:] == [
        "s4d, one against three: 9.0",
        "s4d matched, one against three: 4.5",
        "by tokens alone: attention, one against three: 3.0",
    ]


def test_where_a_mixer_is_behind_changes_of_it_are_told(tmp_path):
    write(tmp_path, CONTINUOUS, attention=0.5, s4=0.3)
    rows = made_up.runs(
        CONTINUOUS, "d", "s4", made_up.spread(1.0), "return", variant="learning rate 0.01"
    )
    made_up.write(tmp_path, CONTINUOUS, rows)
    found = find(judge(tmp_path), "S4 beats").verdict
    assert "behind in CartPole, d; level with learning rate 0.01" in found.where.splitlines()


def test_gains_of_continuous_and_discrete_state_are_compared(tmp_path):
    write(tmp_path, DISCRETE, attention=0.5, s4=0.5, s4d=0.8)
    write(tmp_path, CONTINUOUS, attention=0.5, s4=0.8, s4d=0.5)
    judged = judge(tmp_path)
    assert find(judged, "S4 gains").verdict.word == verdicts.HOLDS
    assert find(judged, "S4D gains").verdict.word == verdicts.FAILS
    assert "continuous +30.0" in find(judged, "S4 gains").numbers


def test_an_environment_is_missed_for_every_kind_of_state_that_it_has(tmp_path):
    commands = find(judge(tmp_path), "S4 gains").commands
    assert [command.rpartition(".")[2] for command in commands] == [
        *("memory", "cartpole", "pendulum"),
        *("random_walk", "umbrella", "memory", "key_door", "key_to_door"),
    ]


def test_speed_is_judged_at_every_length(tmp_path):
    rows = [
        made_up.timed("attention", scores.THREE, context, 10.0 * context) for context in (32, 1024)
    ]
    rows += [made_up.timed("s4d", scores.THREE, context, 1_000.0) for context in (32, 1024)]
    judged = judge(tmp_path, training=rows)
    assert find(judged, "faster: to train, like for like").verdict.word == verdicts.PARTLY
    assert find(judged, "faster: to train, like for like").verdict.where.splitlines() == [
        "s4d, three tokens: from 1,024 steps",
        "timed up to 1,024 steps",
    ]
    # Only the long context counts here.
    assert find(judged, "unbearably slow: to train, like for like").verdict.word == verdicts.HOLDS
    assert find(judged, "unbearably slow: to act, like for like").verdict.word == verdicts.OPEN


def test_every_side_has_a_verdict_of_its_own(tmp_path):
    rows = [
        made_up.timed("attention", scores.THREE, 341, 20.0),
        made_up.timed("attention", scores.ONE, 341, 2.0),
    ]
    rows += [
        made_up.timed("s4d", scores.ONE, 341, 1.0),
        made_up.timed("s4d/matched", scores.ONE, 341, 0.1),
    ]
    judged = judge(tmp_path, training=rows, acting=rows)
    for verb in ("train", "act"):
        for claim in (f"faster: to {verb}", f"slow: to {verb}"):
            assert find(judged, claim, "like for like").verdict.word == verdicts.FAILS
            assert find(judged, claim, "as many parameters").verdict.word == verdicts.HOLDS
            assert (
                find(judged, claim, "one token, attention with three").verdict.word
                == verdicts.HOLDS
            )
    assert {each.runs for each in judged.values()} == {"-", "10 of each", "30 of each"}


def test_histories_mapped_anew_count_where_attention_acts_as_published(tmp_path):
    rows = [
        made_up.timed("recompute", scores.THREE, 64, 9.0),
        made_up.timed("attention", scores.THREE, 64, 2.0),
    ]
    found = find(
        judge(tmp_path, acting=[*rows, made_up.timed("s4", scores.ONE, 64, 1.0)]),
        "to act",
        "with three",
    )
    assert found.verdict.word == verdicts.PARTLY
    assert found.verdict.where.startswith("s4, one against recomputed window: everywhere\n")


def test_times_at_tasks_have_a_claim_of_their_own(tmp_path):
    rows = []
    for method, update in (("attention", 9e-3), ("s4", 2e-3)):
        seconds = {
            "compile": 1.0,
            "update_median": update,
            "act_1_median": 1e-3,
            "act_64_median": 1e-3,
        }
        rows.append(made_up.row("speed_per_task", "d", method, seconds=seconds))
    made_up.write(tmp_path, "speed_per_task", rows)
    judged = judge(tmp_path)
    assert find(judged, "faster: to train, at the tasks").verdict.word == verdicts.HOLDS
    assert find(judged, "faster: to act, at the tasks").verdict.word == verdicts.FAILS


def test_one_token_is_compared_with_three(tmp_path):
    rows = made_up.bounds("tokens", "d", "return")
    for method, one, three in (("attention", 0.5, 0.5), ("s4", 0.3, 0.5)):
        for tokens, middle in ((scores.ONE, one), (scores.THREE, three)):
            values = made_up.spread(2 * middle)
            rows += made_up.runs(
                "tokens", "d", method, values, "return", tokens=tokens, variant=tokens
            )
    made_up.write(tmp_path, "tokens", rows)
    timed = [
        made_up.timed("s4", tokens, 32, ms)
        for tokens, ms in ((scores.ONE, 1.0), (scores.THREE, 3.0))
    ]
    judged = judge(tmp_path, training=timed)
    assert find(judged, "One concatenated", "attention").verdict.word == verdicts.HOLDS
    assert find(judged, "One concatenated", "S4D").verdict.word == verdicts.OPEN
    (s4,) = (each for claim, each in judged.items() if claim.endswith(": S4"))
    assert s4.verdict.word == verdicts.FAILS
    assert "-20.0" in s4.numbers
    # Times are those of the benchmark.
    assert s4.numbers.endswith("updates 3.0 times as fast")


def test_joining_walks_has_two_claims(tmp_path):
    rows = [
        made_up.row("random_walk", "random_walk/nosuffix-1000", "blind", optimal_share_sampled=0.2)
    ]
    for method, middle, variant in (("attention", 0.2, ""), ("s4", 0.5, "one step")):
        values = made_up.spread(2 * middle)
        rows += made_up.runs(
            "random_walk",
            "random_walk/nosuffix-1000",
            method,
            values,
            "optimal_share",
            variant=variant,
        )
    made_up.write(tmp_path, "random_walk", rows)
    judged = judge(tmp_path)
    plain, helped = (
        find(judged, "join walks", "as the papers do"),
        find(judged, "join walks", "relabelled returns or one step"),
    )
    assert plain.verdict.word == verdicts.FAILS_SO_FAR
    assert helped.verdict.word == verdicts.HOLDS_SO_FAR
    assert helped.verdict.where.startswith("s4\nnot yet run: attention")
    assert helped.verdict.where.endswith("\nreturns as recorded, one step: s4")
    assert "s4 +30.0 [" in helped.numbers


def test_lengths_of_one_environment_do_not_outweigh_another(tmp_path):
    for number in range(4):
        rows = made_up.bounds("umbrella", f"umbrella_length/{number}/random", "first_action")
        for method in ("attention", "s4"):
            data = f"umbrella_length/{number}/random"
            rows += made_up.runs("umbrella", data, method, made_up.spread(0.5), "first_action")
        made_up.write(tmp_path, "umbrella", rows)
    write(tmp_path, DISCRETE, attention=0.3, s4=0.5)
    judged = judge(tmp_path)
    assert "discrete +10.0" in find(judged, "S4 gains").numbers
    # A run beats another for certain in one environment, in half of all cases in the other.
    assert "P(better) 0.75" in find(judged, "S4 beats").numbers


def read(folder, count=5):
    rows = made_up.bounds("tokens", "d", "return", 0.0, 100.0)
    for tokens, middle in (("concatenated", 50.0), ("interleaved", 40.0)):
        for method in ("attention", "s4"):
            # The sampled score of made-up runs is half of the greedy one.
            values = made_up.spread(2 * middle, count=count)
            rows += made_up.runs(
                "tokens", "d", method, values, "return", tokens=tokens, variant=tokens
            )
    made_up.write(folder, "tokens", rows)
    return catalog.TOKENS.read(folder)


def test_gain(tmp_path):
    found = claims.one_against_three(read(tmp_path), "s4")
    assert [(each.group.tokens, each.other.tokens) for each in found] == [
        ("concatenated", "interleaved")
    ]
    pairs = claims.normalized_pairs(found)
    assert list(pairs) == ["d"]
    assert scores.gain(pairs).value == pytest.approx(0.1)
    assert claims.one_against_three(read(tmp_path), "s4d") == []


def test_few_runs_do_not_count(tmp_path):
    few = claims.one_against_three(read(tmp_path, count=4), "s4")
    assert claims.normalized_pairs(few) == {}


def timed(**parameters):
    return [
        made_up.timed(who, scores.ONE, 32, 1.0) | {"parameters": count}
        for who, count in parameters.items()
    ]


def test_shares_of_parameters_come_from_the_lines():
    told = claims.rule(
        {"train": timed(attention=100, s4=34, s4d=20), "act": timed(attention=100, s4=50)},
        "several times",
    )
    assert (
        "fewer parameters than attention: 20 to 34 % where training is timed, "
        "50 % where acting is timed." in told
    )
    assert "fewer parameters than attention." in claims.rule({}, "several times")


def test_repeats_are_those_of_the_benchmarks():
    told = claims.rule({}, "several times")
    assert f"{training.Config().repeats} timings of some updates" in told
    assert f"{acting.Config().repeats} actions. The claim" in told


def test_intervals_of_ratios_are_told_of_where_lines_have_turns():
    row = made_up.timed("attention", scores.ONE, 32, 1.0)
    assert "intervals of the ratios" not in claims.rule({"train": [row]}, "several times")
    row["metrics"]["turns"] = [1.0, 1.1]
    assert "intervals of the ratios stand in the tables" in claims.rule(
        {"train": [row]}, "several times"
    )


def test_the_weight_of_q_learning_is_the_one_that_decides(tmp_path):
    weight = key_to_door.ROWS["CQL"][1]
    (rule,) = {each.rule for text, each in judge(tmp_path).items() if "key-to-door table" in text}
    assert f"`{weight}` of Q-learning" in rule


def test_parameters_of_either_side_are_told():
    rows = [
        made_up.timed("attention", scores.ONE, context, 6.0) | {"parameters": 200 * context}
        for context in (1, 2)
    ]
    rows += [made_up.timed("s4d", scores.ONE, context, 3.0) for context in (1, 2)]
    assert ": 25 to 50 % where training is timed." in claims.rule({"train": rows}, "several times")
    table = claims.times({"train": rows})[2]
    assert isinstance(table, document.Table)
    assert [line[-2:] for line in table.rows] == [["100", "200"], ["100", "400"]]
    assert [line[1:6] for line in table.rows] == [
        [f"{context} steps", "3", "6", "2.00", "2.00"] for context in (1, 2)
    ]


def test_comparisons_and_times(tmp_path):
    rows = []
    for method, value in (("attention", 100.0), ("s4d", 200.0)):
        rows += made_up.runs("cartpole", "cartpole/mixed", method, made_up.spread(value), "return")
    made_up.write(tmp_path, "cartpole", rows)
    timed = [made_up.timed(who, scores.ONE, 32, 1.0) for who in ("attention", "s4d")]
    _, table, *_ = claims.comparisons(catalog.read(tmp_path))
    assert isinstance(table, document.Table)
    (line,) = table.rows
    assert line[1:4] == ["mixed", "s4d", document.Badge("ahead", document.GOOD)]
    assert line[4:6] == ["100.0 [100.0, 100.0]", "50.0 [50.0, 50.0]"]
    content = claims.times({"train": timed})
    assert (
        next(block for block in content if isinstance(block, document.Table)).rows[0][0]
        == "s4d, one token"
    )
    assert document.Paragraph("Not yet run.") in content


def test_without_lines(tmp_path):
    assert document.Paragraph("No experiment has rows of both mixers yet.") in claims.comparisons(
        catalog.read(tmp_path)
    )
