"""What can go wrong when an engine starts."""

import threading

from gateway.engine import dbos_engine


def test_a_thread_that_is_only_just_being_started_is_waited_for() -> None:
    """Two processes that opened an empty database at once met one: `Thread.join` refuses it."""
    ended: list[bool] = []
    late = threading.Thread(target=lambda: ended.append(True))
    threading.Timer(0.1, late.start).start()
    dbos_engine._join(late)
    assert ended == [True]
