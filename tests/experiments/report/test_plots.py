"""Pictures show every run, and are the same for the same rows."""

import dataclasses
import re
import xml.etree.ElementTree

import pytest
from matplotlib import figure

from experiments.report import catalog, document, plots
from tests.experiments.report import made_up

ABOUT = catalog.Experiment(
    name="some",
    title="Some",
    metrics=(catalog.Metric("return", "return"),),
    axis=("length", "length"),
    closed_form="form",
    sweeps=True,
)


@pytest.fixture(name="study")
def make_study(tmp_path):
    rows = made_up.bounds("some", "some/a", "return", 0.0, 100.0)
    for data in ("some/a", "some/b", "some/c"):
        for method in ("attention", "s4d"):
            for row in made_up.runs("some", data, method, made_up.spread(50), "return"):
                achieved = {"achieved_greedy": [1.0, 2.0], "achieved_sampled": [0.5, None]}
                more = {"length": 3.0, "form": 0.5, "asked": [1.0, 2.0], "supported": [True, False]}
                row["metrics"] |= more | achieved
                rows.append(row)
    made_up.write(tmp_path, "some", rows)
    return ABOUT.read(tmp_path)


def drawn(study):
    return [each for each in plots.of_experiment(study) if isinstance(each, document.Picture)]


def test_all_marks_of_a_picture_are_explained_under_it(study):
    found = plots.of_experiment(study)
    assert [type(each) for each in found] == [document.Picture, document.Note] * 3
    about_runs, about_axis, about_sweep = (
        each.text for each in found if isinstance(each, document.Note)
    )
    assert "filled with greedy actions, hollow with sampled actions" in about_runs
    assert "perfect knowledge" in about_axis
    assert "hollow if the data do not support" in about_sweep


def test_three_pictures_that_repeat_and_share_no_id(study):
    found = drawn(study)
    assert [picture.name for picture in found] == ["some-runs", "some-axis", "some-sweep"]
    ids = set()
    for picture in found:
        svg = picture.draw()
        assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
        assert svg == picture.draw()
        own = set(re.findall(r' id="([^"]+)"', svg))
        assert own
        assert not own & ids
        ids |= own


def test_every_run_is_drawn(study):
    svg = drawn(study)[0].draw()
    # Three panels, two methods, two ways of choosing actions, five runs; and two in the legend.
    dots = re.findall(
        r"<use [^>]*style=\"fill: #(?:1f6fb4|d1580a|ffffff); (?:fill-opacity: 0.6; )?"
        r"stroke: #(?:1f6fb4|d1580a)",
        svg,
    )
    assert len(dots) == 3 * 2 * 2 * 5
    assert "random" in svg
    assert "optimal" in svg


def test_every_seed_of_every_recording_is_drawn(tmp_path):
    rows = []
    for data_seed in (0, 3):
        rows += made_up.runs(
            "some", "some/a", "s4d", [1.0, 2.0, 4.0], "return", data_seed=data_seed
        )
    made_up.write(tmp_path, "some", rows)
    study = ABOUT.read(tmp_path)
    canvas = figure.Figure(layout="constrained")
    plots.runs(canvas, study)
    dots = [line for line in canvas.axes[0].lines if line.get_marker() in plots.MARKERS.values()]
    assert [len(line.get_xdata()) for line in dots] == [6, 6]


def test_the_closed_form_is_of_sampled_actions(study):
    canvas = figure.Figure(layout="constrained")
    plots.against_axis(canvas, study)
    labels = {axes.get_title(): axes.get_legend_handles_labels()[1] for axes in canvas.axes}
    assert {kind: "closed form" in found for kind, found in labels.items()} == {
        "greedy": False,
        "sampled": True,
    }


def test_lines_that_lack_the_closed_form_do_not_hide_it(study):
    for row in study.rows.scored[-5:]:
        del row["metrics"]["form"]
    canvas = figure.Figure(layout="constrained")
    plots.against_axis(canvas, study)
    labels = [axes.get_legend_handles_labels()[1] for axes in canvas.axes]
    assert ["closed form" in found for found in labels] == [False, True]


def test_names_in_a_picture_tell_contexts_apart(tmp_path):
    rows = [
        row
        for context in (20, 50)
        for row in made_up.runs("some", "a", "s4d", [1.0], "return", context=context)
    ]
    made_up.write(tmp_path, "some", rows)
    study = ABOUT.read(tmp_path)
    canvas = figure.Figure(layout="constrained")
    plots.runs(canvas, study)
    assert [label.get_text() for label in canvas.axes[0].get_yticklabels()] == [
        "s4d, context 20",
        "s4d, context 50",
    ]


def test_variants_of_a_sweep_have_dashes_and_single_changes_are_left_out(tmp_path):
    about = dataclasses.replace(ABOUT, ablations=("dropout*",))
    rows = []
    for variant in ("", "time embedding", "dropout 0.1"):
        more = {"asked": [1.0], "supported": [True], "achieved_greedy": [1.0]}
        rows += made_up.runs("some", "a", "attention", [1.0], "return", variant=variant, **more)
    made_up.write(tmp_path, "some", rows)
    study = about.read(tmp_path)
    canvas = figure.Figure(layout="constrained")
    plots.sweep(canvas, study)
    handles, names = canvas.axes[0].get_legend_handles_labels()
    assert names == ["attention", "attention, time embedding", "achieved as targeted"]
    assert len({handle.get_linestyle() for handle in handles}) == len(names)


def test_a_legend_is_no_wider_than_its_picture(study):
    for plot in (plots.runs, plots.against_axis, plots.sweep):
        canvas = figure.Figure(layout="constrained")
        plot(canvas, study)
        canvas.draw_without_rendering()
        (legend,) = canvas.legends
        assert legend.get_window_extent().width < canvas.bbox.width


def test_a_picture_knows_its_lines(study):
    before = drawn(study)[0].digest
    study.rows.scored[0]["metrics"]["return_greedy"] = 99.0
    assert drawn(study)[0].digest != before


@pytest.mark.slow
def test_no_two_variants_of_the_committed_curves_look_alike():
    for study in catalog.read().values():
        if study.axis is not None:
            variants = {
                group.variant for group in study.groups if not study.split(group.variant)[1]
            }
            assert len(variants) <= len(set(plots.DASHES)) == len(plots.DASHES)


def test_more_variants_than_plain_dashes_are_drawn(tmp_path):
    rows = [
        row
        for variant in "abcdef"
        for row in made_up.runs("some", "a", "s4d", [1.0], "return", variant=variant, length=3.0)
    ]
    made_up.write(tmp_path, "some", rows)
    found = dataclasses.replace(ABOUT, sweeps=False).read(tmp_path)
    axis = next(
        each
        for each in plots.of_experiment(found)
        if isinstance(each, document.Picture) and "axis" in each.name
    )
    dashes = set(re.findall(r"stroke-dasharray: [^;\"]+", axis.draw()))
    assert len(dashes) >= len(plots.DASHES) - 1
