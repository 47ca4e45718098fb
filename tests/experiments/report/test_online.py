"""Tasks that are learned online fit their scripts, and their rows become one for each column."""

from experiments import algorithm_distillation, future_ppo, recurrent_ppo
from experiments.report import bars, load, online, tables
from tests.experiments.report import made_up

CHAINS, CARDS, TRIALS, DISTILLED, *AHEAD = online.TASKS


def test_points_are_environments_of_the_scripts():
    names = {name for part in recurrent_ppo.PARTS.values() for name, _ in part()}
    for task in (CHAINS, CARDS, TRIALS):
        wanted = {data.partition(", trial")[0] for point in task.points for data in point.data} - {
            f"{online.CARDS}/{recurrent_ppo.LONG_DECKS}"
        }
        assert wanted <= names, task.name
        names -= wanted
    assert not names
    assert DISTILLED.points[-1].data == (algorithm_distillation.ENV,)
    assert online.NUM_TRIALS == algorithm_distillation.NUM_TRIALS
    families = (recurrent_ppo.CHAIN, recurrent_ppo.CARDS, recurrent_ppo.TRIALS)
    assert families == (online.CHAIN, online.CARDS, online.TRIALS)
    assert (online.DECKS, online.LENGTHS) == (recurrent_ppo.LONG_DECKS, recurrent_ppo.LENGTHS)


def test_a_task_holds_the_rows_of_its_own_environments():
    rows = made_up.online_runs("recurrent_ppo", "memory_chain/5")
    assert len(CHAINS.holding(rows).rows.scored) == 9
    assert not CARDS.holding(rows).rows.scored
    assert not TRIALS.holding(rows).rows.scored


def test_tests_with_more_decks_and_single_trials_have_columns():
    decks = {"score_greedy_at_16_decks": 0.25, "score_sampled_at_16_decks": 0.5}
    rows = made_up.online_runs("recurrent_ppo", "repeat_first/1", ("s5",), **decks)
    head, lines, _ = tables.of_task(CARDS.holding(rows))
    assert head[1:] == ["52 cards", "832 cards"]
    assert lines[0][2].replace("*", "") == "25.0 / 50.0"
    by_trial = {
        f"by_trial_{kind}": [0.125 * number for number in range(8)]
        for kind in ("greedy", "sampled")
    }
    rows = made_up.online_runs("recurrent_ppo", "meta_cartpole/8", ("s5", "lstm"), **by_trial)
    head, lines, _ = tables.of_task(TRIALS.holding(rows))
    assert head[1:] == ["trial 1", "trial 2", "trial 4", "trial 8", "trial 8 minus 1"]
    assert [cell.replace("*", "") for cell in lines[0][1:5]] == [
        "0.0 / 0.0",
        "12.5 / 12.5",
        "37.5 / 37.5",
        "87.5 / 87.5",
    ]


def test_points_of_agents_into_the_future_are_environments_of_the_script():
    names = {name for pairs in future_ppo.PARTS.values() for name, _ in pairs}
    assert {data for task in AHEAD for point in task.points for data in point.data} == names
    families = (future_ppo.UMBRELLA, future_ppo.CARTPOLE, future_ppo.DOOR)
    assert families == (online.UMBRELLA, online.CARTPOLE, online.DOOR)
    assert online.AHEAD_LENGTHS == future_ppo.LENGTHS


def test_methods_of_bars_are_those_of_the_scripts():
    assert {online.S5, online.LSTM, online.MEMORYLESS} == set(recurrent_ppo.METHODS)
    assert {online.AHEAD, online.S5, online.LSTM, online.MEMORYLESS} == set(future_ppo.METHODS)


def test_who_needs_fewer_episodes_is_told_and_never_is_a_number_of_them():
    wanted = {"s5, future": [1_000, 2_000], "s5": [3_000, None], "lstm": [None], "mlp": [4_000]}
    rows = []
    for method, values in wanted.items():
        (row, *_) = made_up.online_runs("future_ppo", "umbrella/20", (method,))
        rows += [
            load.with_metrics(row | {"seed": seed}, **{online.LEARNED: value})
            for seed, value in enumerate(values)
        ]
    umbrella = AHEAD[0].holding(rows)
    (table,) = tables.beside(umbrella)
    assert table.head == [*online.EPISODES, "20 steps"]
    assert dict(table.rows) == {
        "S5, future": "1,500 (1,000 to 2,000)",
        "S5": "3,000 to never",
        "LSTM": "never",
        "mlp": "4,000",
    }
    (sentence,) = bars.sentences(umbrella)
    assert sentence.endswith("**not measured** (not measured at 50 steps and 100 steps).")


def test_a_twin_tells_what_hiding_costs():
    ((hidden, shown),) = CHAINS.twins.values()
    rows = [
        *made_up.online_runs("recurrent_ppo", hidden, ("s5",), score_sampled=0.5),
        *made_up.online_runs("recurrent_ppo", shown, ("s5",), score_sampled=0.9),
        *made_up.online_runs("recurrent_ppo", shown, ("mlp",), score_sampled=1.0),
    ]
    (table,) = tables.beside(CHAINS.holding(rows))
    assert table.rows == [["S5", "40.0", "-10.0"]]
    by_trial = {f"by_trial_{kind}": [0.1] * 7 + [0.9] for kind in ("greedy", "sampled")}
    rows = [
        row
        for end in ("", "/shown")
        for row in made_up.online_runs("recurrent_ppo", f"meta_cartpole/8{end}", **by_trial)
    ]
    (table,) = tables.beside(TRIALS.holding(rows))
    assert table.rows[0] == ["S5", "0.0", "0.0"]


def test_times_of_rows_are_told_once_there_are_some():
    assert online.row_times([]) == []
    rows = [
        made_up.timed(method, None, length, milliseconds)
        for length in (1_024, 128)
        for method, milliseconds in (("s5", 20.0), ("lstm", 0.05 * length))
    ]
    old = [row | {"machine": "old"} for row in rows[:1]]
    head, sentence = online.row_times([*old, *rows])
    assert head.text == "Recurrent PPO: time of long rows"
    assert "0.32 (128 steps) and 2.56 (1,024 steps)" in sentence.text


def test_what_a_latent_variable_knows_has_a_table_of_its_own():
    known = dict.fromkeys(online.KNOWN.values(), 0.25)
    methods = (future_ppo.S5, future_ppo.FUTURE)
    plain, ahead = (
        made_up.online_runs("future_ppo", "umbrella/20", (method,), **more)
        for method, more in zip(methods, ({}, known), strict=True)
    )
    umbrella = AHEAD[0].holding([*plain, *ahead])
    head, lines, _ = tables.of_task(umbrella)
    assert head[1:] == ["20 steps"]
    assert len(lines) == 2
    (table,) = tables.beside(umbrella)
    assert [line[1:3] for line in table.rows] == [["S5, future", "0.25"]]
