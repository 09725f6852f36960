"""Does `up` bring the simulator with an account for each channel of the file, and do all of them charge their own?"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from simulator.ledger import read_rows
from tests.support.fleet import REPOSITORY
from tests.support.processes import running

if TYPE_CHECKING:
    from pathlib import Path

CHANNELS = ("shop", "books", "tickets-2")


@pytest.mark.timeout(300)
def test_each_channel_has_an_account_of_the_simulator_and_charges_there(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    file = tmp_path / "channels.toml"
    file.write_text("\n".join(f'[[channel]]\nname = "{name}"\npg = "html5_inicis.MOI{name}"\n' for name in CHANNELS))
    environment = {
        "JEONGGI_DATABASE_URL": database_url,
        "JEONGGI_REDIS_URL": redis_url,
        "JEONGGI_STATE_DIR": str(tmp_path / "state"),
        "JEONGGI_CHANNELS_FILE": str(file),
        "JEONGGI_WEB_PORT": "0",
    }
    command = [sys.executable, "-m", "cli", "up", "--until-idle", "--workers", "1", "--json"]
    with running(command, log=tmp_path / "up.log", env=environment, cwd=REPOSITORY) as program:
        assert program.wait(within_seconds=240) == 0, program.said()
        told = json.loads(program.said()[program.said().index("{") :])

    assert told["ok"]
    assert told["payments"] == told["ledger"]
    paid = [
        row for row in read_rows(tmp_path / "state" / "simulator.sqlite", table="payment") if row["status"] == "paid"
    ]
    assert set(Counter(row["account"] for row in paid)) == set(CHANNELS)
    assert all(row["pg_id"] == f"MOI{row['account']}" for row in paid)
    with (tmp_path / "state" / "subscriptions.csv").open(encoding="utf-8") as stream:
        channel_of = {row["customer_uid"]: row["channel"] for row in csv.DictReader(stream)}
    assert all(channel_of[row["customer_uid"]] == row["account"] for row in paid)
