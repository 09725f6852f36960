"""Do attempts that were declined under the ten coarser codes of before keep their class under the finer ones?"""

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
from domain.decline import DeclineClass, class_of
from domain.outcome import DeclineCode
from models.migrate import upgrade_to_head
from models.session import psycopg_url

_BEFORE: Final = "0002"
_INSERT: Final = (
    "INSERT INTO charge_attempt (id, invoice_id, attempt_no, merchant_uid, amount, trigger, state, send_no, fence,"
    " absent_count, decline_code, raw_reason, first_sent_at, started_at, ended_at)"
    " VALUES (%s, %s, 1, %s, 9900, 'schedule', 'declined', 1, 1, 0, %s, %s, now(), now(), now())"
)


def test_a_coarse_code_becomes_a_finer_one_of_the_same_class(empty_database_url: str) -> None:
    _upgrade(empty_database_url, _BEFORE)
    texts = {"limit_or_balance": ["잔액부족", "한도초과"]}
    old = [(code, text) for code in DeclineClass for text in texts.get(code, ["거절"])]
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("SET session_replication_role = replica")  # an attempt alone, without what it belongs to
        for number, (code, text) in enumerate(old):
            connection.execute(_INSERT, (UUID(int=number), UUID(int=number), f"m{number}", str(code), text))

    upgrade_to_head(empty_database_url)

    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute("SELECT decline_code, raw_reason FROM charge_attempt ORDER BY id").fetchall()
    assert [class_of(DeclineCode(code)) for code, _ in found] == [code for code, _ in old]
    assert ("insufficient_balance", "잔액부족") in found


def _upgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(psycopg_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
