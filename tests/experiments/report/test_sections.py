"""A section holds every group, every run, the tuning and the cost."""

import xml.etree.ElementTree

from experiments.report import catalog, document, load, sections
from tests.experiments.report import made_up, walks

ABOUT = catalog.Experiment(
    name="pendulum",
    title="Some",
    metrics=(
        catalog.Metric("return", "return"),
        catalog.Metric("key", "took the key", catalog.SHARE),
        catalog.Metric("nobody", "has this"),
    ),
)


def write(folder, rows):
    made_up.write(folder, "pendulum", rows)
    study = ABOUT.read(folder)
    return sections.write(study)


def rows():
    found = made_up.bounds("pendulum", "pendulum/a", "return", 22.0, 500.0)
    for method, value in (("attention", 100.0), ("s4d", 200.0)):
        found += made_up.runs(
            "pendulum",
            "pendulum/a",
            method,
            made_up.spread(value),
            "return",
            key_greedy=0.5,
            key_sampled=0.25,
        )
        for rate, factor in (("0.1", 1.0), ("0.2", 2.0)):
            variant = f"tuning: learning rate {rate}"
            found += made_up.runs(
                "pendulum",
                "pendulum/a",
                method,
                [factor * value],
                "return",
                variant=variant,
                data_seed=1000,
            )
    return found


def of_type(content, kind):
    return [block for block in content if isinstance(block, kind)]


def test_before_it_is_run(tmp_path):
    content = write(tmp_path, [])
    assert document.Paragraph("**Not yet run**: there are no rows.") in content
    assert of_type(content, document.Command)[0].text.startswith("python -m experiments.pendulum")
    (deviations,) = of_type(content, document.Numbered)
    assert len(deviations.items) == 9
    assert deviations.items[0].startswith("The paper published neither code")


def test_results(tmp_path):
    table = of_type(write(tmp_path, rows()), document.Table)[0]
    assert table.head == [
        *(
            "method",
            "runs",
            "return, greedy",
            "return, sampled",
            "lead over attention, greedy",
            "P(better)",
        ),
        "took the key, %",
    ]
    assert table.rows[0] == ["random", "-", "22.0", "22.0", "-", "-", "-"]
    assert [line[0] for line in table.rows] == ["random", "optimal", "attention", "s4d"]
    assert table.rows[2] == [
        "attention",
        "5",
        "100.0 [100.0, 100.0]",
        "50.0 [50.0, 50.0]",
        "-",
        "-",
        "50.0 / 25.0",
    ]
    assert table.rows[3][4:6] == ["+100.0 [+100.0, +100.0]", "1.00 [1.00, 1.00]"]


def test_every_run_has_a_line(tmp_path):
    (fold,) = of_type(write(tmp_path, rows()), document.Fold)
    (table,) = fold.content
    assert isinstance(table, document.Table)
    assert len(table.rows) == 2 * 5
    assert not fold.everywhere


def test_tuning_and_its_cost(tmp_path):
    content = write(tmp_path, rows())
    table = of_type(content, document.Table)[1]
    assert table.head == ["tuning", "learning rate 0.1", "learning rate 0.2"]
    assert table.rows == [["attention", "100.0", "**200.0**"], ["s4d", "200.0", "**400.0**"]]
    notes = [note.text for note in of_type(content, document.Note)]
    assert "4 runs, 16.0 minutes" in notes[2]
    # Ten runs of three minutes, two compilations of one; and the tuning.
    assert "10 runs reported, 48.0 minutes in all" in notes[3]
    assert "a machine; commit 0123456789ab; JAX 0.10.2" in notes[3]


