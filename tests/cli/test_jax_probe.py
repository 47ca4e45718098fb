"""The probe says stage by stage what it finds."""

import json

import jax
import pytest

from jax_s4rl.cli import _jax_probe


def lines(capsys):
    _jax_probe.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_all_stages_and_facts_are_said(capsys):
    said = lines(capsys)
    assert [line["stage"] for line in said if "stage" in line] == [
        _jax_probe.IMPORTING,
        _jax_probe.STARTING,
        _jax_probe.TESTING,
    ]
    facts = {name: value for line in said for name, value in line.get("facts", {}).items()}
    assert facts["platform"] == "cpu"
    assert facts["pmap_devices"] == facts["devices"] == ["cpu:0", "cpu:1"]
    assert facts["float64"] is False
    assert facts["summary"] == "passed"
    assert [part["name"] for part in facts["self_test"]] == [
        "versions",
        "float32 sum",
        "float64 sum",
    ]


@pytest.mark.parametrize("error", [RuntimeError("no\ndevice"), KeyboardInterrupt()])
def test_an_exception_is_a_line(capsys, monkeypatch, error):
    def broken():
        raise error

    monkeypatch.setattr(jax, "devices", broken)
    said = lines(capsys)
    assert said[-1]["error"].startswith(type(error).__name__)
    assert {"stage": _jax_probe.STARTING} in said
