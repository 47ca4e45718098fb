"""Training over devices and processes: equal parameters; if a process dies, the others end.

The processes meet on this machine, each with two CPU devices.
"""

import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from jax_s4rl.agents import agent as agents
from jax_s4rl.training import metrics
from tests.training import ports

pytestmark = pytest.mark.slow

# Devices add up a batch in different orders; what float32 loses by that, over 20 updates.
TOLERANCE = 1e-6
# A dead process has to be noticed within this many seconds.
A_MINUTE = 60

# With dropout, which is the default: the noise of a row does not depend on the device or process
# that computes the row.
SMALL = (
    *(
        "--dataset",
        "umbrella_length/9/random",
        "--episodes",
        "1",
        "--batch-size",
        "8",
        "--updates-per-dispatch",
        "10",
    ),
    *("--model.width", "8", "--model.num-layers", "1", "--model.mlp-ratio", "1"),
    *("--model.context-length", "10"),
)
S4D = ("--mixer", "s4d", "--model.mixer.state-size", "4")


STARTED = []


@pytest.fixture(autouse=True)
def nobody_is_left_behind():
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()
        process.stdout.close()


def start(folder, *options, num_devices=2):
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(num_devices), "JAX_PLATFORMS": "cpu"}
    command = [
        sys.executable,
        "-m",
        "jax_s4rl.cli.train",
        "--folder",
        str(folder),
        *SMALL,
        *options,
    ]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    STARTED.append(process)
    return process


def start_pair(folder, *options):
    address = f"127.0.0.1:{ports.free()}"
    together = [
        "--cluster.coordinator",
        address,
        "--cluster.num-processes",
        "2",
        "--cluster.process-id",
    ]
    return [start(folder, *options, *together, str(number)) for number in range(2)]


def wait_for_lines(folder, count, processes):
    """Waits until so many dispatches have been written down."""
    while sum(1 for _ in metrics.read(folder)) < count:
        if any(process.poll() is not None for process in processes):
            pytest.fail(
                "\n".join(process.communicate(timeout=A_MINUTE)[0] for process in processes)
            )
        time.sleep(0.02)


def finish(*processes):
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    if any(process.returncode for process in processes):
        pytest.fail("\n".join(outputs))
    return outputs


def test_one_device_two_devices_and_two_processes_make_the_same_parameters(tmp_path):
    updates = [*S4D, "--num-updates", "20"]
    finish(start(tmp_path / "one", *updates, num_devices=1))
    finish(start(tmp_path / "two", *updates, num_devices=2))
    outputs = finish(*start_pair(tmp_path / "pair", *updates))
    assert "target return" in outputs[0]
    assert "target return" not in outputs[1]
    one, two, pair = (agents.load(tmp_path / name) for name in ("one", "two", "pair"))
    assert one.step == two.step == pair.step == 20
    for other in (two, pair):
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=TOLERANCE),
            one.params,
            other.params,
        )


@pytest.mark.parametrize("victim", [0, 1])
def test_if_a_process_is_killed_the_other_ends_and_the_run_resumes(tmp_path, victim):
    options = [*S4D, "--num-updates", "200", "--checkpoint-every", "20"]
    pair = start_pair(tmp_path, *options)
    wait_for_lines(tmp_path, 6, pair)
    pair[victim].send_signal(signal.SIGKILL)
    begin = time.monotonic()
    said = pair[1 - victim].communicate(timeout=A_MINUTE)[0]
    assert time.monotonic() - begin < A_MINUTE
    assert pair[1 - victim].returncode != 0
    assert "if one dies, the others end within" in said
    # Whether JAX or the broken connection is faster.
    sentences = ("died, so this process ends too", "another process of this run may have died")
    assert any(sentence in said for sentence in (*sentences, "another task died"))
    pair[victim].communicate()
    outputs = finish(*start_pair(tmp_path, *options, "--resume"))
    assert "going on after update" in outputs[0]
    assert [row["step"] for row in metrics.read(tmp_path)] == list(range(10, 201, 10))
    assert agents.load(tmp_path).step == 200


def test_a_signal_to_one_process_stops_all_with_success(tmp_path):
    pair = start_pair(tmp_path, *S4D, "--num-updates", "2000")
    wait_for_lines(tmp_path, 1, pair)
    pair[1].send_signal(signal.SIGTERM)
    outputs = finish(*pair)
    assert "stopped by a signal to another process after update" in outputs[0]
    assert 0 < agents.load(tmp_path).step < 2000
