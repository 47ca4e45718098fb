"""Checkpoints: they come back whole, few are kept, and damage is noticed."""

import errno
import gc
import json
import pathlib
import shutil
import threading
import tracemalloc

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jax_s4rl.training import _state_files, checkpoints, config_io, optimizer

SETTINGS = {"optimization": optimizer.OptimizerConfig(), "mean": (0.5, 1.5)}


def make_state(number):
    return {
        "weights": np.full((4, 4), number, np.float32),
        "step": np.int32(number),
        "key": jax.random.key(number),
    }


def opened(folder, settings=SETTINGS, said=None):
    return checkpoints.Checkpoints(
        folder / "checkpoints", settings, report=(said if said is not None else []).append
    )


def fill(folder, steps=(10, 20, 30, 40, 50), best=20):
    with opened(folder) as saved:
        for step in steps:
            saved.save(step, make_state(step), loss=float(abs(step - best)))
    return folder / "checkpoints"


def test_a_state_comes_back_with_its_step_and_configuration(tmp_path):
    with opened(tmp_path) as saved:
        assert saved.restore(make_state(0)) is None
    fill(tmp_path)
    with opened(tmp_path) as saved:
        found = saved.restore(make_state(0))
    assert found is not None
    assert found.step == 50
    assert found.state["step"] == 50
    np.testing.assert_array_equal(found.state["weights"], make_state(50)["weights"])
    np.testing.assert_array_equal(
        jax.random.key_data(found.state["key"]), jax.random.key_data(jax.random.key(50))
    )
    assert found.configuration["mean"] == [0.5, 1.5]
    assert found.configuration["optimization"]["clip"] == 1.0


def test_the_last_three_and_the_best_are_kept_over_restarts(tmp_path):
    fill(tmp_path)
    with opened(tmp_path) as saved:
        assert saved.steps == [20, 30, 40, 50]
        saved.save(60, make_state(60), loss=100.0)
        saved.wait()
        assert saved.steps == [20, 40, 50, 60]


def test_a_step_is_saved_once_and_a_state_is_copied(tmp_path):
    state = make_state(1)
    with opened(tmp_path) as saved:
        saved.save(10, state, loss=1.0)
        state["weights"] += 1
        saved.save(10, state, loss=1.0)
    with opened(tmp_path) as saved:
        saved.save(10, state, loss=1.0)
        np.testing.assert_array_equal(
            saved.restore(state).state["weights"], make_state(1)["weights"]
        )


def test_numbers_that_are_not_finite_are_never_saved(tmp_path):
    folder = fill(tmp_path, steps=(10,))
    with (
        opened(tmp_path) as saved,
        pytest.raises(FloatingPointError, match=r"after 20 updates \['weights'\] and 0 more"),
    ):
        saved.save(20, make_state(1) | {"weights": np.full((4, 4), np.inf, np.float32)}, loss=1.0)
    assert checkpoints.load(folder, make_state(0)).step == 10


def test_a_run_loads_from_its_folder_alone(tmp_path):
    folder = fill(tmp_path)
    newest, best = (
        checkpoints.load(folder, {"weights": make_state(0)["weights"]}, best=best)
        for best in (False, True)
    )
    assert (newest.step, best.step) == (50, 20)
    assert best.state["weights"][0, 0] == 20
    with pytest.raises(FileNotFoundError, match="there is no checkpoint in"):
        checkpoints.load(tmp_path / "elsewhere", {})


def test_another_configuration_is_refused_by_name(tmp_path):
    fill(tmp_path)
    other = SETTINGS | {"optimization": optimizer.OptimizerConfig(clip=2.0)}
    with (
        opened(tmp_path, other) as saved,
        pytest.raises(ValueError, match=r"optimization.clip is 1.0 there, 2.0 was"),
    ):
        saved.restore(make_state(0))


ARRAYS, ABOUT = "state/arrays.npz", "state/about.json"


def truncate(path):
    (path / ARRAYS).write_bytes((path / ARRAYS).read_bytes()[:-8])


