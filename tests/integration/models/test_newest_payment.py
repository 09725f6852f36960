"""Is a channel's newest payment found without reading those of all others?"""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
from sqlalchemy import event

from models.queries import resolve
from models.session import Database

_OTHERS = 5_000


def test_a_channel_without_payments_reads_none_of_another_channel(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("SET session_replication_role = replica")  # payments without all that they belong to
        connection.execute(
            "INSERT INTO payment (id, invoice_id, attempt_id, channel, imp_uid, amount, cancelled_amount, counts,"
            " recorded_at) SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'default', 'imp_' || n, 1,"
            " 0, true, now() FROM generate_series(1, %s) n",
            [_OTHERS],
        )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE payment")
    asked: list[tuple[str, dict[str, object]]] = []
    database = Database(database_url)
    try:
        with database.reading() as tx:

            def note(_c: object, _cursor: object, statement: str, parameters: dict[str, object], *_: object) -> None:
                asked.append((statement, parameters))

            event.listen(tx.connection, "before_cursor_execute", note)
            assert resolve.newest_payment_before(tx, datetime(2100, 1, 1, tzinfo=UTC), channel="new") is None
            event.remove(tx.connection, "before_cursor_execute", note)
            ((statement, parameters),) = asked
            plan = tx.connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
    finally:
        database.close()
    assert any("ix_payment_channel_id" in line for line in plan), "\n".join(plan)