def test_what_was_tried_beyond_the_grid_has_a_column_and_chose_nothing(tmp_path):
    variant = f"tuning: learning rate 0.2, {load.SAME_RATE}"
    more = made_up.runs(
        "pendulum", "pendulum/a", "s4d", [900.0], "return", variant=variant, data_seed=1000
    )
    content = write(tmp_path, [*rows(), *more])
    table = of_type(content, document.Table)[1]
    assert table.head == [
        "tuning",
        "learning rate 0.1",
        "learning rate 0.2",
        f"the best, {load.SAME_RATE}",
    ]
    assert table.rows == [
        ["attention", "100.0", "**200.0**", "-"],
        ["s4d", "200.0", "**400.0**", "900.0"],
    ]
    note = of_type(content, document.Note)[2].text
    assert "4 runs, 16.0 minutes" in note
    assert "chose nothing" in note


def test_tuning_on_two_data_sets_is_told_apart(tmp_path):
    more = [row | {"dataset": "pendulum/b"} for row in rows() if row["metrics"].get("data_seed")]
    table = of_type(write(tmp_path, rows() + more), document.Table)[1]
    assert table.head[:2] == ["tuning", "dataset"]
    assert [line[:2] for line in table.rows] == [
        [method, dataset]
        for dataset in ("pendulum/a", "pendulum/b")
        for method in ("attention", "s4d")
    ]


def test_an_unfinished_grid_has_no_best(tmp_path):
    without = [
        row
        for row in rows()
        if not (row["method"] == "s4d" and row["metrics"].get("variant", "").endswith("0.2"))
    ]
    assert of_type(write(tmp_path, without), document.Table)[1].rows[1] == ["s4d", "200.0", "-"]


def test_lines_of_earlier_settings_are_told(tmp_path):
    old = made_up.runs("pendulum", "pendulum/a", "s4d", [1.0], "return", cell="old")
    notes = of_type(write(tmp_path, [*old, *rows()]), document.Note)
    assert "1 rows of earlier settings" in notes[-1].text


def test_every_experiment_has_its_texts():
    for about in catalog.ALL:
        assert document.text(about.name, "question")
        told = next(
            block
            for block in sections.write(about.holding([]))
            if isinstance(block, document.Numbered)
        )
        assert all(item and "{" not in item for item in told.items)


def test_every_experiment_with_q_learning_says_so():
    for about in map(catalog.Experiment.read, catalog.ALL):
        updates = {row["updates"] for row in about.rows.scored if row["method"] == "cql"}
        if updates:
            (count,) = updates
            told = " ".join(sections.deviations(about))
            assert "Q-learning (`cql`) has no history" in told, about.name
            assert f"{count:,} updates" in told, about.name


TIMES = catalog.SPEED_PER_TASK


def read_times(folder, rows):
    made_up.write(folder, TIMES.name, rows)
    return sections.times_longer(TIMES.read(folder))


def time(method, task, milliseconds, turns=()):
    told = {"act_1_median": milliseconds / 1e3, "update_median": milliseconds / 2e3, "compile": 1.0}
    return made_up.row(
        TIMES.name,
        task,
        method,
        seconds=told,
        task=task,
        update_turns=list(turns),
        cell=method + task,
    )


def test_no_ratios_before_anything_was_run(tmp_path):
    assert read_times(tmp_path, []) == []


def test_ratios(tmp_path):
    rows = [time("attention", "a", 8.0, [4.0, 4.4, 4.2]), time("s4", "a", 2.0, [1.0, 1.1, 1.05])]
    _, table, _ = read_times(
        tmp_path, [*rows, time("attention", "b", 3.0), time("s4", "b", 6.0), time("s5", "c", 1.0)]
    )
    assert isinstance(table, document.Table)
    assert table.rows == [
        ["a", "s4", "4.00 [4.00, 4.00]", "4.00", "-"],
        ["b", "s4", "0.50", "0.50", "-"],
    ]


