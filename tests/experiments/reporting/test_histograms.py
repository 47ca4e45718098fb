"""Histograms of walks: a panel for each setting, exact lines beside the models."""

import xml.etree.ElementTree

from experiments.reporting import blocks, catalog, histograms
from tests.experiments.reporting import made_up

DATA = "random_walk/nosuffix-1000"
SHOWN = {"histogram_sampled": [0.5, 0.25, 0.25]}


def read(folder, rows):
    made_up.write(folder, "random_walk", rows)
    about = catalog.RANDOM_WALK
    return histograms.blocks_of(about, about.read(folder))


def test_there_is_none_before_walks_were_judged(tmp_path):
    assert read(tmp_path, []) == []
    assert read(tmp_path, made_up.runs("random_walk", DATA, "bc", [0.5], "optimal_share", **SHOWN)) == []


def test_every_setting_is_a_panel_and_no_other_data_are_beside_it(tmp_path):
    rows = [made_up.row("random_walk", DATA, "lookup", histogram=[0.125, 0.375, 0.5])]
    rows += [made_up.row("random_walk", "random_walk/random-1000", "random", histogram=[1.0, 0.0, 0.0])]
    for variant in ("", "one step"):
        for method in ("attention", "s4d"):
            rows += made_up.runs(
                "random_walk", DATA, method, [0.5, 0.5], "optimal_share", variant=variant, cell=variant, **SHOWN
            )
    heading, picture, _ = read(tmp_path, rows)
    assert isinstance(heading, blocks.Heading)
    assert isinstance(picture, blocks.Picture)
    svg = picture.draw()
    assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
    for text in ("nosuffix-1000, all graphs, one step", "attention", "s4d", "lookup", "never"):
        assert f">{text}<" in svg
    assert ">random<" not in svg
    assert svg == picture.draw()
