"""The command `jax-s4rl`: every subcommand starts, and a wrong one is named."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from jax_s4rl.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_it_lists_its_commands(capsys):
    assert main.main([]) == main.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in main.COMMANDS)
    assert all(f"  {code} " in shown for code in main.EXIT_CODES)


def test_every_command_has_a_file_and_every_file_that_runs_is_a_command():
    folder = Path(main.__file__).parent
    runnable = {
        path.stem.replace("_", "-")
        for path in folder.glob("[a-z]*.py")
        if "__main__" in path.read_text()
    }
    assert runnable - {"main"} == set(main.COMMANDS)


def test_a_wrong_command_is_named(capsys):
    assert main.main(["trian"]) == 2
    assert "got the command 'trian'; choose from train, evaluate" in capsys.readouterr().err


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_command_helps(command, capsys):
    with pytest.raises(SystemExit) as left:
        main.main([command, "--help"])
    assert left.value.code in (0, None)
    assert f"jax-s4rl {command}" in capsys.readouterr().out


def test_a_command_is_a_module_that_runs():
    run = [sys.executable, "-m", "jax_s4rl.cli.doctor", "--help"]
    ended = subprocess.run(run, capture_output=True, text=True, cwd=ROOT)
    assert "usage: jax-s4rl doctor" in ended.stdout, ended.stderr


def test_the_version_is_the_projects(capsys):
    main.main(["--version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out.strip() == project["version"]
    assert project["scripts"] == {"jax-s4rl": "jax_s4rl.cli.main:main"}
