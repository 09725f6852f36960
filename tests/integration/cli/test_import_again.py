"""The same files, twice at once, or into another empty database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from domain.identity import merchant_uid
from domain.invoice import Purpose
from models.session import Database
from runtime.wiring import DEMO_NAMESPACE
from tests.support.databases import fresh_database

if TYPE_CHECKING:
    import pytest

    from runtime.embedded.state_dir import ServerUrls
    from tests.integration.cli.conftest import Jeonggi

ROOT = Path(__file__).parents[3]
PLANS, SUBSCRIPTIONS = ROOT / "examples/plans.toml", ROOT / "examples/subscriptions.csv"


def first_names(database: Database) -> set[str]:
    """The name at the gateway of every subscription's next charge."""
    with database.reading() as tx:
        rows = tx.connection.execute(text("SELECT id, ordinal FROM subscription")).all()
    return {
        merchant_uid(
            namespace=DEMO_NAMESPACE,
            subscription_id=row.id,
            purpose=Purpose.PERIOD,
            ordinal=row.ordinal + 1,
            attempt_no=1,
        )
        for row in rows
    }


def test_the_same_files_in_an_empty_database_make_the_same_names(
    jeonggi: Jeonggi, database: Database, server_urls: ServerUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (("plan", "import", PLANS), ("subscription", "import", SUBSCRIPTIONS)):
        assert jeonggi(*command).code == 0
    with fresh_database(server_urls.database_url) as url:
        monkeypatch.setenv("JEONGGI_DATABASE_URL", url)
        for command in (("plan", "import", PLANS), ("subscription", "import", SUBSCRIPTIONS)):
            assert jeonggi(*command).code == 0
        other = Database(url, pool_size=1)
        try:
            again = first_names(other)
        finally:
            other.close()

    assert first_names(database) == again
    assert len(again) == 1_000


def test_two_imports_at_once_make_every_subscription_once(jeonggi: Jeonggi, database: Database) -> None:
    assert jeonggi("plan", "import", PLANS).code == 0
    command = [sys.executable, "-m", "cli", "subscription", "import", str(SUBSCRIPTIONS), "--yes", "--json"]

    programs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    told = [json.loads(program.communicate(timeout=120)[0]) for program in programs]

    assert [program.returncode for program in programs] == [0, 0]
    assert sum(each["rows"]["created"] for each in told) == 1_000
    assert all(each["rows"]["refused"] == 0 for each in told)
    with database.reading() as tx:
        assert tx.connection.execute(text("SELECT count(*) FROM subscription")).scalar_one() == 1_000
        assert tx.connection.execute(text("SELECT count(*) FROM customer")).scalar_one() <= 1_000
    assert jeonggi("invariants", "check").code == 0
