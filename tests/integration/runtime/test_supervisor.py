from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.processes import ProcessKeepsDying, Program, StopRequested, Supervisor
from tests.support.polling import eventually
from tests.support.processes import running

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT = {"PATH": os.defpath, "PYTHONUNBUFFERED": "1"}

LIVES = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
print("stopped", flush=True)
"""
IGNORES = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\nwhile 1: signal.pause()"
)
DIES = "import sys; print('I cannot'); sys.exit(3)"
PARENT = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("child", child.pid, flush=True)
signal.pause()
"""


def program(name: str, code: str, *, stop_seconds: float = 20, restarts: int = 5) -> Program:
    return Program(
        name=name,
        command=[sys.executable, "-c", code],
        environment=ENVIRONMENT,
        stop_seconds=stop_seconds,
        restarts=restarts,
    )


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_reaped(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_programs_are_stopped_in_reverse_and_reaped(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        for name in ("first", "second"):
            supervisor.start(program(name, LIVES))
            supervisor.await_words(name, "ready", within_seconds=20)
        pids: Mapping[str, int] = dict(supervisor.pids)

    assert list(pids) == ["first", "second"]
    assert all(is_reaped(pid) for pid in pids.values())
    assert "stopped" in (tmp_path / "first.log").read_text()
    assert (tmp_path / "second.log").stat().st_mtime_ns <= (tmp_path / "first.log").stat().st_mtime_ns


def test_a_program_that_was_killed_is_started_again(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("worker", LIVES))
        before = supervisor.pids["worker"]
        os.kill(before, signal.SIGKILL)
        supervisor.run(until=lambda: supervisor.pids.get("worker", before) != before)

        assert is_reaped(before)
        assert is_running(supervisor.pids["worker"])


def test_a_program_that_keeps_dying_is_given_up(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("worker", DIES, restarts=2))
        with pytest.raises(
            ProcessKeepsDying, match=r"worker died 3 times in a row, the last time with 3: .*worker.log"
        ):
            supervisor.run()

    assert (tmp_path / "worker.log").read_text().count("I cannot") == 3


def test_a_program_that_ends_before_it_is_ready_is_told(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("worker", DIES))
        with pytest.raises(ProcessKeepsDying, match=r"worker ended with 3"):
            supervisor.await_words("worker", "ready", within_seconds=20)


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("deaf", IGNORES, stop_seconds=0.2))
        supervisor.await_words("deaf", "ready", within_seconds=20)
        pid = supervisor.pids["deaf"]

    assert is_reaped(pid)


def test_what_a_killed_program_leaves_behind_is_killed_with_it(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("parent", PARENT))
        child = int(supervisor.await_words("parent", "child", within_seconds=20).split()[1])
        before = supervisor.pids["parent"]
        os.kill(before, signal.SIGKILL)
        supervisor.run(until=lambda: supervisor.pids.get("parent", before) != before)

        eventually(lambda: not is_running(child), 10, "the end of the orphan")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_watch(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("worker", LIVES))
        os.kill(os.getpid(), number)
        supervisor.run()
        with pytest.raises(StopRequested):
            supervisor.await_words("worker", "never", within_seconds=20)

        assert supervisor.stopping
    assert signal.getsignal(number) == before


def test_programs_die_with_their_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from runtime.processes import Program, Supervisor
with Supervisor(Path({str(tmp_path)!r})) as supervisor:
    supervisor.start(Program(name="worker", command=[sys.executable, "-c", {LIVES!r}], environment={ENVIRONMENT!r}))
    supervisor.await_words("worker", "ready", within_seconds=20)
    print("pid", supervisor.pids["worker"])
    supervisor.run()
"""
    with running([sys.executable, "-c", code], log=tmp_path / "supervisor.txt", cwd=Path.cwd()) as started:
        worker = int(started.says("\npid ").rpartition("pid ")[2])
        os.kill(started.process.pid, signal.SIGKILL)

        eventually(lambda: not is_running(worker), 10, "the end of the worker")