def test_a_line_for_each_length_and_a_column_for_each_method():
    rows = [
        made_up.row(
            "umbrella", "a", "random", length=3, first_action_greedy=0.5, first_action_sampled=0.5
        )
    ]
    for length in (3, 1):
        rows += made_up.runs(
            "umbrella", f"u/{length}", "s4d", [0.5, 0.7], "first_action", length=length
        )
    rows += made_up.runs("umbrella", "u/1", "s4d", [0.1], "first_action", length=1, variant="other")
    (fold,) = sections.by_length(catalog.UMBRELLA.holding(rows))
    assert isinstance(fold, document.Fold)
    table, note = fold.content
    assert isinstance(table, document.Table)
    assert table.head == ["length of the chain", "random", "s4d"]
    assert table.rows == [["1", "-", "60.0 / 30.0"], ["3", "50.0 / 50.0", "60.0 / 30.0"]]
    assert isinstance(note, document.Note)
    assert "greedy / sampled" in note.text


def test_nothing_before_anything_is_run():
    assert sections.by_length(catalog.UMBRELLA) == []


RULES = catalog.CHECKPOINTS


def read_rules(folder, rows):
    made_up.write(folder, RULES.name, rows)
    return sections.checkpoint_rules(RULES.read(folder))


def checkpoint(method, seed, last, others):
    chosen = {"return": last} | dict(zip(catalog.CHECKPOINT_RULES.values(), others, strict=True))
    told = {}
    for kind in ("greedy", "sampled"):
        told |= {f"{name}_{kind}": value for name, value in chosen.items()}
        told |= {
            f"{name}_step_{kind}": 20 if value == last else 10 for name, value in chosen.items()
        }
    return made_up.row(RULES.name, "d", method, seed, **told)


def test_no_gains_before_anything_was_run(tmp_path):
    assert read_rules(tmp_path, []) == []


def test_gains(tmp_path):
    rows = [
        checkpoint("s4d", seed, 10.0 * seed, (10.0 * seed, 10.0 * seed - 1, 10.0 * seed + 2))
        for seed in range(4)
    ]
    _, table, _ = read_rules(tmp_path, rows)
    assert isinstance(table, document.Table)
    assert [row[1:] for row in table.rows if row[2] == "greedy"] == [
        ["lowest loss", "greedy", "4", "0", "+0.00 [+0.00, +0.00]"],
        ["tried out", "greedy", "4", "4", "-1.00 [-1.00, -1.00]"],
        ["maximum (no score)", "greedy", "4", "4", "+2.00 [+2.00, +2.00]"],
    ]


DATA = "key_to_door/dt/random-1000"


def runs(method, data_seed, values, variant="balanced batches"):
    known = {"successes_in_data": 28 + data_seed, "key_cells_in_data": 15}
    return made_up.runs(
        "key_to_door",
        DATA,
        method,
        [2 * value for value in values],
        "success",
        variant=variant,
        data_seed=data_seed,
        **known,
    )


def test_one_recording_needs_no_table():
    assert sections.by_recording(catalog.KEY_TO_DOOR.holding(runs("s4d", 0, [0.5, 0.7]))) == []


def test_means_stand_by_recording():
    rows = [
        *runs("s4d", 3, [0.5, 0.7]),
        *runs("s4d", 0, [0.8]),
        *runs("cql", 3, [0.1], "conservatism 1"),
    ]
    rows += [
        *runs("cql", 4, [0.2], "conservatism 1"),
        *runs("s5", 0, [0.3], "critic"),
        *runs("s5", 3, [0.3], "critic"),
    ]
    _, table, _ = sections.by_recording(catalog.KEY_TO_DOOR.holding(rows))
    assert isinstance(table, document.Table)
    assert table.head == [
        *("method", "variant", "seed 0: 28 successes, 15 cells", "seed 3: 31 successes, 15 cells"),
        "seed 4: 32 successes, 15 cells",
    ]
    assert table.rows == [
        ["s4d", "balanced batches", "80.0", "60.0", "-"],
        ["cql", "conservatism 1", "-", "10.0", "20.0"],
    ]


def read_umbrella(folder, rows):
    made_up.write(folder, "umbrella", rows)
    return sections.solved(catalog.UMBRELLA.read(folder))


def solved(length, method, seed, greedy, sampled=0.0):
    solved_by = {"solved_greedy": greedy, "solved_sampled": sampled}
    return made_up.row("umbrella", f"umbrella_length/{length}/random", method, seed, **solved_by)


