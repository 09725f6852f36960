"""The one clock: where billing time begins, how it runs, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.errors import Misconfigured
from models.queries.installation import note_clock, start_clock, step_clock
from models.session import Database, RowsRefused
from tests.support.polling import eventually
from tests.support.rows import insert, row

if TYPE_CHECKING:
    from collections.abc import Iterator

ORIGIN = datetime(2030, 1, 31, tzinfo=UTC)
DAY = 86_400


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url, pool_size=2)
    yield opened
    opened.close()


def _start(database: Database, origin: datetime | None, rate: int = 1, stops_at: datetime | None = None) -> None:
    with database.transaction() as tx:
        start_clock(tx, origin=origin, rate=rate, stops_at=stops_at)


def _now(database: Database) -> datetime:
    with database.reading() as tx:
        return tx.now


def _sell(database_url: str) -> None:
    """An installation that has a plan is no longer new."""
    with psycopg.connect(database_url) as connection:
        insert(connection, "plan", row("plan"))


def _pretend_stopped(database_url: str, seconds: int) -> None:
    """As if the clock had been started, and last written down, so long ago."""
    with psycopg.connect(database_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE billing_clock SET anchor = anchor - make_interval(secs => %s)", (seconds,))


def test_a_database_bills_on_real_time_unless_told_otherwise(database: Database) -> None:
    _start(database, None)

    with database.reading() as tx:
        assert tx.now == tx.real
        assert tx.moment.rate == 1


def test_a_new_installation_begins_at_its_origin_and_runs_at_its_rate(database: Database) -> None:
    _start(database, ORIGIN, rate=DAY)

    with database.reading() as first:
        pass
    eventually(lambda: _now(database) > first.now + timedelta(hours=1), what="an hour of billing time")
    with database.reading() as later:
        pass

    assert first.now >= ORIGIN
    assert later.now - first.now == (later.real - first.real) * DAY


def test_a_new_installation_may_begin_in_the_past(database: Database) -> None:
    begin = datetime(2019, 1, 1, tzinfo=UTC)

    _start(database, begin, rate=0)

    assert _now(database) == begin


def test_time_that_the_processes_were_stopped_does_not_count_on_a_mapped_clock(
    database: Database, database_url: str
) -> None:
    _start(database, ORIGIN, rate=DAY)
    _sell(database_url)
    with database.transaction() as tx:
        note_clock(tx)
        noted = tx.now
    _pretend_stopped(database_url, seconds=3600)
    assert _now(database) > noted + timedelta(days=3000)

    _start(database, ORIGIN, rate=60)

    with database.reading() as tx:
        assert noted <= tx.now < noted + timedelta(hours=2)
        assert tx.moment.rate == 60


def test_a_clock_whose_last_note_was_lost_goes_on_from_what_was_written_last(
    database: Database, database_url: str
) -> None:
    _start(database, ORIGIN, rate=0)
    _sell(database_url)
    happened = ORIGIN + timedelta(days=7)
    with psycopg.connect(database_url) as connection:
        insert(connection, "outbox_event", row("outbox_event") | {"occurred_at": happened})

    _start(database, ORIGIN, rate=0)

    assert _now(database) == happened


def test_a_mapped_clock_that_is_ahead_cannot_go_back_to_real_time(database: Database, database_url: str) -> None:
    _start(database, ORIGIN + timedelta(days=3650), rate=1)
    _sell(database_url)

    with pytest.raises(Misconfigured, match="cannot go back to real time"):
        _start(database, None)


def test_a_mapped_clock_that_is_behind_may_go_on_to_real_time(database: Database, database_url: str) -> None:
    _start(database, datetime(2019, 1, 1, tzinfo=UTC), rate=1)
    _sell(database_url)

    _start(database, None)

    with database.reading() as tx:
        assert tx.now == tx.real


def test_real_time_that_becomes_mapped_goes_on_from_now(database: Database, database_url: str) -> None:
    _start(database, None)
    _sell(database_url)

    _start(database, ORIGIN, rate=60)

    with database.reading() as tx:
        assert tx.now < tx.real + timedelta(hours=2)
        assert tx.moment.rate == 60


def test_a_stepped_clock_stands_and_jumps_forward_only(database: Database) -> None:
    _start(database, ORIGIN, rate=0)
    tomorrow = ORIGIN + timedelta(days=1)

    assert _now(database) == ORIGIN == _now(database)
    for to in (tomorrow, ORIGIN, tomorrow):
        with database.transaction() as tx:
            step_clock(tx, to)
        assert _now(database) == tomorrow


def test_a_clock_that_runs_is_not_stepped(database: Database) -> None:
    _start(database, None)

    with database.transaction() as tx:
        step_clock(tx, tx.now + timedelta(days=365))

    with database.reading() as tx:
        assert tx.now == tx.real


def test_billing_time_stands_still_where_it_was_told_to_stop(database: Database) -> None:
    stop = ORIGIN + timedelta(days=1)
    _start(database, ORIGIN, rate=100 * DAY, stops_at=stop)

    eventually(lambda: _now(database) == stop, what="the stop")

    assert _now(database) == stop


def test_a_stop_that_is_over_is_refused(database: Database) -> None:
    with pytest.raises(Misconfigured, match="give a later instant"):
        _start(database, ORIGIN, rate=1, stops_at=ORIGIN - timedelta(days=1))


def test_noting_the_clock_never_turns_it_back(database: Database, database_url: str) -> None:
    _start(database, ORIGIN, rate=DAY)

    with database.transaction() as tx:
        note_clock(tx)
        noted = tx.now
    with psycopg.connect(database_url) as connection:
        row_seen = connection.execute("SELECT last_seen FROM billing_clock").fetchone()
    assert row_seen == (noted,)

    with pytest.raises(RowsRefused, match="billing_clock_is_monotone"), database.transaction() as tx:
        tx.connection.exec_driver_sql("UPDATE billing_clock SET last_seen = last_seen - interval '1 day'")
