"""One command brings everything up, the gateway's hooks with it, charges the examples, and ends in order."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

import pytest

from models.session import Database
from tests.support.fleet import REPOSITORY
from tests.support.processes import running

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {"beat", "charge-1", "flower", "pace", "simulator", "web"}


@pytest.mark.timeout(300)
def test_up_charges_the_examples_hears_of_it_by_hooks_and_ends_in_order(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    environment = {
        "JEONGGI_DATABASE_URL": database_url,
        "JEONGGI_REDIS_URL": redis_url,
        "JEONGGI_STATE_DIR": str(tmp_path / "state"),
        "JEONGGI_LOG_FORMAT": "json",
        "JEONGGI_WEB_PORT": "0",
    }
    command = [sys.executable, "-m", "cli", "up", "--until-idle", "--workers", "1", "--json"]
    with running(command, log=tmp_path / "up.log", env=environment, cwd=REPOSITORY) as up:
        assert up.wait(within_seconds=240) == 0, up.said()

    told = json.loads(up.said()[up.said().index("{") :])
    assert told["halted"] is None
    logs = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "state" / "logs").glob("*.log")}
    assert logs.keys() >= PROGRAMS
    assert "web.listening" in logs["web"]
    with contextlib.closing(Database(database_url)) as database, database.reading() as tx:
        heard = tx.connection.exec_driver_sql(
            "SELECT count(*) FROM gateway_event e JOIN payment p USING (imp_uid) WHERE e.status = 'paid'"
        ).scalar_one()
    assert heard
