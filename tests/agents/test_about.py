"""The file that describes a run: what it keeps when a run is resumed or made longer."""

import dataclasses
import json

import pytest

from jax_s4rl.agents import _about
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
        if k not in ("options", _about.PLANNED)
    }
    path.write_text(json.dumps(old))
    assert _about.write(tmp_path, longer(20), resume=True, options=None) == (20, 20)
    assert _about.read(tmp_path)[_about.OPTIONS] == {}


def test_another_number_of_updates_is_all_that_changes():
    assert _about.with_updates(longer(20), 30) == longer(30)
