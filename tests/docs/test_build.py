"""The notebook: its page is what the notebook gives, its cells run, its film is there."""

import importlib.util
import json

import pytest

from tests.docs import pages

FOLDER = pages.DOCS / "notebooks"
NOTEBOOK = json.loads((FOLDER / "own_data.ipynb").read_text())
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def load():
    spec = importlib.util.spec_from_file_location("build", FOLDER / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_notebook_gives():
    wanted = load().page(NOTEBOOK)
    assert (FOLDER / "own_data.md").read_text() == wanted, "run `python docs/notebooks/build.py`"


def test_every_cell_was_run_and_none_failed():
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    kinds = {output["output_type"] for cell in CELLS for output in cell["outputs"]}
    assert kinds == {"stream"}


def test_the_film_has_frames():
    image = pytest.importorskip("PIL.Image")
    with image.open(FOLDER / load().FILM) as film:
        assert film.n_frames > 20


def test_output_follows_its_cell():
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Text."]},
        {"cell_type": "code", "source": ["print(1)"], "outputs": [{"text": ["1\n"]}]},
        {"cell_type": "code", "source": ["x = 2"], "outputs": []},
    ]
    assert load().page({"cells": cells}) == (
        "# Title\nText.\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\nx = 2\n```\n"
    )


@pytest.mark.slow
def test_the_cells_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for cell in CELLS:
        source = "".join(cell["source"])
        # Few updates and episodes; the committed output is that of the whole training.
        for full, few in (("num_updates=600", "num_updates=20"), ("range(300)", "range(30)")):
            source = source.replace(full, few)
        exec(compile(source, "own_data.ipynb", "exec"), names)
    assert (tmp_path / load().FILM).exists()
    assert len(names["filmed"].record.episode_returns) == 3
