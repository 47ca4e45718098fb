"""The command that trains: its options, and those of a run that is resumed."""

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
    with run_directory.opened(tmp_path, described, resume=False):
        pass
    again = train.parse(["--folder", str(tmp_path), "--resume", "--model.width", "32"])
    assert again.dataset == "tiny"
    assert again.resolved().model.width == 32
    assert again.resolved().model.mixer.name == "lru"
    assert (again.resolved().batch_size, again.seeds) == (4, 2)
    assert (
        train.parse(["--folder", str(tmp_path / "new"), "--resume"]).resolved()
        == decision_transformer.Settings()
    )