def flip_bits(path):
    content = bytearray((path / ARRAYS).read_bytes())
    content[len(content) // 2] ^= 1
    (path / ARRAYS).write_bytes(content)


def change_a_number(path):
    """Damage that the file format itself cannot see."""
    shutil.copy(path.parent / "10" / ARRAYS, path / ARRAYS)


def empty(path):
    shutil.rmtree(path)
    path.mkdir()


def change_text(**changes):
    """Another text, which is as good as the one that was written."""

    def change(path):
        file = path / ABOUT
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


DAMAGES = {
    "truncated": truncate,
    "bits": flip_bits,
    "other numbers": change_a_number,
    "no arrays": lambda path: (path / ARRAYS).unlink(),
    "no text": lambda path: (path / ABOUT).unlink(),
    "half a text": lambda path: (path / ABOUT).write_text('{"step"'),
    "no object": lambda path: (path / ABOUT).write_text("5"),
    "no loss": lambda path: (path / "metrics" / "metrics").write_text("{}"),
    "other loss": lambda path: (path / "metrics" / "metrics").write_text('{"loss": 0.25}'),
    "other step": change_text(step=10),
    "other configuration": change_text(configuration={"mean": [0.5, 1.25]}),
    "other keys": change_text(keys={}),
    "other seal": change_text(seal="0"),
    "seal under another name": lambda path: (path / ABOUT).write_text(
        (path / ABOUT).read_text().replace('"seal"', '"sea1"')
    ),
    "empty": empty,
}


@pytest.mark.fast_cases(3)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path, damage):
    folder = fill(tmp_path, steps=(10, 20))
    damage(folder / "20")
    said = []
    assert checkpoints.load(folder, make_state(0), report=said.append).step == 10
    assert f"the checkpoint {folder / '20'} is damaged" in said[0]
    said.clear()
    with opened(tmp_path, said=said) as saved:
        assert saved.restore(make_state(0)).step == 10
        saved.save(20, make_state(20), loss=0.0)
    assert len(said) == 1
    assert f"the checkpoint {folder / '20'} is damaged" in said[0]
    assert f"moved to {tmp_path / 'damaged' / '20-0'}, going on from the one before" in said[0]
    assert checkpoints.load(folder, make_state(0)).step == 20


def test_an_older_damaged_checkpoint_does_not_stand_in_the_way(tmp_path):
    folder = fill(tmp_path, steps=(10, 20))
    (folder / "10" / "metrics" / "metrics").write_text("")
    with opened(tmp_path) as saved:
        assert saved.restore(make_state(0)).step == 20
        assert saved.steps == [20]


def test_a_checkpoint_under_the_name_of_another_step_is_not_taken_for_it(tmp_path):
    folder = fill(tmp_path, steps=(10, 20))
    (folder / "20").rename(folder / "30")
    said = []
    assert checkpoints.load(folder, make_state(0), report=said.append).step == 10
    assert f"the checkpoint {folder / '30'} is damaged (its step" in said[0]


def test_a_half_written_checkpoint_is_removed_and_named(tmp_path):
    folder = fill(tmp_path, steps=(10,))
    shutil.copytree(folder / "10", folder / f"20{checkpoints.UNFINISHED}-7")
    said = []
    with opened(tmp_path, said=said) as saved:
        assert saved.restore(make_state(0)).step == 10
    assert said == ["the checkpoint of update 20 was not complete when the run ended; removed"]
    assert [path.name for path in folder.iterdir()] == ["10"]


def test_nothing_but_damage_is_an_error(tmp_path):
    folder = fill(tmp_path, steps=(10,))
    empty(folder / "10")
    with pytest.raises(
        ValueError, match=r"every checkpoint in .* is damaged; train again in another folder"
    ):
        checkpoints.load(folder, make_state(0), report=lambda said: None)
    with pytest.raises(
        ValueError, match=r"every checkpoint in .* is damaged; train again in another folder"
    ):
        opened(tmp_path)


def test_what_is_written_is_json_for_people(tmp_path):
    about = json.loads((fill(tmp_path, steps=(10,)) / "10" / ABOUT).read_text())
    assert about["step"] == 10
    assert about["arrays"]["['weights']"] == ["float32", 4, 4]
    assert about["keys"] == {"['key']": "threefry2x32"}


