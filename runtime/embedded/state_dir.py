"""Who holds the state folder, where do the engines keep their data, and what must be known at the next start?

Layout of ``JEONGGI_STATE_DIR``::

    lock           held (flock) by whoever runs the engines, with its process id inside
    embedded.json  ports, passwords, the engines' folder; kept between starts; mode 0600
    servers.json   the addresses of the running engines; there only while they run; mode 0600
    engines/       the engines' data (elsewhere if their user cannot enter here; embedded.json tells where)
    logs/          one file a process
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import Misconfigured
from runtime.embedded.leashed import EngineUser, is_running_in, run_leashed

if TYPE_CHECKING:
    from collections.abc import Iterator

# PostgreSQL refuses to run as root; this is `nobody` wherever there is a password file.
_UNPRIVILEGED_UID = 65534

# Where the engines' data goes when their user cannot enter the state folder: kept over reboots, the best first.
_OUTER_FOLDERS = (Path("/var/lib"), Path("/var/tmp"), Path(tempfile.gettempdir()))  # noqa: S108  # mkdtemp in them


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrls:
    """The addresses of two running engines, with their passwords."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDir:
    """The state folder, held exclusively; all paths absolute."""

    path: Path
    engines: Path
    engine_user: EngineUser

    @property
    def logs(self) -> Path:
        """The folder of the log files."""
        return self.path / "logs"

    def remembered(self, name: str) -> dict[str, Any]:
        """What is kept about ``name`` between starts; empty if nothing is."""
        return dict(_read(self.path / "embedded.json").get(name, {}))

    def remember(self, name: str, **facts: object) -> None:
        """Keep ``facts`` about ``name``, beside what is kept already."""
        _merge(self.path / "embedded.json", {name: {**self.remembered(name), **facts}})

    def secret(self, name: str) -> str:
        """A password kept for ``name``, made at the first asking."""
        if "password" not in self.remembered(name):
            self.remember(name, password=secrets.token_urlsafe(24))
        return str(self.remembered(name)["password"])

    def announce(self, urls: ServerUrls, pids: dict[str, tuple[int, Path]]) -> None:
        """Tell other commands of this folder's running engines: name -> (process id, its working folder)."""
        told = {name: [pid, str(folder)] for name, (pid, folder) in pids.items()}
        _write(
            self.path / "servers.json",
            {"database_url": urls.database_url, "redis_url": urls.redis_url, "processes": told},
        )

    def withdraw(self) -> None:
        """The engines stop: take their announcement back."""
        (self.path / "servers.json").unlink(missing_ok=True)


@contextlib.contextmanager
def open_state_dir(path: Path) -> Iterator[StateDir]:
    """Hold the state folder; made if it is not there.

    Raises:
        Misconfigured: Another process holds it, or it cannot be made, written or entered.
    """
    path = path.absolute()
    _make(path)
    with _held(path):
        user = _engine_user()
        yield StateDir(path=path, engines=_engines_folder(path, user), engine_user=user)


def running_servers(path: Path) -> ServerUrls | None:
    """The addresses of the engines that run in the state folder ``path``, or None if they do not.

    Raises:
        Misconfigured: The folder belongs to somebody else.
    """
    told = _read(path.absolute() / "servers.json")
    if not told:
        return None
    if not all(is_running_in(pid, name, Path(folder)) for name, (pid, folder) in told["processes"].items()):
        return None
    return ServerUrls(database_url=told["database_url"], redis_url=told["redis_url"])


def check_free_space(folder: Path, *, at_least_megabytes: int) -> None:
    """Refuse to start an engine on a disk that is about to be full.

    Raises:
        Misconfigured: There is less.
    """
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < at_least_megabytes:
        raise Misconfigured(
            f"The disk of {folder} has {free} MB left and {at_least_megabytes} are needed: free some space, or set"
            " JEONGGI_STATE_DIR to a folder on another disk."
        )


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = path.stat().st_uid
        if owner != os.geteuid():
            raise Misconfigured(
                f"The state folder {path} belongs to user {owner}: start as that user, or set JEONGGI_STATE_DIR to"
                " another folder."
            )
        # Root's engines run as somebody else, who must pass through here; what is secret inside has its own mode.
        path.chmod(0o711 if owner == 0 else 0o700)
        (path / "logs").mkdir(exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as refused:
        raise Misconfigured(
            f"The state folder {path} cannot be used ({refused.strerror}): give this user the right to write there, or"
            " set JEONGGI_STATE_DIR to another folder."
        ) from refused


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    with (path / "lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise Misconfigured(
                f"The state folder {path} is held by process {holder}: stop that one, or set JEONGGI_STATE_DIR to"
                " another folder."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        # Not deleted afterwards: two holders of a name that was deleted in between would both succeed.
        yield


def _engine_user() -> EngineUser:
    uid = os.geteuid()
    if uid != 0:
        _require_name(uid)
        return EngineUser(uid=uid, gid=os.getegid(), switch=False)
    _require_name(_UNPRIVILEGED_UID)
    return EngineUser(uid=_UNPRIVILEGED_UID, gid=_UNPRIVILEGED_UID, switch=True)


def _require_name(uid: int) -> None:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise Misconfigured(
            f"User {uid} has no line in /etc/passwd, without which PostgreSQL does not start: run as a user that has"
            " one, or set JEONGGI_DATABASE_URL and JEONGGI_REDIS_URL."
        ) from None


def _engines_folder(path: Path, user: EngineUser) -> Path:
    kept = _read(path / "embedded.json").get("engines_folder")
    folder = Path(kept) if kept else path / "engines"
    if kept and not folder.is_dir():
        raise Misconfigured(
            f"The engines' data folder {folder}, named in {path / 'embedded.json'}, is gone: restore it, or remove"
            f" {path} to begin with empty engines."
        )
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        user.own(folder)
    if _can_enter(folder, user):
        return folder
    if kept:
        raise Misconfigured(
            f"The engines' data folder {folder} can no longer be entered by user {user.uid}: give the folders above it"
            " the mode 0711."
        )
    folder.rmdir()
    folder = _outer_folder(user)
    _merge(path / "embedded.json", {"engines_folder": str(folder)})
    return folder


def _outer_folder(user: EngineUser) -> Path:
    for outer in _OUTER_FOLDERS:
        if not os.access(outer, os.W_OK):
            continue
        folder = Path(tempfile.mkdtemp(prefix="jeonggi-", dir=outer))
        user.own(folder)
        if _can_enter(folder, user):
            return folder
        folder.rmdir()
    raise Misconfigured(
        f"User {user.uid}, as whom root runs the engines, can enter no folder for their data: set JEONGGI_STATE_DIR to"
        " a folder below folders of mode 0711, such as /srv/jeonggi."
    )


def _can_enter(folder: Path, user: EngineUser) -> bool:
    # Asked of the system itself: modes do not tell about access lists and mounts.
    return run_leashed(["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", str(folder)], user=user).returncode == 0


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except PermissionError:
        raise Misconfigured(
            f"{file} belongs to another user: run this as the user who runs `jeonggi up`, or set JEONGGI_STATE_DIR to"
            " another folder."
        ) from None
    except (ValueError, OSError):
        raise Misconfigured(
            f"{file} cannot be read: restore it, or remove {file.parent} to begin with empty engines."
        ) from None
    return dict(found)


def _merge(file: Path, changes: dict[str, Any]) -> None:
    _write(file, {**_read(file), **changes})


def _write(file: Path, content: dict[str, Any]) -> None:
    # Whole or not at all, for a start may be interrupted anywhere; mkstemp makes it readable for us alone.
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
