"""Ports for processes that meet on this machine."""

import random
import socket


def free():
    """A port that nobody listens on right now, below those that outgoing connections are given."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
