import csv

import pytest
from bsuite import sweep
from bsuite.logging import csv_logging
from bsuite.utils import wrappers

from jax_s4rl.envs import bsuite_adapter, bsuite_results, reference_policies


def random(env):
    return reference_policies.uniform(env, seed=0)


def read(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def test_the_file_is_the_one_that_bsuite_writes(tmp_path):
    settings = "umbrella_length/3"
    raw = bsuite_adapter.build(settings, seed=5)
    logged = csv_logging.wrap_environment(raw, settings, str(tmp_path / "theirs"))
    for _ in range(60):
        time_step = logged.reset()
        while not time_step.last():
            time_step = logged.step(int(time_step.observation[0, 0]))
    bsuite_results.record(
        settings, reference_policies.optimal, tmp_path / "ours", num_episodes=60, seed=5
    )
    name = "bsuite_id_-_umbrella_length-3.csv"
    ours, theirs = read(tmp_path / "ours" / name), read(tmp_path / "theirs" / name)
    assert [{k: float(v) for k, v in row.items()} for row in ours] == [
        {k: float(v) for k, v in row.items()} for row in theirs
    ]


def test_lines_are_written_when_bsuite_writes_them():
    assert all(
        bsuite_results.is_logged(n) == wrappers._logarithmic_logging(n) for n in range(1, 20_001)
    )


@pytest.mark.parametrize(
    ("policy_of", "expected"), [(random, 0.0), (reference_policies.optimal, 1.0)]
)
def test_bsuite_scores_the_whole_sweep(tmp_path, policy_of, expected):
    # Regret per episode is 1 +- 0.13 after 60 random episodes; the threshold of the score is 0.5.
    for bsuite_id in sweep.UMBRELLA_LENGTH:
        bsuite_results.record(bsuite_id, policy_of, tmp_path, num_episodes=60)
    assert bsuite_results.scores(tmp_path) == {"umbrella_length": expected}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy_of", "expected"), [(random, 0.0), (reference_policies.optimal, 1.0)]
)
def test_bsuite_scores_long_runs_of_the_sweep(tmp_path, policy_of, expected):
    for bsuite_id in (*sweep.UMBRELLA_LENGTH, *sweep.MEMORY_LEN):
        bsuite_results.record(bsuite_id, policy_of, tmp_path, num_episodes=500)
    assert bsuite_results.scores(tmp_path) == {"umbrella_length": expected, "memory_len": expected}


def test_the_last_episode_is_always_written(tmp_path):
    with bsuite_results.Writer(tmp_path, "memory_len/0") as writer:
        for _ in range(11):
            writer.add(2, 1.0, {"total_perfect": 1, "total_regret": 0.0})
    rows = read(writer.path)
    assert [int(row["episode"]) for row in rows] == [*range(1, 11), 11]
    assert rows[-1] == {
        "steps": "22",
        "episode": "11",
        "total_return": "11.0",
        "episode_len": "2",
        "episode_return": "1.0",
        "total_perfect": "1",
        "total_regret": "0.0",
    }


def test_bad_input_is_one_clear_sentence(tmp_path):
    with pytest.raises(ValueError, match="bsuite does not have"):
        bsuite_results.Writer(tmp_path, "umbrella/0")
    with pytest.raises(ValueError, match="no bsuite results"):
        bsuite_results.scores(tmp_path)
    bsuite_results.record("memory_len/0", reference_policies.optimal, tmp_path, num_episodes=1)
    with pytest.raises(ValueError, match="exists already"):
        bsuite_results.record("memory_len/0", reference_policies.optimal, tmp_path, num_episodes=1)
    bsuite_results.record(
        "memory_len/0", reference_policies.optimal, tmp_path, num_episodes=1, overwrite=True
    )


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no space left on device")

    bsuite_results.record("memory_len/0", reference_policies.optimal, tmp_path, num_episodes=2)
    [path] = tmp_path.iterdir()
    before = path.read_text()
    monkeypatch.setattr(csv.DictWriter, "writerows", refuse)
    with pytest.raises(OSError, match="no space"):
        bsuite_results.record(
            "memory_len/0", reference_policies.optimal, tmp_path, num_episodes=3, overwrite=True
        )
    assert [file.read_text() for file in tmp_path.iterdir()] == [before]
