"""Several processes: settings and communication; training together is tested with the command."""

import re
import socket
import subprocess
import sys
import threading

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from jax_s4rl.training import distributed
from tests.training import ports


def test_a_process_alone_joins_nothing():
    with distributed.joined(distributed.Cluster(), report=pytest.fail):
        assert distributed.is_first()
        assert distributed.any_of(True)
        assert not distributed.any_of(False)
        assert distributed.from_first({"a": 1}, None) == {"a": 1}
        distributed.check_same("the data", "whatever")
        with distributed.one_before_the_others():
            pass


def test_processes_that_differ_are_named(monkeypatch):
    def gathered(digest, others):
        return np.stack([digest, digest, *others])

    monkeypatch.setattr(jax, "process_count", lambda: 3)
    gather = multihost_utils, "process_allgather"
    monkeypatch.setattr(*gather, lambda digest: gathered(digest, [digest]))
    distributed.check_same("the data", "of all")
    monkeypatch.setattr(*gather, lambda digest: gathered(digest, [digest[::-1]]))
    with pytest.raises(ValueError, match="the data of process 2 differs from that of process 0"):
        distributed.check_same("the data", "of the first two")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"coordinator": "localhost:1"}, "give the first three together, or detect alone"),
        (
            {"num_processes": 2, "process_id": 0},
            "got coordinator None, num_processes 2, process_id 0 and detect False",
        ),
        (
            {"detect": True, "coordinator": "localhost:1", "num_processes": 1, "process_id": 0},
            "or detect alone",
        ),
        (
            {"coordinator": "localhost:1", "num_processes": 2, "process_id": 2},
            "process_id is 2 of 2 processes",
        ),
        ({"coordinator": "localhost", "num_processes": 2, "process_id": 0}, "give its port too"),
    ],
)
def test_half_an_address_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        distributed.Cluster(**arguments)


TALK = """
import sys
import time
import jax
import numpy as np
from jax_s4rl.training import distributed

port, number, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
cluster = distributed.Cluster(coordinator=f"127.0.0.1:{port}", num_processes=2, process_id=number)
with distributed.joined(cluster):
    if mode == "error" and number == 0:
        raise ValueError("the first one fails")
    assert distributed.is_first() == (number == 0)
    assert distributed.any_of(number == 1)
    assert not distributed.any_of(False)
    with distributed.one_before_the_others():
        print("turn", time.time())
        time.sleep(0.5 if number == 0 else 0)
    distributed.check_same("the data", "same")
    try:
        distributed.check_same("the data", f"of {number}")
    except ValueError as error:
        print(error)
    like = {"key": jax.random.key(5 - 5 * number), "zero": np.float32([-0.0, 1.5])}
    got = distributed.from_first(like if number == 0 else None, like | {"key": jax.random.key(9)})
    assert jax.random.key_data(got["key"]).tolist() == [0, 5]
    assert np.signbit(got["zero"][0])
    if mode == "exit":
        sys.exit()
print("left")
"""


def talk(mode):
    command = [sys.executable, "-c", TALK, str(ports.free())]
    started = [
        subprocess.Popen(
            [*command, str(number), mode],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(2)
    ]
    outputs = [process.communicate(timeout=100)[0] for process in started]
    return outputs, [process.returncode for process in started]


@pytest.mark.slow
def test_two_processes_tell_each_other_what_they_know():
    outputs, codes = talk("end")
    assert codes == [0, 0], outputs
    assert "process 1 of 2" in outputs[1]
    assert "left" in outputs[0]
    for output in outputs:
        expected = (
            "the data of process 1 differs from that of process 0; start all processes with the "
            "same"
        )
        assert expected in output
    first, second = (float(re.search(r"turn ([\d.]+)", output)[1]) for output in outputs)
    assert second - first >= 0.5


@pytest.mark.slow
def test_leaving_early_with_success_is_no_error():
    outputs, codes = talk("exit")
    assert codes == [0, 0], outputs


@pytest.mark.slow
def test_an_error_in_one_process_ends_the_other():
    outputs, codes = talk("error")
    assert "error: the first one fails" in outputs[0]
    assert codes[0] == 1
    assert codes[1] == 1
    sentence = "error: process 0 ended with an error, so this process ends too; read its messages"
    assert outputs[1].splitlines()[-1].startswith(sentence)


@pytest.mark.slow
def test_a_port_that_is_taken_is_an_error_for_people():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.free()))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        lines = (
            "from jax_s4rl.training import distributed",
            f"start = dict(coordinator={address!r}, num_processes=2, process_id=0)",
            "with distributed.joined(distributed.Cluster(**start)): pass",
        )
        ended = subprocess.run(
            [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=100
        )
    assert f"process 0 cannot listen at {address}" in ended.stderr
    assert "give one that is free on that machine" in ended.stderr


def test_a_process_that_waits_too_long_ends_with_a_sentence(monkeypatch):
    ended = threading.Event()
    said = []
    monkeypatch.setattr(distributed, "_end", lambda text: (said.append(text), ended.set()))
    with distributed._ended_after(0.01, "nobody came; start all"):
        assert ended.wait(5)
    with distributed._ended_after(5.0, "not said"):
        pass
    assert said == ["error: nobody came; start all"]
