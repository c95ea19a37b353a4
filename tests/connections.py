"""Whose a TCP connection on this machine is, as the kernel tells it (proc(5))."""

import os
from collections.abc import Iterable, Iterator


def owner_of(port: int, pids: Iterable[int]) -> int | None:
    """Which of these processes has a TCP connection from this local port; None when none has (any more)."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[9] != "0"}
    return next((pid for pid in pids if not inodes.isdisjoint(_open(pid))), None)


def _open(pid: int) -> Iterator[str]:
    """What a process has open; nothing when it has ended."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:  # closed since they were listed, which says nothing of the others
            continue
