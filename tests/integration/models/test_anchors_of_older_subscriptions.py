"""Does a subscription from before there were anchors keep the periods that it had?"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import migrations
from models.migrate import upgrade_to_head
from models.session import psycopg_url

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEFORE: Final = "0017"
#: Its start, the end of its trial, and from when on its periods are counted.
_OLD: Final[Sequence[tuple[date, date | None, date]]] = (
    (date(2026, 1, 31), None, date(2026, 1, 31)),
    (date(2026, 1, 31), date(2026, 2, 14), date(2026, 2, 14)),
)


def test_an_older_subscription_is_counted_from_its_start_or_from_the_end_of_its_trial(empty_database_url: str) -> None:
    _upgrade(empty_database_url, _BEFORE)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("SET session_replication_role = replica")  # without all that they belong to
        for number, (started_on, trial_until, _) in enumerate(_OLD):
            connection.execute(
                "INSERT INTO subscription (id, customer_id, plan_id, plan_price_id, billing_key_id, timezone,"
                " started_on, trial_until, state, ordinal, next_billing_at, catch_up_below)"
                " VALUES (%(id)s, %(id)s, %(id)s, %(id)s, %(id)s, 'Asia/Seoul', %(started_on)s, %(trial_until)s,"
                " 'active', 3, now(), 0)",
                {"id": UUID(int=number), "started_on": started_on, "trial_until": trial_until},
            )

    upgrade_to_head(empty_database_url)

    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute(
            "SELECT anchored_on, anchor_ordinal, stub_from, billing_day FROM subscription ORDER BY id"
        ).fetchall()
    assert found == [(anchored_on, 0, None, None) for *_, anchored_on in _OLD]


def _upgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(psycopg_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