def test_a_flipped_bit_anywhere_changes_nothing_or_is_said(tmp_path):
    folder, random = fill(tmp_path, steps=(10, 20)), np.random.default_rng(0)
    files = [path for path in (folder / "20").rglob("*") if path.is_file() and path.stat().st_size]
    fell_back = 0
    for file in sorted(files):
        whole = file.read_bytes()
        for place in random.integers(len(whole), size=6):
            changed = bytearray(whole)
            changed[place] ^= 1 << random.integers(8)
            file.write_bytes(changed)
            said = []
            found = checkpoints.load(folder, make_state(0), report=said.append)
            assert found.step == (10 if said else 20), (file, place)
            np.testing.assert_array_equal(found.state["weights"], make_state(found.step)["weights"])
            assert found.configuration == config_io.to_json(SETTINGS)
            fell_back += bool(said)
        file.write_bytes(whole)
    assert fell_back >= 10


def test_a_damaged_loss_does_not_choose_the_best(tmp_path):
    folder, said = fill(tmp_path, steps=(10, 20, 30), best=10), []
    (folder / "30" / "metrics" / "metrics").write_text('{"loss": -1.0}')
    assert checkpoints.load(folder, {}, best=True, report=said.append).step == 10
    assert "it cannot be the best one" in said[0]


def as_version_0_2(path, *, has_seal):
    """Writes a checkpoint as versions 0.1 (without a seal) and 0.2 did."""
    about = json.loads((path / ABOUT).read_text())
    about = {k: v for k, v in about.items() if has_seal or k not in ("loss", "seal")}
    arrays = dict(np.load(path / ARRAYS))
    shutil.rmtree(path / "state")
    (path / "about").mkdir()
    (path / "about" / "metadata").write_text(json.dumps(about))
    with ocp.StandardCheckpointer() as writer:
        writer.save(path / "arrays", arrays)


@pytest.mark.parametrize("has_seal", [True, False])
def test_checkpoints_of_earlier_versions_are_read_and_followed_by_new_ones(tmp_path, has_seal):
    folder = fill(tmp_path, steps=(10, 20))
    for name in ("10", "20"):
        as_version_0_2(folder / name, has_seal=has_seal)
    found = checkpoints.load(folder, make_state(0), report=pytest.fail)
    np.testing.assert_array_equal(found.state["weights"], make_state(20)["weights"])
    with opened(tmp_path) as saved:
        assert saved.restore(make_state(0)).step == 20
        saved.save(30, make_state(30), loss=1.0)
    assert checkpoints.load(folder, make_state(0), report=pytest.fail).step == 30
    assert checkpoints.load(folder, {}, best=True, report=pytest.fail).step == 20


# If one array cannot be read, Orbax does not wait for the reads of the others, which fail later.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damage_of_an_earlier_version_is_noticed(tmp_path):
    folder, said = fill(tmp_path, steps=(10, 20)), []
    as_version_0_2(folder / "20", has_seal=True)
    for file in (folder / "20" / "arrays").rglob("d/*"):
        file.write_bytes(file.read_bytes()[:-8])
    assert checkpoints.load(folder, make_state(0), report=said.append).step == 10
    assert f"the checkpoint {folder / '20'} is damaged" in said[0]


def test_a_text_without_a_seal_is_damaged(tmp_path):
    folder, said = fill(tmp_path, steps=(10, 20)), []
    file = folder / "20" / ABOUT
    about = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in about.items() if k not in ("loss", "seal")}))
    assert checkpoints.load(folder, make_state(0), report=said.append).step == 10
    assert "is damaged (its step" in said[0]


def test_the_configuration_can_be_read_alone(tmp_path):
    assert checkpoints.configuration(tmp_path / "none") is None
    folder = fill(tmp_path, steps=(10, 20))
    (folder / "20" / ABOUT).write_text("")
    assert checkpoints.configuration(folder) == config_io.to_json(SETTINGS)


