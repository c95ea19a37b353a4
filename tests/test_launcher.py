"""Launched processes are processes: streams, environment, exit codes, signals, and none of them outlives the tests."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.launcher import ROOT, completed, launch

LEAVES_ONE = """
import os, time
from tests.launcher import launch_call

def stay():
    print(os.getpid(), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    launch_call(stay, stdout=1)
    time.sleep(60)
"""


def test_it_reads_writes_and_ends_as_it_was_told() -> None:
    good = completed("json.tool", "--compact", input='{"name": "Zoë"}'.encode())
    assert (good.returncode, good.stdout, good.stderr) == (0, '{"name":"Zo\\u00eb"}\n', "")
    bad = completed("json.tool", input=b"{")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("Expecting property name")
    assert completed("site", "--user-base", environment={"PYTHONUSERBASE": "/of/us"}).stdout == "/of/us\n"


async def test_it_can_be_killed() -> None:
    one = launch("http.server", "0")
    assert one.returncode is None
    one.kill()
    assert await one.wait() == one.returncode == -signal.SIGKILL
    one.kill()  # nobody is hit who has its number now


def test_it_ends_with_the_tests_however_they_end(tmp_path: Path) -> None:
    script = tmp_path / "leaves_one.py"
    script.write_text(LEAVES_ONE, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as tests:
        assert tests.stdout is not None
        left = int(tests.stdout.readline())
        assert is_running(left)
        tests.kill()
    end = time.monotonic() + 20
    while is_running(left):
        assert time.monotonic() < end, "it outlived the tests"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether there is such a process, and more of it than its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
