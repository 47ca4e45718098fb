"""A section holds every arm, every run, the tuning and the cost; before an experiment is run, how to run it."""

from experiments import ablations
from experiments.reporting import blocks, descriptions, sections, studies
from tests.experiments.reporting import made_up

ABOUT = descriptions.Description(
    name="some",
    title="Some",
    question="Does it?",
    metrics=(
        descriptions.Metric("return", "return"),
        descriptions.Metric("key", "took the key", descriptions.SHARE),
        descriptions.Metric("nobody", "has this"),
    ),
    deviations=("Smaller.",),
    more=lambda about, found: [blocks.Paragraph(f"{about.title}: {len(found.scored)}")],
)


def write(folder, rows):
    made_up.write(folder, "some", rows)
    (study,) = studies.read([ABOUT], folder)
    return sections.write(study)


def rows():
    found = made_up.bounds("some", "some/a", "return", 22.0, 500.0)
    for method, value in (("attention", 100.0), ("s4d", 200.0)):
        found += made_up.runs(
            "some", "some/a", method, made_up.spread(value), "return", key_greedy=0.5, key_sampled=0.25
        )
        for rate, factor in (("0.1", 1.0), ("0.2", 2.0)):
            variant = f"tuning: learning rate {rate}"
            found += made_up.runs("some", "some/a", method, [factor * value], "return", variant=variant, data_seed=1000)
    return found


def of_type(content, kind):
    return [block for block in content if isinstance(block, kind)]


def test_before_it_is_run(tmp_path):
    content = write(tmp_path, [])
    assert blocks.Paragraph("**Not yet run**: there is no result line.") in content
    assert of_type(content, blocks.Command)[0].text.startswith("python -m experiments.some")
    assert of_type(content, blocks.Numbered) == [blocks.Numbered(("Smaller.",))]


def test_results(tmp_path):
    table = of_type(write(tmp_path, rows()), blocks.Table)[0]
    assert table.head == [
        *("method", "runs", "return, greedy", "return, sampled", "lead over attention, greedy", "P(better)"),
        "took the key, %",
    ]
    assert table.rows[0] == ["random", "-", "22.0", "22.0", "-", "-", "-"]
    assert [line[0] for line in table.rows] == ["random", "optimal", "attention", "s4d"]
    assert table.rows[2] == ["attention", "5", "100.0 [100.0, 100.0]", "50.0 [50.0, 50.0]", "-", "-", "50.0 / 25.0"]
    assert table.rows[3][4:6] == ["+100.0 [+100.0, +100.0]", "1.00 [1.00, 1.00]"]


def test_every_run_has_a_line(tmp_path):
    (fold,) = of_type(write(tmp_path, rows()), blocks.Fold)
    (table,) = fold.content
    assert isinstance(table, blocks.Table)
    assert len(table.rows) == 2 * 5
    assert not fold.everywhere


def test_tuning_and_its_cost(tmp_path):
    content = write(tmp_path, rows())
    table = of_type(content, blocks.Table)[1]
    assert table.head == ["tuning", "learning rate 0.1", "learning rate 0.2"]
    assert table.rows == [["attention", "100.0", "**200.0**"], ["s4d", "200.0", "**400.0**"]]
    notes = [note.text for note in of_type(content, blocks.Note)]
    assert "4 runs, 16.0 minutes" in notes[2]
    # Ten runs of three minutes, two compilations of one; and the tuning.
    assert "10 runs reported, 48.0 minutes in all" in notes[3]
    assert "a machine; commit 0123456789ab; JAX 0.10.2" in notes[3]


def test_what_was_tried_beyond_the_grid_has_a_column_and_chose_nothing(tmp_path):
    variant = f"tuning: learning rate 0.2, {ablations.AS_FAST}"
    more = made_up.runs("some", "some/a", "s4d", [900.0], "return", variant=variant, data_seed=1000)
    content = write(tmp_path, [*rows(), *more])
    table = of_type(content, blocks.Table)[1]
    assert table.head == ["tuning", "learning rate 0.1", "learning rate 0.2", f"the best, {ablations.AS_FAST}"]
    assert table.rows == [["attention", "100.0", "**200.0**", "-"], ["s4d", "200.0", "**400.0**", "900.0"]]
    note = of_type(content, blocks.Note)[2].text
    assert "4 runs, 16.0 minutes" in note
    assert "chose nothing" in note


def test_tuning_on_two_data_sets_is_told_apart(tmp_path):
    more = [row | {"dataset": "some/b"} for row in rows() if row["metrics"].get("data_seed")]
    table = of_type(write(tmp_path, rows() + more), blocks.Table)[1]
    assert table.head[:2] == ["tuning", "dataset"]
    assert [line[:2] for line in table.rows] == [
        [method, dataset] for dataset in ("some/a", "some/b") for method in ("attention", "s4d")
    ]


def test_an_unfinished_grid_has_no_best(tmp_path):
    without = [
        row for row in rows() if not (row["method"] == "s4d" and row["metrics"].get("variant", "").endswith("0.2"))
    ]
    assert of_type(write(tmp_path, without), blocks.Table)[1].rows[1] == ["s4d", "200.0", "-"]


def test_lines_of_earlier_settings_are_told(tmp_path):
    old = made_up.runs("some", "some/a", "s4d", [1.0], "return", cell="old")
    notes = of_type(write(tmp_path, [*old, *rows()]), blocks.Note)
    assert "1 lines of earlier settings" in notes[-1].text


def test_what_an_experiment_adds(tmp_path):
    assert blocks.Paragraph("Some: 10") in write(tmp_path, rows())
