"""Does an invoice from before invoices had lines get the one that it consists of?"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import migrations
from models.migrate import upgrade_to_head
from models.queries.invariants import BROKEN
from models.session import psycopg_url

_BEFORE: Final = "0009"
_AMOUNTS: Final = (100, 9_900, 12_345, 50_000, 1_000_000_000)
_NAMES: Final = ("베이직", "Pro", "plan 'x'")


def test_an_older_invoice_gets_one_line_of_all_that_it_owes(empty_database_url: str) -> None:
    _upgrade(empty_database_url, _BEFORE)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("SET session_replication_role = replica")  # subscriptions without customers and cards
        for number, name in enumerate(_NAMES):
            connection.execute(
                "INSERT INTO plan (id, code, name, every, catch_up) VALUES (%s, %s, %s, '1 month', 'all')",
                (UUID(int=number), f"p{number}", name),
            )
            connection.execute(
                "INSERT INTO subscription (id, customer_id, plan_id, plan_price_id, billing_key_id, timezone,"
                " started_on, state, ordinal, next_billing_at, catch_up_below)"
                " VALUES (%(id)s, %(id)s, %(id)s, %(id)s, %(id)s, 'Asia/Seoul', '2026-01-31', 'active', 0, now(), 0)",
                {"id": UUID(int=number)},
            )
        old = [(number, ordinal, won) for number in range(len(_NAMES)) for ordinal, won in enumerate(_AMOUNTS)]
        for number, ordinal, won in old:
            connection.execute(
                "INSERT INTO invoice (id, subscription_id, purpose, ordinal, period_start, period_end, amount, state,"
                " is_catch_up, next_trigger, ladder_step, attempt_count, opened_at)"
                " VALUES (%s, %s, 'period', %s, now(), now() + interval '1 day', %s, 'paid', false, 'schedule', 0, 1,"
                " now())",
                (UUID(int=100 * number + ordinal), UUID(int=number), ordinal, won),
            )

    upgrade_to_head(empty_database_url)

    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute(
            "SELECT invoice_id, line_no, kind, description, quantity, unit_amount, amount, tax_free, vat_amount"
            " FROM invoice_line ORDER BY invoice_id"
        ).fetchall()
        assert found == [
            (UUID(int=100 * number + ordinal), 1, "base", _NAMES[number], 1, won, won, 0, None)
            for number, ordinal, won in old
        ]
        assert connection.execute(BROKEN["invoice_is_the_sum_of_its_lines"]).fetchall() == []
        assert connection.execute("SELECT DISTINCT quantity FROM subscription").fetchall() == [(1,)]


def _upgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(psycopg_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
