"""The file that describes a run: what it keeps when a run is resumed or made longer."""

import dataclasses
import json

import numpy as np
import pytest

from jax_s4rl.agents import _about
from jax_s4rl.data import untrusted
from jax_s4rl.training import checkpoints
from tests.agents import runs


def longer(num_updates):
    return runs.describe(settings=dataclasses.replace(runs.SETTINGS, num_updates=num_updates))


def test_the_length_planned_first_is_kept(tmp_path):
    assert _about.write(tmp_path, longer(20), resume=False, options={"episodes": 2}) == (20, None)
    assert _about.write(tmp_path, longer(30), resume=True, options=None) == (20, 20)
    assert _about.write(tmp_path, longer(40), resume=True, options=None) == (20, 30)
    saved = _about.read(tmp_path)
    assert saved["configuration"]["settings"]["num_updates"] == 40
    assert saved[_about.OPTIONS] == {"episodes": 2}
    assert [one["num_updates"] for one in saved["resumed"]] == [30, 40]


def test_a_run_cannot_become_shorter(tmp_path):
    _about.write(tmp_path, longer(20), resume=False, options=None)
    before = (tmp_path / _about.NAME).read_text()
    with pytest.raises(ValueError, match="num_updates is 20 there, 10 was given"):
        _about.write(tmp_path, longer(10), resume=True, options=None)
    assert (tmp_path / _about.NAME).read_text() == before


def test_files_of_earlier_versions_hold_no_options_and_no_plan(tmp_path):
    _about.write(tmp_path, longer(20), resume=False, options=None)
    path = tmp_path / _about.NAME
    old = {
        k: v
        for k, v in json.loads(path.read_text()).items()
        if k not in ("options", _about.PLANNED, _about.DIGEST)
    }
    path.write_text(json.dumps(old))
    assert _about.write(tmp_path, longer(20), resume=True, options=None) == (20, 20)
    assert _about.read(tmp_path)[_about.OPTIONS] == {}


def test_another_number_of_updates_is_all_that_changes():
    assert _about.with_updates(longer(20), 30) == longer(30)


def change(path, *, digest, **fields):
    """Edits fields of the configuration, and keeps, makes again or removes the digest."""
    about = json.loads(path.read_text())
    for name, value in fields.items():
        about["configuration"][name] = value
    if digest == "made again":
        about[_about.DIGEST] = untrusted.digest(about, _about.DIGEST)
    elif digest == "removed":
        del about[_about.DIGEST]
    path.write_text(json.dumps(about))


@pytest.fixture
def trained(tmp_path):
    """A folder with a checkpoint."""
    description = longer(20)
    _about.write(tmp_path, description, resume=False, options=None)
    with checkpoints.Checkpoints(tmp_path / _about.CHECKPOINTS, description) as saved:
        saved.save(10, {"w": np.zeros(2)}, loss=1.0)
    return tmp_path


@pytest.mark.parametrize("digest", ["kept", "made again", "removed"])
def test_an_edited_configuration_is_named_field_by_field(trained, digest):
    _about.write(trained, longer(30), resume=True, options=None)
    model = json.loads((trained / _about.NAME).read_text())["configuration"]["model"]
    change(trained / _about.NAME, digest=digest, model=model | {"return_scale": 5}, seeds=[3])
    sentence = (
        r"run.json differs from the configuration in the checkpoints, which were trained with it: "
        r"seeds is \[3\] here and \[0\] there, model.return_scale is 5 here and 1.0 there; undo"
    )
    with pytest.raises(ValueError, match=sentence):
        _about.read(trained)
    with pytest.raises(ValueError, match=sentence):
        _about.write(trained, longer(30), resume=True, options=None)


def read_or_sentence(folder):
    try:
        return _about.read(folder)
    except ValueError as error:
        return str(error)


def test_every_flipped_bit_is_said(trained):
    path = trained / _about.NAME
    whole, about = path.read_bytes(), _about.read(trained)
    for place in range(0, len(whole), 41):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 7)
        path.write_bytes(changed)
        found = read_or_sentence(trained)
        # Space of another kind between two fields changes nothing.
        assert found == about or found.startswith(str(path)), place


@pytest.mark.parametrize(
    "content", ["5", "null", "{}", "[]", '{"configuration": 5}', "[" * 100_000, "\0"]
)
def test_other_content_is_one_sentence(tmp_path, content):
    (tmp_path / _about.NAME).write_text(content)
    with pytest.raises(ValueError, match=r"run.json is damaged"):
        _about.read(tmp_path)


def test_a_run_without_a_checkpoint_is_replaced_and_one_with_a_checkpoint_is_not(tmp_path):
    _about.write(tmp_path, longer(20), resume=False, options=None)
    (tmp_path / _about.CHECKPOINTS).mkdir()
    assert not _about.is_begun(tmp_path)
    assert _about.write(tmp_path, longer(10), resume=False, options=None) == (10, None)
    for name in (_about.RESULTS, "damaged", "checkpoints/10"):
        (tmp_path / name).mkdir()
        with pytest.raises(ValueError, match="already holds a run"):
            _about.write(tmp_path, longer(20), resume=False, options=None)
        (tmp_path / name).rmdir()
