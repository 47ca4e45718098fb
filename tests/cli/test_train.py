"""The command that trains: its options, and those of a run that is resumed."""

import dataclasses
import json
import shlex
import subprocess
import sys

import pytest

from jax_s4rl.agents import decision_transformer, run_directory
from jax_s4rl.cli import train
from tests.agents import runs


def test_the_command_line_of_a_resumed_run_takes_its_settings(tmp_path):
    given = [
        "--folder",
        str(tmp_path),
        "--mixer",
        "lru",
        "--batch-size",
        "4",
        "--model.width",
        "16",
        "--seeds",
        "2",
    ]
    options = train.parse(given)
    settings = options.resolved()
    assert (
        settings.model.mixer.name,
        settings.model.width,
        settings.batch_size,
        options.seeds,
    ) == ("lru", 16, 4, 2)
    described = run_directory.describe(runs.TASK, settings, runs.MODEL, (0, 1))
    with run_directory.open_for_training(tmp_path, described, resume=False):
        pass
    again = train.parse(["--folder", str(tmp_path), "--resume", "--model.width", "32"])
    assert again.data.data == "tiny"
    assert again.resolved().model.width == 32
    assert again.resolved().model.mixer.name == "lru"
    assert (again.resolved().batch_size, again.seeds) == (4, 2)


def test_a_resumed_run_remembers_every_option(tmp_path):
    given = "--data x.npz --env CartPole-v1 --max-episode-steps 9 --split breaks --hold-out 0.2 "
    given += "--checkpoint-every 7 --targets 5 6 --episodes 3 --num-updates 20"
    options = train.parse([*given.split(), "--folder", str(tmp_path)])
    described = run_directory.describe(runs.TASK, options.resolved(), runs.MODEL, (0,))
    with run_directory.open_for_training(
        tmp_path, described, resume=False, options=options.remembered()
    ):
        pass
    for flag in ("--resume", "--resume-or-start"):
        again = train.parse(["--folder", str(tmp_path), flag, "--num-updates", "30"])
        assert again.remembered() == options.remembered()
        assert again.resolved().num_updates == 30


@pytest.mark.parametrize(
    ("env", "kwargs"),
    [("evil:make", {}), ("evil:make", {"length": 30}), ("CartPole-v1", {"render_mode": "human"})],
)
def test_a_run_must_not_name_an_environment_that_runs_code(tmp_path, env, kwargs):
    words = ["--env", env, *(["--env-kwargs", json.dumps(kwargs)] if kwargs else [])]
    options = train.parse(["--data", "x.npz", *words, "--folder", str(tmp_path)])
    world = dataclasses.replace(runs.describe().world, env_id=env, env_kwargs=kwargs)
    described = dataclasses.replace(runs.describe(), world=world)
    with run_directory.open_for_training(
        tmp_path, described, resume=False, options=options.remembered()
    ) as run:
        command = shlex.split(run.resume_command)[2:]
    with pytest.raises(ValueError, match=f"names the environment '{env}' .* add --env {env}"):
        train.parse(["--folder", str(tmp_path), "--resume"])
    # The command that a stopped run prints does name it.
    assert train.parse(command).remembered() == options.remembered()


def test_an_empty_place_is_resumed_only_if_told_so(tmp_path):
    folder = str(tmp_path / "new")
    sentence = r"there is no run in .*new \(no run.json\); check the name, or start one without"
    with pytest.raises(FileNotFoundError, match=sentence):
        train.parse(["--folder", folder, "--resume"])
    started = train.parse(["--folder", folder, "--resume-or-start"])
    assert started.resolved() == decision_transformer.Settings()


def test_the_old_name_of_the_data_still_works():
    assert train.parse(["--dataset", "cartpole/random"]).data.data == "cartpole/random"


def test_help_lists_the_choices_and_needs_no_jax():
    code = (
        "import sys\n"
        "from jax_s4rl.cli import train\n"
        "try: train.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'flax', 'numpy', 'gymnasium', 'orbax', 'optax'} & set(sys.modules)\n"
        "sys.exit(f'imported as well: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "{windows,episodes,packed,openings}" in done.stdout
    assert "--model.norm {pre,post,none}" in done.stdout


@pytest.mark.parametrize(
    ("resume", "words"), [(False, "no training had begun"), (True, "as it was before")]
)
def test_after_a_signal_it_is_said_how_to_go_on(resume, words):
    assert words in train._way_on(train.Train(resume=resume))
