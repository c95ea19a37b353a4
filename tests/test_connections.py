"""Whose a connection is, is found while its process opens and closes other files all the time."""

import os
import socket
from contextlib import ExitStack

from tests.connections import owner_of
from tests.launcher import launch_call


def connect_and_be_busy(port: int) -> None:
    """Connect, then open and close files for ever; their descriptors come before the connection's."""
    with ExitStack() as files:
        for _ in range(50):
            files.enter_context(open(os.devnull))
        connection = socket.create_connection(("127.0.0.1", port))
    while connection:
        with ExitStack() as files:
            for _ in range(50):
                files.enter_context(open(os.devnull))


def test_the_owner_of_a_connection_is_found_however_busy_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = launch_call(connect_and_be_busy, server.getsockname()[1])
        connection, (_, port) = server.accept()
        with connection:
            assert {owner_of(port, [os.getpid(), one.pid]) for _ in range(200)} == {one.pid}
            one.kill()
            assert connection.recv(1) == b""
            assert owner_of(port, [os.getpid(), one.pid]) is None
