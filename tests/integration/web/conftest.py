"""The door of the hooks as a process of its own, on a free port, with a database of the test's own."""

from __future__ import annotations

import contextlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models.session import Database
from tests.support.processes import RunningProgram, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where hooks are taken, and the database in which they are kept."""

    url: str
    port: int
    database: Database
    program: RunningProgram

    def rows(self) -> list[tuple[object, ...]]:
        with self.database.reading() as tx:
            found = tx.connection.exec_driver_sql(
                "SELECT channel, imp_uid, merchant_uid, status, cancellation_id, times FROM gateway_event ORDER BY id"
            ).all()
        return [tuple(row) for row in found]


@contextlib.contextmanager
def running_door(
    folder: Path, database_url: str, *, command: Sequence[str] = ("web",), **settings: object
) -> Iterator[Door]:
    environment = {
        "JEONGGI_DATABASE_URL": database_url,
        "JEONGGI_REDIS_URL": "redis://127.0.0.1:1/0",
        "JEONGGI_WEB_PORT": "0",
        "JEONGGI_LOG_FORMAT": "json",
        **{f"JEONGGI_{name.upper()}": str(value) for name, value in settings.items()},
    }
    log = folder / "web.log"
    with (
        contextlib.closing(Database(database_url, pool_size=1)) as database,
        running([sys.executable, "-m", *command], log=log, env=environment, cwd=REPOSITORY) as program,
    ):
        heard = re.search(r'"port": (\d+)', program.says("web.listening"))
        assert heard
        port = int(heard.group(1))
        yield Door(url=f"http://127.0.0.1:{port}", port=port, database=database, program=program)


@pytest.fixture
def open_door(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Door]]:
    """Opens the door with the settings of a test."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running_door(tmp_path, database_url, **settings))
