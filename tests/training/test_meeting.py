"""Processes that meet: all come, one is missing, comes twice or dies; here they are threads."""

import concurrent.futures
import socket
import threading

import pytest

from jax_s4rl.training import _meeting
from tests.training import ports


def meet(*numbers, count=2, timeout=5.0):
    """Lets processes meet; returns the connections or the sentence of each."""
    address = f"127.0.0.1:{ports.free()}"

    def one(number):
        try:
            return _meeting.meet(address, count, number, timeout)
        except ValueError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(len(numbers)) as threads:
        return list(threads.map(one, numbers))


def watch(links):
    """Returns an event and the sentence that the watch heard."""
    heard, said = threading.Event(), []
    links.watch(lambda sentence: (said.append(sentence), heard.set()))
    return heard, said


def test_all_that_are_expected_meet():
    first, *others = meet(0, 1, 2, count=3)
    assert sorted(first._sockets) == [1, 2]
    assert [sorted(links._sockets) for links in others] == [[0], [0]]
    for links in (first, *others):
        links.leave()
    assert not _meeting.meet("unused:1", 1, 0)._sockets


def test_one_that_dies_ends_all_others():
    first, second, third = meet(0, 1, 2, count=3)
    watches = [watch(first), watch(third)]
    second._sockets[0].close()
    for heard, said in watches:
        assert heard.wait(5)
        assert said == ["process 1 died"]


@pytest.mark.parametrize("number", [0, 1])
def test_one_that_ends_with_an_error_says_so(number):
    links = meet(0, 1)
    heard, said = watch(links[1 - number])
    links[number].end(f"process {number} ended with an error")
    assert heard.wait(5)
    assert said == [f"process {number} ended with an error"]


def test_those_that_leave_as_planned_end_nobody():
    links = meet(0, 1)
    watches = [watch(one) for one in links]
    for one in links:
        one.leave()
    assert not any(heard.wait(0.1) for heard, _ in watches)


def test_one_that_does_not_come_is_named():
    alone, came = meet(0, 1, count=3, timeout=0.3)
    assert alone == came
    assert alone == (
        "process 2 of 3 did not come within 0.3 s; start all processes, each with its own "
        "process_id"
    )


def test_a_process_without_process_0_ends():
    (alone,) = meet(1, timeout=0.3)
    assert alone.startswith("process 1 met no process 0 at 127.0.0.1:")
    assert "each with its own process_id" in alone


def test_two_of_one_number_are_named():
    said = meet(0, 1, 1, count=3)
    assert said == ["two processes have the process_id 1; give each its own, from 0"] * 3
    # Two that listen at one port: one of them is process 0, and waits in vain.
    said = meet(0, 0, timeout=0.5)
    assert sum("another process 0 may have the port" in one for one in said) == 1
    assert sum("process 1 of 2 did not come" in one for one in said) == 1


def test_other_numbers_of_processes_are_named():
    address = f"127.0.0.1:{ports.free()}"
    with concurrent.futures.ThreadPoolExecutor() as threads:
        first = threads.submit(_meeting.meet, address, 2, 0, 5.0)
        second = threads.submit(_meeting.meet, address, 3, 1, 5.0)
    for one in (first, second):
        assert "process 1 expects 3 processes and process 0 2" in str(one.exception())


def test_somebody_else_at_the_port_is_no_process():
    port = ports.free()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        first = threads.submit(_meeting.meet, f"127.0.0.1:{port}", 2, 0, 5.0)
        scan = None
        while scan is None:
            try:
                scan = socket.create_connection(("127.0.0.1", port))
            except OSError:
                continue
        scan.sendall(b"GET / HTTP/1.1\n")
        second = threads.submit(_meeting.meet, f"127.0.0.1:{port}", 2, 1, 5.0)
        assert sorted(first.result()._sockets) == [1]
        assert sorted(second.result()._sockets) == [0]
    for links in (first.result(), second.result()):
        links.leave()
    scan.close()


def test_another_program_at_the_address_is_not_process_0():
    def answer(server):
        with server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 400\n")

    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        thread = threading.Thread(target=answer, args=(other,))
        thread.start()
        with pytest.raises(ValueError, match="process 1 was not expected at"):
            _meeting.meet(address, 2, 1, 5.0)
        thread.join()
