"""Pictures are SVG text, the same for the same lines, and show every seed."""

import xml.etree.ElementTree

import pytest

from experiments import figures, runner
from tests.experiments import rows

PLOTS = [
    figures.learning_curves,
    figures.asked_against_achieved,
    figures.first_actions,
    figures.updates_per_second,
    figures.milliseconds_per_action,
]


@pytest.mark.fast_cases(1)
@pytest.mark.parametrize("plot", PLOTS)
def test_a_picture_is_svg_and_repeats(plot):
    lines = [line for line in rows.demo() if line["env"].startswith("umbrella")]
    picture = figures.draw(plot, lines)
    assert xml.etree.ElementTree.fromstring(picture).tag.endswith("svg")
    assert figures.draw(plot, lines) == picture
    assert "attention" in picture
    assert "s4d" in picture


def test_two_pictures_of_a_page_share_no_id():
    lines = rows.demo()[:4]
    ids = [set(_ids(figures.draw(plot, lines))) for plot in PLOTS[:2]]
    assert all(ids)
    assert not ids[0] & ids[1]


def _ids(svg):
    return [
        element.get("id")
        for element in xml.etree.ElementTree.fromstring(svg).iter()
        if element.get("id")
    ]


def test_every_mixer_has_a_color_of_its_own():
    assert len({figures.color(name) for name in runner.MIXERS}) == len(runner.MIXERS)


def test_zero_has_no_sign():
    assert [figures.number(value) for value in (-0.04, 0.0, -1.26)] == ["0.0", "0.0", "-1.3"]
