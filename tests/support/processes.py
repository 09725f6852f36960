"""A program under test: in its own process group, its words kept, killed, frozen, and always reaped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProgram:
    """One started program; signals go to its whole group."""

    process: subprocess.Popen[bytes]
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the group; nothing if it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL the group, and reap."""
        self.send(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """SIGSTOP the group."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT the group."""
        self.send(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_seconds: float = 30) -> int:
        """Ask the program alone to end, as a service manager would; its exit code. Fails if it takes too long."""
        self.process.send_signal(number)
        return self.wait(within_seconds=within_seconds)

    def wait(self, *, within_seconds: float = 30) -> int:
        """Its exit code, once it ended by itself."""
        try:
            return self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within_seconds:g} s; it said:\n{self.said()}") from None

    def is_alive(self) -> bool:
        """Whether the program itself runs."""
        return self.process.poll() is None

    def said(self) -> str:
        """Everything that it has written so far, both streams."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def says(self, words: str, *, within_seconds: float = 30) -> str:
        """Wait until ``words`` were written; fails at once if the program ended without them."""

        def heard() -> bool:
            alive = self.is_alive()
            if words in self.said():
                return True
            assert alive, f"ended with {self.process.returncode} before it said {words!r}; it said:\n{self.said()}"
            return False

        eventually(heard, within_seconds, f"{words!r} in {self.log}")
        return self.said()


@contextlib.contextmanager
def running(
    program: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[RunningProgram]:
    """Run ``program``; ``env`` comes on top of this process's environment. Its group is dead at the end."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    started = RunningProgram(process=process, log=log)
    try:
        yield started
    finally:
        started.kill()
