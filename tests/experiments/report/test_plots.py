"""Pictures are the same for the same rows and hold the digest of these."""

import pytest

from experiments.report import comparisons, plots
from tests.experiments.report import made_up

TASK = made_up.task()
START = b"\x89PNG"


def axes_of(picture, monkeypatch):
    """Draws a picture and returns its panels."""
    drawn = []
    real = plots.canvas

    def canvas(fill, stamp):
        return real(lambda figure: (fill(figure), drawn.append(figure))[0], stamp)

    monkeypatch.setattr(plots, "canvas", canvas)
    assert picture.draw().startswith(START)
    return drawn[0].axes


def held(**values):
    return made_up.scored(TASK, **values)


def test_a_picture_is_stamped_with_its_rows_and_always_the_same():
    first, second = (plots.of_task(held(attention=20.0, s4d=30.0)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.draw() == second.draw()
    assert first.digest.encode() in first.draw()
    other = plots.of_task(held(attention=21.0, s4d=30.0))
    assert other is not None
    assert other.digest != first.digest
    assert plots.of_task(TASK) is None


def test_every_run_of_every_method_has_a_dot(monkeypatch):
    panels = axes_of(plots.of_task(held(attention=20.0, s4d=30.0)), monkeypatch)
    assert [axes.get_title(loc="left") for axes in panels] == ["a", "b", "c"]
    dots = [line for line in panels[0].lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [5] * 4
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["attention", "S4D"]


def test_scores_are_drawn_against_a_number(monkeypatch):
    task = made_up.task(axis=("steps", "length"))
    rows = []
    for row in (*held(attention=20.0).rows.references, *held(attention=20.0).rows.scored):
        length = "abc".index(row["dataset"][-1]) + 1.0
        rows.append(row | {"metrics": row["metrics"] | {"length": length}})
    panels = axes_of(plots.of_task(task.holding(rows)), monkeypatch)
    titles = [axes.get_title() for axes in panels]
    assert titles == ["curve, greedy", "curve, sampled", "other, greedy", "other, sampled"]
    (line, *_) = panels[0].lines
    assert list(line.get_xdata()) == [1.0, 2.0]
    assert list(line.get_ydata()) == pytest.approx([40.0, 40.0])


def test_the_forest_has_a_line_for_each_task_and_marks_what_needs_no_memory(monkeypatch):
    task = held(attention=20.0, s4=30.0, mlp=30.0)
    measured = comparisons.Measured([task], [], comparisons.judge_all([task]), [], {})
    panels = axes_of(plots.forest(measured), monkeypatch)
    assert [axes.get_title(loc="left") for axes in panels] == ["greedy actions", "sampled actions"]
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ["Some *"]
    dots = [line for line in panels[1].lines if line.get_marker() == "o"]
    means = [line.get_xdata()[0] for line in dots if line.get_markerfacecolor() != "none"]
    settings = [list(line.get_xdata()) for line in dots if line.get_markerfacecolor() == "none"]
    assert means == pytest.approx([10.0] * 2)
    assert settings == [pytest.approx([10.0] * 2)] * 2


def test_differences_beyond_the_edge_are_triangles(monkeypatch):
    task = held(attention=20.0, s4=30.0, lstm=2.0)
    far = made_up.scored(TASK, attention=45.0, s4=2.0)
    measured = comparisons.Measured([task], [], comparisons.judge_all([far]), [], {})
    panels = axes_of(plots.forest(measured), monkeypatch)
    assert {line.get_marker() for line in panels[1].lines} >= {"<"}


def test_times_by_length(monkeypatch):
    rows = [
        made_up.timed("attention", "concatenated", 32, 64.0),
        made_up.timed("attention", "concatenated", 64, 128.0),
        made_up.timed("s4d", "concatenated", 32, 64.0),
        made_up.timed("s4d", "concatenated", 32, 2.0, batch=1, kind="acting"),
    ]
    update, action = axes_of(plots.speed(rows), monkeypatch)
    assert [list(line.get_ydata()) for line in update.lines] == [[1.0, 2.0], [1.0]]
    assert [list(line.get_ydata()) for line in action.lines] == [[2.0]]