@pytest.mark.parametrize("name", ["0095", "1e3", "40", "\u0663"])
def test_what_is_no_checkpoint_is_moved_away(tmp_path, name):
    folder, said = fill(tmp_path, steps=(10, 20)), []
    if name == "40":
        (folder / name).write_text("a file")
    else:
        (folder / name).mkdir()
    assert checkpoints.load(folder, {}, report=pytest.fail).step == 20
    with opened(tmp_path, said=said) as saved:
        saved.save(40, make_state(40), loss=1.0)
    assert said == [f"{folder / name} is not a checkpoint; moved to {tmp_path}/damaged/{name}-0"]
    assert checkpoints.load(folder, {}).step == 40


def test_a_folder_that_is_removed_while_training_is_made_again(tmp_path):
    said = []
    with opened(tmp_path / "run", said=said) as saved:
        saved.save(10, make_state(10), loss=1.0)
        saved.wait()
        shutil.rmtree(tmp_path / "run" / "checkpoints")
        saved.save(20, make_state(20), loss=1.0)
        saved.wait()
        assert said == [
            f"{tmp_path}/run/checkpoints was removed while the run was going on; made again"
        ]
        assert checkpoints.load(tmp_path / "run" / "checkpoints", {}).step == 20
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(FileNotFoundError, match=r"run was removed while its run was going on"):
            saved.save(30, make_state(30), loss=1.0)


def test_a_machine_that_fails_is_no_damage(tmp_path, monkeypatch):
    folder = fill(tmp_path, steps=(10,))

    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(pathlib.Path, "read_bytes", fail)
    with pytest.raises(OSError, match="Too many open files"):
        opened(tmp_path)
    assert (folder / "10").is_dir()


def fail(error):
    def failing(*_, **__):
        raise error

    return failing


def save_whole(saved, step):
    saved.save(step, make_state(step), loss=1.0)
    saved.wait()


ON_A_FULL_DISK = OSError(errno.ENOSPC, "No space left on device", "20.tmp/arrays.npz")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ON_A_FULL_DISK, r"\[Errno 28\] No space left on device: '.*/checkpoints'"),
        (OSError("no number"), "could not be written \\(no number\\); check the disk"),
        (
            ValueError("INTERNAL: broken\nline 2"),
            r"could not be written \(INTERNAL: broken\); check the disk",
        ),
    ],
)
@pytest.mark.parametrize("place", ["manager", "background"])
def test_a_failed_write_is_one_sentence(tmp_path, monkeypatch, error, sentence, place):
    with opened(tmp_path) as saved:
        save_whole(saved, 10)
        if place == "manager":
            monkeypatch.setattr(saved._manager, "save", fail(error))
        else:
            monkeypatch.setattr(_state_files.Handler, "save", fail(error))
        with pytest.raises(OSError, match=sentence):
            save_whole(saved, 20)
    assert checkpoints.load(tmp_path / "checkpoints", {}).step == 10


def test_no_thread_stays_after_a_failed_write(tmp_path, monkeypatch):
    before = set(threading.enumerate())
    with opened(tmp_path) as saved, monkeypatch.context() as patched:
        saved.save(10, make_state(10), loss=1.0)
        patched.setattr(_state_files.Handler, "save", fail(ON_A_FULL_DISK))
        with pytest.raises(OSError, match="No space left"):
            save_whole(saved, 20)
    # A pool that Orbax has told to end needs a moment; one that it has not told never ends.
    stayed = set(threading.enumerate()) - before
    for thread in stayed:
        thread.join(timeout=30)
    assert not [thread for thread in stayed if thread.is_alive()]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_memory_does_not_grow_with_checkpoints(tmp_path):
    state = {str(number): np.full(4, 1.0, np.float32) for number in range(100)}
    with opened(tmp_path) as saved:

        def grow(steps):
            for step in steps:
                saved.save(step, state, loss=1.0)
            saved.wait()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        grow(range(1, 6))
        tracemalloc.start()
        try:
            first = grow(range(6, 11))
            # By TensorStore, 400 bytes of each array stayed with each checkpoint.
            assert grow(range(11, 31)) - first < 32 * 20 * len(state)
        finally:
            tracemalloc.stop()