def test_no_lengths_before_anything_was_run(tmp_path):
    assert read_umbrella(tmp_path, []) == []


def test_counts(tmp_path):
    rows = [solved(length, "optimal", None, 1.0, 1.0) for length in range(3)]
    rows += [
        solved(length, "s4d", seed, float(length < 2)) for length in range(3) for seed in range(4)
    ]
    rows.append(solved(0, "s4d", 9, 1.0))
    _, table, _ = read_umbrella(tmp_path, rows)
    assert isinstance(table, document.Table)
    assert table.rows == [
        ["optimal", "-", "3", "3", "3"],
        ["s4d", "-", "3", "2.00 [2.00, 2.00]", "0.00 [0.00, 0.00]"],
    ]


def test_where_models_with_a_history_are_ahead_is_told(tmp_path):
    about = catalog.RANDOM_WALK

    def told():
        (last,) = sections.walks(about.read(tmp_path))[-1:]
        assert isinstance(last, document.Paragraph)
        return last.text

    walks.leads(tmp_path, walks.runs("s4", 0.0), walks.runs("s4d", 0.3, walks.TAKES))
    assert told().endswith("score nowhere.")
    data = "random_walk/random-100"
    rows = [made_up.row("random_walk", data, "lookup", optimal_share_sampled=0.2)]
    rows += made_up.runs(
        "random_walk",
        data,
        "s4",
        made_up.spread(0.8),
        "optimal_share",
        variant="relabelled returns",
    )
    made_up.write(tmp_path, "random_walk", rows)
    assert told().endswith(
        "score on random-100, all graphs, relabelled returns (s4); nowhere on `nosuffix` data."
    )
    table = sections.walks(about.read(tmp_path))[1]
    assert isinstance(table, document.Table)
    assert [row[1] for row in table.rows if row[1].startswith("random-100")] == [
        "random-100, all graphs, relabelled returns"
    ]


def test_its_table(tmp_path):
    about = catalog.RANDOM_WALK
    assert sections.walks(about.read(tmp_path)) == []
    walks.leads(tmp_path, walks.runs("attention", 0.3), walks.runs("s4", 0.2))
    _, table, *_ = sections.walks(about.read(tmp_path))
    assert isinstance(table, document.Table)
    assert [(line[0], line[3], line[4]) for line in table.rows] == [
        ("attention", "-", "10"),
        ("s4", "-", "10"),
    ]


WALKS = "random_walk/nosuffix-1000"
SHOWN = {"histogram_sampled": [0.5, 0.25, 0.25]}


def read_walks(folder, rows):
    made_up.write(folder, "random_walk", rows)
    about = catalog.RANDOM_WALK
    return sections.walks(about.read(folder))


def test_there_is_none_before_walks_were_judged(tmp_path):
    assert read_walks(tmp_path, []) == []
    assert (
        read_walks(
            tmp_path, made_up.runs("random_walk", WALKS, "bc", [0.5], "optimal_share", **SHOWN)
        )
        == []
    )


def test_every_setting_is_a_panel_and_no_other_data_are_beside_it(tmp_path):
    rows = [made_up.row("random_walk", WALKS, "lookup", histogram=[0.125, 0.375, 0.5])]
    rows += [
        made_up.row("random_walk", "random_walk/random-1000", "random", histogram=[1.0, 0.0, 0.0])
    ]
    for variant in ("", "one step"):
        for method in ("attention", "s4d"):
            rows += made_up.runs(
                "random_walk",
                WALKS,
                method,
                [0.5, 0.5],
                "optimal_share",
                variant=variant,
                cell=variant,
                **SHOWN,
            )
    heading, picture, _ = read_walks(tmp_path, rows)
    assert isinstance(heading, document.Heading)
    assert isinstance(picture, document.Picture)
    svg = picture.draw()
    assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
    for text in ("nosuffix-1000, all graphs, one step", "attention", "s4d", "lookup", "never"):
        assert f">{text}<" in svg
    assert ">random<" not in svg
    assert svg == picture.draw()
