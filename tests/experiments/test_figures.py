"""Pictures are SVG text, the same for the same lines, and share no id."""

import xml.etree.ElementTree

from experiments import demo_report, figures, methods
from tests.experiments import rows

MEMORY = [row for row in rows.demo() if row["metrics"]["kind"] == "memory"]


def test_a_picture_is_svg_and_repeats():
    picture = figures.draw(demo_report.asked_against_achieved, MEMORY)
    assert xml.etree.ElementTree.fromstring(picture).tag.endswith("svg")
    assert figures.draw(demo_report.asked_against_achieved, MEMORY) == picture
    assert "mlp" in picture


def test_two_pictures_of_a_page_share_no_id():
    times = [row for row in rows.demo() if row["metrics"]["kind"] == "time"]
    drawn = [
        figures.draw(demo_report.asked_against_achieved, MEMORY),
        figures.draw(demo_report.time_by_length, times),
    ]
    ids = [set(_ids(svg)) for svg in drawn]
    assert all(ids)
    assert not ids[0] & ids[1]


def _ids(svg):
    return [
        element.get("id")
        for element in xml.etree.ElementTree.fromstring(svg).iter()
        if element.get("id")
    ]


def test_a_method_has_its_own_color_and_any_other_name_has_one():
    assert figures.color("s4d") == methods.METHODS["s4d"].color
    assert figures.color("a mixer of one's own") in figures.OTHER_COLORS


def test_zero_has_no_sign():
    assert [figures.number(value) for value in (-0.04, 0.0, -1.26)] == ["0.0", "0.0", "-1.3"]
