"""The doctor names what is wrong with a remedy, and never ends with a traceback."""

import json
import sys

import pytest

from jax_s4rl import cache_folders
from jax_s4rl.cli import _installation, doctor

GOOD = {
    "jax": "0.10.1",
    "import_seconds": 1.0,
    "float64": False,
    "platform": "cpu",
    "devices": ["cpu:0", "cpu:1"],
    "pmap_devices": ["cpu:0", "cpu:1"],
    "self_test": [
        {"name": "float32 sum", "passed": True, "detail": "0 of 40,000 wrong", "seconds": 0.1}
    ],
    "summary": "passed",
    "problem": None,
    "warning": None,
}


@pytest.fixture(autouse=True)
def healthy(monkeypatch, tmp_path):
    """A machine on which nothing is wrong, whatever is installed where the tests run."""
    packages = [
        _installation.Package("jax", ">=0.9.2", None, "0.10.1", True),
        _installation.Package("minari", ">=0.5.3", "minari", None, None),
    ]
    monkeypatch.setattr(_installation, "packages", lambda: packages)
    monkeypatch.setattr(_installation, "version_of", {"jax": "0.10.1", "jaxlib": "0.10.1"}.get)
    monkeypatch.setattr(doctor, "probe", lambda: (dict(GOOD), None))
    monkeypatch.setattr(doctor, "LEAST_FREE_GIB", 0.0)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    for variable in (cache_folders.DATA_VARIABLE, cache_folders.COMPILED_VARIABLE):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    # The doctor shows all variables of JAX, and these are of the tests.
    monkeypatch.delenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
    monkeypatch.delenv("JAX_INCLUDE_FULL_TRACEBACKS_IN_LOCATIONS")
    return packages


def told(capsys, *arguments):
    status = doctor.main(list(arguments))
    return status, capsys.readouterr().out


def test_nothing_wrong_is_status_0_and_fits_80_columns(capsys):
    status, text = told(capsys)
    assert status == 0
    assert text.endswith("Nothing is wrong.\n")
    for part in (
        "python",
        "0.10.1",
        "cpu:0, cpu:1",
        "2 of them",
        "float64",
        "XLA_FLAGS",
        "passed in 0.10 s",
        "GiB free",
    ):
        assert part in text
    assert 'python -m pip install "jax-s4rl[minari]"' in " ".join(text.split())
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= doctor.WIDTH


def test_json_says_the_same(capsys):
    status, text = told(capsys, "--json")
    facts = json.loads(text)
    assert status == 0
    assert facts["problems"] == []
    assert facts["jax"]["platform"] == "cpu"
    assert {package["name"] for package in facts["packages"]} == {"jax", "minari"}


def problems(capsys):
    status, text = told(capsys, "--json")
    found = json.loads(text)["problems"]
    assert status == bool(found)
    assert all(each["problem"] and each["remedy"] for each in found)
    return found


def test_a_hazardous_version_is_named_once(capsys, monkeypatch, healthy):
    healthy[0] = healthy[0]._replace(version="0.10.2", fits=False)
    monkeypatch.setattr(_installation, "version_of", {"jax": "0.10.2", "jaxlib": "0.10.2"}.get)
    (found,) = problems(capsys)
    assert found["problem"].startswith("jax 0.10.2 computes wrong sums on CPU")
    assert "python -m pip install" in found["remedy"]


def test_missing_and_old_packages_are_named(capsys, healthy):
    healthy += [
        _installation.Package("optax", ">=0.2.5", None, None, None),
        _installation.Package("flax", ">=0.10.7", None, None, None),
        _installation.Package("tyro", ">=0.9.17", None, "0.1", False),
    ]
    old, missing = problems(capsys)
    assert old == {
        "problem": "tyro 0.1 is installed, but >=0.9.17 is required",
        "remedy": 'python -m pip install "tyro>=0.9.17"',
    }
    assert missing == {
        "problem": "not installed: optax, flax",
        "remedy": 'python -m pip install "optax>=0.2.5" "flax>=0.10.7"',
    }


def test_a_folder_that_cannot_be_written_or_is_full(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache_folders.DATA_VARIABLE, str(tmp_path / "file" / "data"))
    monkeypatch.setattr(doctor, "LEAST_FREE_GIB", 1e9)
    unwritable, full = problems(capsys)
    assert "cannot be written (Not a directory)" in unwritable["problem"]
    assert "set JAX_S4RL_DATA" in unwritable["remedy"]
    assert "free space" in full["remedy"]


def test_an_unused_gpu_is_named(capsys, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    (found,) = problems(capsys)
    assert "NVIDIA" in found["problem"]
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert problems(capsys) == []


def test_what_the_doctor_cannot_do_is_a_problem_too(capsys, monkeypatch):
    def broken():
        raise RuntimeError("no\nluck")

    monkeypatch.setattr(_installation, "packages", broken)
    (found,) = problems(capsys)
    assert found["problem"] == "the doctor could not examine packages (RuntimeError: no luck)"


SAY = "import json, os, sys, time; print(json.dumps({'stage': 'in the self-test'}), flush=True); "


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("os.kill(os.getpid(), 11)", "JAX ended with signal SIGSEGV in the self-test"),
        ("sys.exit('Unknown flag')", "JAX ended with status 1 in the self-test: Unknown flag"),
        ("time.sleep(60)", "JAX hung in the self-test and was ended after 1 s"),
        (
            "print('noise'); print(json.dumps({'error': 'OSError: x'}))",
            "JAX failed in the self-test: OSError: x",
        ),
        ("print(3)", None),
    ],
)
def test_a_crash_of_jax_is_a_sentence(monkeypatch, code, wanted):
    monkeypatch.undo()
    assert (
        doctor.probe([sys.executable, "-c", SAY + code], patience=1 if "sleep" in code else 60)[1]
        == wanted
    )


@pytest.mark.parametrize(
    ("variables", "facts", "remedy"),
    [
        ({"XLA_FLAGS": "--x"}, {"jax": "0.10.1"}, "unset XLA_FLAGS, or"),
        ({}, {"jax": "0.10.1"}, "check whether another process"),
        ({}, {}, "--force-reinstall"),
    ],
)
def test_the_remedy_follows_what_is_set(capsys, monkeypatch, variables, facts, remedy):
    for name in ("JAX_PLATFORMS", "XLA_FLAGS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(doctor, "probe", lambda: (facts, "JAX failed"))
    (found,) = problems(capsys)
    assert remedy in found["remedy"]


def test_a_folder_is_measured_without_the_one_inside_it(tmp_path):
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled" / "big").write_bytes(bytes(2**20))
    (tmp_path / "small").write_bytes(bytes(2**19))
    found = doctor.look_at(tmp_path, without=tmp_path / "compiled")
    assert (found["files"], found["mib"], found["error"]) == (1, 0.5, None)
    assert not doctor.look_at(tmp_path / "none")["exists"]
    assert not (tmp_path / "none").exists()


def test_a_real_look_ends_well(monkeypatch):
    monkeypatch.undo()
    facts = doctor.examine()
    assert facts["jax"]["summary"] == "passed"
    assert doctor.render(facts).startswith("jax_s4rl doctor")
