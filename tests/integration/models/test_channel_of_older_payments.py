"""Does a payment from before payments carried their channel get that of the account where it was found?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
from alembic import command
from alembic.config import Config
from psycopg.types.json import Jsonb
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import migrations
from models.migrate import upgrade_to_head
from models.session import psycopg_url

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEFORE: Final = "0007"
#: Payments: the channels of their attempt's sends; the send that was answered as approved; the channels whose tokens
#: saw them in a look-up; and what is to be found.
_OLD: Final[Sequence[tuple[tuple[str, ...], int | None, tuple[str, ...], str]]] = (
    (("default",), 1, (), "default"),
    (("other",), None, ("other",), "other"),
    (("default", "other"), 2, (), "other"),
    (("default", "other"), None, ("default",), "default"),
    (("default", "other"), 1, (), "default"),
    (("default", "other"), None, (), "other"),  # nothing tells: the last send's
    (("default", "other"), None, ("default", "other"), "other"),  # one account with one token: either will do
)


def test_an_older_payment_gets_the_channel_where_it_was_found(empty_database_url: str) -> None:
    _upgrade(empty_database_url, _BEFORE)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("SET session_replication_role = replica")  # payments without all that they belong to
        connection.execute("INSERT INTO channel_state (name, rate_used_until) VALUES ('other', now())")
        for number, (channels, approved, seen_by, _) in enumerate(_OLD):
            _add(connection, number, channels, approved, seen_by)
            for state in ("requested", "in_flight"):
                _insert(connection, "refund", **_refund(number, state))

    upgrade_to_head(empty_database_url)

    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute("SELECT channel FROM payment ORDER BY id").fetchall()
        refunds = connection.execute("SELECT state, channel FROM refund ORDER BY payment_id, state").fetchall()
    assert found == [(channel,) for *_, channel in _OLD]
    # What is out was sent to an account, right or wrong, and is asked about with that one's tokens.
    assert refunds == [told for *_, channel in _OLD for told in (("in_flight", "other"), ("requested", channel))]


def _add(
    connection: psycopg.Connection[Any],
    number: int,
    channels: Sequence[str],
    approved: int | None,
    seen_by: Sequence[str],
) -> None:
    own = UUID(int=number)
    uid = f"imp_{number}"
    _insert(
        connection,
        "charge_attempt",
        id=own,
        invoice_id=own,
        attempt_no=1,
        merchant_uid=f"m{number}",
        amount=9_900,
        trigger="schedule",
        state="approved",
        send_no=len(channels),
        fence=1,
        absent_count=0,
        first_sent_at="2026-01-01",
        started_at="2026-01-01",
    )
    _insert(
        connection,
        "payment",
        id=own,
        invoice_id=own,
        attempt_id=own,
        imp_uid=uid,
        amount=9_900,
        cancelled_amount=0,
        counts=True,
        recorded_at="2026-01-01",
    )
    _add_sends(connection, own, channels, approved)
    _add_looks(connection, own, uid, seen_by)


def _add_sends(connection: psycopg.Connection[Any], own: UUID, channels: Sequence[str], approved: int | None) -> None:
    for send_no, channel in enumerate(channels, start=1):
        key = UUID(int=own.int * 10 + send_no)
        _insert(connection, "billing_key", id=key, customer_id=own, customer_uid=str(key), channel=channel)
        _insert(
            connection,
            "send",
            attempt_id=own,
            send_no=send_no,
            billing_key_id=key,
            amount=9_900,
            token_digest=f"sent {own}",
            fence=1,
            committed_at="2026-01-01",
            send_before="2026-01-01",
            lease_until="2026-01-01",
            result="approved" if send_no == approved else None,
        )


def _add_looks(connection: psycopg.Connection[Any], own: UUID, uid: str, seen_by: Sequence[str]) -> None:
    for channel in seen_by:
        _insert(
            connection,
            "seen_token",
            digest=f"seen {own}",
            channel=channel,
            expires_at=1,
            first_seen_at="2026-01-01",
            dies_at="2026-01-01",
        )
    for told in ([], [{"imp_uid": f"{uid}0"}], [{"imp_uid": uid}] if seen_by else []):
        _insert(
            connection,
            "evidence",
            attempt_id=own,
            send_no=1,
            source="find_all",
            said="paid",
            began_at="2026-01-01",
            token_digest=f"seen {own}",
            body=Jsonb({"records": told}),
        )


def _refund(number: int, state: str) -> dict[str, object]:
    sent = {
        "checksum": 9_900,
        "token_digest": "digest",
        "first_sent_at": "2026-01-01",
        "sent_at": "2026-01-01",
        "send_before": "2026-01-01",
        "lease_until": "2026-01-01",
        "send_no": 1,
    }
    return {
        "id": UUID(int=number * 10 + (state == "in_flight")),
        "payment_id": UUID(int=number),
        "channel": "other",
        "amount": 100,
        "tax_free": 0,
        "reason": "told",
        "requested_by": "ops",
        "requested_at": "2026-01-01",
        "mark": f"{state} {number}",
        "state": state,
        "send_no": 0,
        "fence": 0,
        "absent_count": 0,
        "next_at": "2026-01-01",
    } | (sent if state == "in_flight" else {})


def _insert(connection: psycopg.Connection[Any], table: str, **values: object) -> None:
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", values)


def _upgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(psycopg_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
