"""Do coupons that a release before let end by their counter go on, where the whole price is still to come?"""

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

_BEFORE: Final = "0017"
#: Whether it is used up, and of each invoice since whether a coupon lowered it; and then whether it runs.
_COUPONS: Final = (
    (False, (True,), True),
    (True, (True, True), True),  # what was paid last was lowered
    (True, (True, True, False), False),  # the whole price was paid already
)


def test_a_coupon_whose_end_was_not_charged_yet_goes_on(empty_database_url: str) -> None:
    _upgrade(empty_database_url, _BEFORE)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("SET session_replication_role = replica")  # no customers, cards or sums of lines
        connection.execute("INSERT INTO coupon (id, code, percent) VALUES (%s, 'HALF', 50)", (UUID(int=50),))
        for number, (is_used_up, lowered, _) in enumerate(_COUPONS):
            own = {
                "id": UUID(int=number),
                "used": sum(lowered),
                "end": "now" if is_used_up else None,
                "coupon": UUID(int=50),
            }
            connection.execute(
                "INSERT INTO subscription (id, customer_id, plan_id, plan_price_id, billing_key_id, timezone,"
                " started_on, state, ordinal, next_billing_at, catch_up_below)"
                " VALUES (%(id)s, %(id)s, %(id)s, %(id)s, %(id)s, 'Asia/Seoul', '2026-01-31', 'active', 1, now(), 0)",
                own,
            )
            connection.execute(
                "INSERT INTO redemption (id, subscription_id, coupon_id, percent, periods, used, redeemed_at, ended_at)"
                " VALUES (%(id)s, %(id)s, %(coupon)s, 50, 2, %(used)s, '2026-01-01', %(end)s)",
                own,
            )
            for ordinal, is_lowered in enumerate(lowered):
                invoice = {**own, "invoice": UUID(int=100 * number + ordinal), "ordinal": ordinal}
                connection.execute(
                    "INSERT INTO invoice (id, subscription_id, purpose, ordinal, period_start, period_end, amount,"
                    " state, is_catch_up, next_trigger, ladder_step, attempt_count, opened_at) VALUES (%(invoice)s,"
                    " %(id)s, 'period', %(ordinal)s, now(), now() + interval '1 day', 100, 'paid', false, 'schedule',"
                    " 0, 1, now())",
                    invoice,
                )
                connection.execute(
                    "INSERT INTO invoice_line (invoice_id, line_no, kind, description, quantity, unit_amount, amount,"
                    " tax_free) VALUES (%(invoice)s, 1, %(kind)s, 'x', 1, %(won)s, %(won)s, 0)",
                    {**invoice, "kind": "coupon" if is_lowered else "base", "won": -100 if is_lowered else 100},
                )

    upgrade_to_head(empty_database_url)

    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute("SELECT ended_at IS NULL, ended_unasked FROM redemption ORDER BY id").fetchall()
        assert found == [(runs, not runs) for _, _, runs in _COUPONS]
        # Who migrates plans the end of the one that is used up, or the opening that is due.
        assert connection.execute(BROKEN["promotion_end_is_decided"].replace(":now", "now()")).fetchall() == []


def _upgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(psycopg_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
