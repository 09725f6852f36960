"""Run the programs of one installation side by side: notice who dies, start it again, stop all in order.

Used by ``jeonggi up``; in production a service manager does this.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import structlog

from domain.errors import BillingError
from runtime.embedded.leashed import last_words, start_leashed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType, TracebackType
    from typing import Self

_log = structlog.get_logger(__name__)

_ROUND_SECONDS = 0.2
_STEADY_ROUNDS = 300  # a minute: whoever lived so long has its restarts forgiven
_KEPT_LOG_BYTES = 10_000_000
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ProcessKeepsDying(BillingError):
    """A program died more often than it is started again; the message names its log."""

    code: ClassVar[str] = "process_keeps_dying"


class StopRequested(BillingError):
    """SIGINT or SIGTERM came while something was awaited."""

    code: ClassVar[str] = "stop_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run: a command line, its whole environment, and how it is stopped.

    ``stop_seconds`` after ``stop_signal`` its process group is killed; it is started again at most ``restarts`` times
    in a row.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20
    restarts: int = 5


@dataclass(slots=True, kw_only=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    log: Path
    heard_from: int  # bytes of the log that were there before this start
    started_in_round: int
    restarts: int = 0
    starts_in_round: int | None = None  # set while it waits to be started again


class Supervisor:
    """A context manager: programs are started inside, and all of them are gone after it.

    SIGINT and SIGTERM ask it to stop, a second one stops by force. Main thread only.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, _Child] = {}
        self._asked = False
        self._forced = False
        self._pause = threading.Event()  # never set
        self._round = 0
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Take over SIGINT and SIGTERM."""
        for number in _STOP_SIGNALS:
            self._handlers[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop every program, the last one first, and give the signals back."""
        try:
            for child in reversed(self._children.values()):
                self._stop(child)
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() itself returned

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids of the running programs, by name."""
        return {name: c.process.pid for name, c in self._children.items() if c.process.poll() is None}

    def start(self, program: Program) -> None:
        """Start a program; its words go to ``NAME.log``."""
        log = self._logs / f"{program.name}.log"
        if log.exists() and log.stat().st_size > _KEPT_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        heard_from = log.stat().st_size
        process = _started(program, log)
        self._children[program.name] = _Child(
            program=program, process=process, log=log, heard_from=heard_from, started_in_round=self._round
        )
        _log.info("process.started", process=program.name, pid=process.pid)

    def said(self, name: str) -> str:
        """What a program wrote since its first start (the last 4,000 bytes)."""
        child = self._children[name]
        return last_words(child.log, since=child.heard_from)

    def await_words(self, name: str, words: str, *, within_seconds: float) -> str:
        """The first line that holds ``words``, once the program has written it.

        Raises:
            ProcessKeepsDying: It ended, or was silent for too long.
            StopRequested: Somebody asked to stop.
        """
        child = self._children[name]
        for _ in range(int(within_seconds / _ROUND_SECONDS) + 1):
            ended = child.process.poll() is not None
            for line in self.said(name).splitlines():
                if words in line:
                    return line
            if ended:
                raise ProcessKeepsDying(
                    f"{name} ended with {child.process.returncode}: its log, {child.log}, tells why."
                )
            self._pause.wait(_ROUND_SECONDS)
            if self.stopping:
                raise StopRequested(f"Asked to stop while {name} was starting.")
        raise ProcessKeepsDying(f"{name} is not ready after {within_seconds:g} s: its log, {child.log}, tells why.")

    def run(
        self, *, until: Callable[[], bool] = lambda: False, each_round: Callable[[], object] = lambda: None
    ) -> None:
        """Watch over the programs until ``until()`` holds or somebody asks to stop.

        ``each_round`` is called several times a second: to draw, or to revive the engines.

        Raises:
            ProcessKeepsDying: A program died too often in a row.
        """
        while not self.stopping and not until():
            each_round()
            for child in self._children.values():
                self._look_after(child)
            self._round += 1
            self._pause.wait(_ROUND_SECONDS)

    def _look_after(self, child: _Child) -> None:
        if child.starts_in_round is not None:
            if self._round >= child.starts_in_round:
                child.starts_in_round = None
                child.started_in_round = self._round
                child.process = _started(child.program, child.log)
                _log.info("process.restarted", process=child.program.name, pid=child.process.pid)
            return
        if child.process.poll() is None:
            return
        _kill_group(child.process)
        if self._round - child.started_in_round >= _STEADY_ROUNDS:
            child.restarts = 0
        name, exit_code = child.program.name, child.process.returncode
        _log.warning("process.died", process=name, exit_code=exit_code, restarts=child.restarts)
        if child.restarts >= child.program.restarts:
            raise ProcessKeepsDying(
                f"{name} died {child.restarts + 1} times in a row, the last time with {exit_code}: its log,"
                f" {child.log}, tells why."
            )
        # At once, then after 1, 2, 4 ... seconds.
        pause = 0 if child.restarts == 0 else int(2 ** (child.restarts - 1) / _ROUND_SECONDS)
        child.starts_in_round = self._round + pause
        child.restarts += 1

    def _stop(self, child: _Child) -> None:
        process = child.process
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(child.program.stop_signal)
            for _ in range(int(child.program.stop_seconds / _ROUND_SECONDS) + 1):
                if self._forced or _ended(process, _ROUND_SECONDS):
                    break
        forced = process.poll() is None
        _kill_group(process)
        process.wait()
        _log.info("process.stopped", process=child.program.name, exit_code=process.returncode, forced=forced)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        # Flags only: an Event's own lock may be held by the very code that the signal interrupted.
        del number, frame
        self._forced = self._asked
        self._asked = True


def _started(program: Program, log: Path) -> subprocess.Popen[bytes]:
    return start_leashed(
        program.command, user=None, log=log, death_signal=program.stop_signal, environment=program.environment
    )


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(seconds) is not None
    return False


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # A program that was killed leaves its own children behind, in its group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
