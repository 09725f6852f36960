"""Start an engine as its user so that it dies with us, find it again, and stop it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.embedded.waiting import came_true

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LEASH = Path(__file__).with_name("leash.py")
_PROC = Path("/proc")

# Below the range from which systems take the near end of outgoing connections (32768 and up on Linux), so that a
# chosen port is still free at the next start.
_LOWEST_PORT, _PORTS = 20_000, 12_000

_BARE_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUser:
    """As whom the engines run; ``switch`` if that is not ourselves."""

    uid: int
    gid: int
    switch: bool

    def own(self, path: Path) -> None:
        """Give ``path`` to this user."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedServer:
    """One running engine; ``url`` carries its password."""

    name: str
    url: str = field(repr=False)
    process: subprocess.Popen[bytes]
    folder: Path
    stop_signal: signal.Signals

    def is_alive(self) -> bool:
        """Whether it still runs; reaps it if not."""
        return self.process.poll() is None

    def stop(self, *, within_seconds: float = 30) -> None:
        """Stop it in good order, or by force after ``within_seconds``."""
        if not self.is_alive():
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_leashed(
    program: Sequence[str],
    *,
    user: EngineUser | None,
    log: Path,
    death_signal: signal.Signals,
    environment: Mapping[str, str] = _BARE_ENVIRONMENT,
) -> subprocess.Popen[bytes]:
    """Start ``program`` as ``user`` in a session of its own; it gets ``death_signal`` when the calling thread ends.

    Its own session, for Ctrl-C at a terminal goes to the whole foreground group: the engines must outlive the
    workers that are using them. Without a user it stays ours.
    """
    with log.open("ab") as stream:
        return subprocess.Popen(  # noqa: S603  # our own engines
            _leashed(program, user, death_signal),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def run_leashed(
    program: Sequence[str], *, user: EngineUser, stdin: str = "", seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run ``program`` as ``user`` to its end and keep what it says (both streams in ``stdout``)."""
    return subprocess.run(  # noqa: S603  # our own engines
        _leashed(program, user, signal.SIGKILL),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_BARE_ENVIRONMENT,
        cwd="/",
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


def is_running_in(pid: int, program: str, folder: Path) -> bool:
    """Whether process ``pid`` is a ``program`` whose working folder is ``folder``: a number alone may be reused."""
    if not _PROC.is_dir():
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return True
        return False
    try:
        executable = (_PROC / str(pid) / "exe").readlink().name
        working_in = (_PROC / str(pid) / "cwd").readlink()
    except OSError:
        return False
    # The kernel adds " (deleted)" to the name of a program that was replaced since.
    return executable.split(" ")[0].startswith(program) and working_in == folder.resolve()


def stop_leftover(pid: int, program: str, folder: Path, signals: Sequence[signal.Signals]) -> None:
    """Stop a ``program`` that an earlier run left in ``folder``, by gentler signals first; nothing if there is none."""
    for number in signals:
        if not is_running_in(pid, program, folder):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if came_true(lambda: not is_running_in(pid, program, folder), within_seconds=20):
            return


def free_port(preferred: int | None) -> int:
    """``preferred`` if nobody listens there on 127.0.0.1, otherwise another one that is free."""
    for port in [preferred, *(_LOWEST_PORT + secrets.randbelow(_PORTS) for _ in range(100))]:
        if port is not None and _is_free(port):
            return port
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def last_words(log: Path, *, since: int = 0) -> str:
    """What ``log`` says from byte ``since`` on (the last 4,000 bytes of it)."""
    with log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(since, size - 4_000))
        return stream.read().decode("utf-8", "replace")


def _leashed(program: Sequence[str], user: EngineUser | None, death_signal: signal.Signals) -> list[str]:
    uid, gid = (user.uid, user.gid) if user is not None and user.switch else (-1, -1)
    # Isolated and without site-packages: nothing of the environment is needed, and it starts in 20 ms.
    leash = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), str(int(death_signal)), str(uid), str(gid)]
    return [*leash, *program]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the engines do it: only a listener counts, not the remains of closed connections.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
