"""What did it cost, and on what machine? Read from ``/proc``, so Linux only."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PACKAGES: Final = (
    "celery", "kombu", "redis", "psycopg", "SQLAlchemy", "httpx", "httpx-aiohttp", "aiohttp", "uvloop",
)  # fmt: skip


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of these processes, their children, and the children that have ended."""
    return sum(_ticks(pid) for root in roots for pid in family(root)) / _TICKS_A_SECOND


def family(root: int) -> list[int]:
    """A process and everything below it that lives."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                waiting.extend(map(int, children.read_text().split()))
            except OSError:  # the thread has ended
                continue
    return found


def resident_megabytes(roots: Iterable[int]) -> float:
    """Memory of these processes and their children; pages that a fork shares are counted once each."""
    pages = 0
    for pid in (pid for root in roots for pid in family(root)):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def busy_seconds() -> float:
    """Time that all cores together have worked, for whomever."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS_A_SECOND


def described(database_url: str) -> Mapping[str, str]:
    """The machine and the versions, for the head of a table."""
    with psycopg.connect(database_url) as connection:
        postgres = _setting(connection, "server_version")
        durability = ", ".join(f"{name} {_setting(connection, name)}" for name in ("fsync", "synchronous_commit"))
    cores = len(os.sched_getaffinity(0))
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return {
        "machine": f"{cores} cores ({_processor()}), {memory:.0f} GiB, Linux {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{postgres}, embedded, {durability}",
        "packages": ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES),
    }


def _ticks(pid: int) -> int:
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The name in brackets may hold anything; user, system, and both of reaped children are fields 14 to 17.
    return sum(map(int, told.rpartition(")")[2].split()[11:15]))


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
