"""One valid row of every table, and as many more as a test wants: what a guard refuses differs in one thing only."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import sql

from tests.support.beside_rows import FURNISHED_BESIDE, beside_rows
from tests.support.brake_rows import brake_rows
from tests.support.consent_rows import FURNISHED_CONSENT, consent_rows
from tests.support.forecast_rows import FURNISHED_FORECAST, forecast_rows
from tests.support.foreign_rows import ADOPTED, FURNISHED_FOREIGN, foreign_rows
from tests.support.price_rows import line_rows
from tests.support.proration_rows import proration_rows
from tests.support.refund_rows import FURNISHED_REFUND, refund_rows
from tests.support.stop_rows import stop_rows
from tests.support.told_rows import FURNISHED_TOLD, told_rows
from tests.support.usage_rows import usage_rows

if TYPE_CHECKING:
    import psycopg

AT = datetime(2026, 1, 31, 1, tzinfo=UTC)
PLAN, PRICE, CUSTOMER, KEY, SUBSCRIPTION, INVOICE, ATTEMPT, PAYMENT = (UUID(int=number) for number in range(1, 9))
OTHER_INVOICE = UUID(int=14)  # without an attempt

_numbers = itertools.count(100)


def row(table: str) -> dict[str, Any]:
    """Another valid row, hanging on the world that ``furnish`` made; its own ids and names differ every time."""
    number = next(_numbers)
    own = UUID(int=number)
    kinds = _of_the_installation(number) | _of_what_is_sold(number, own) | _of_what_is_owed(number, own)
    kinds |= (
        line_rows() | foreign_rows(number, own) | refund_rows(number, own) | brake_rows(number, own) | told_rows(number)
    )
    kinds |= stop_rows(own, subscription_id=SUBSCRIPTION) | beside_rows(number, own)
    kinds |= proration_rows(number) | usage_rows(number)
    kinds |= forecast_rows(number, subscription_id=SUBSCRIPTION)
    kinds |= consent_rows(own, subscription_id=SUBSCRIPTION, price_id=PRICE)
    return kinds[table]


def _of_the_installation(number: int) -> dict[str, dict[str, Any]]:
    return {
        "installation": {"id": 1, "namespace": "house"},
        "billing_clock": {"id": 1, "origin": AT, "rate": 1, "anchor": AT, "last_seen": AT},
        "channel_state": {"name": f"channel {number}", "rate_used_until": AT},
        "audit_entry": {
            "occurred_at": AT,
            "actor": "ops",
            "action": "look",
            "subject": "invoice",
            "reason": "",
            "details": {},
        },
        "outbox_event": {"occurred_at": AT, "kind": "invoice.paid", "subscription_id": SUBSCRIPTION, "data": {}},
        "seen_token": {
            "digest": f"digest {number}",
            "channel": "default",
            "expires_at": 1,
            "first_seen_at": AT,
            "dies_at": AT,
        },
    }


def _of_what_is_sold(number: int, own: UUID) -> dict[str, dict[str, Any]]:
    return {
        "plan": {"id": own, "code": f"p{number}", "name": "plan", "every": "1 month", "cron": None, "catch_up": "all"},
        "plan_price": {
            "id": own,
            "plan_id": PLAN,
            "amount": 9_900,
            "effective_from": AT + timedelta(days=number),
        },
        "customer": {"id": own, "customer_ref": f"c{number}", "name": "", "email": "", "tel": ""},
        "billing_key": {"id": own, "customer_id": CUSTOMER, "customer_uid": f"card-{number}"},
        "subscription": {
            "id": own,
            "customer_id": CUSTOMER,
            "plan_id": PLAN,
            "plan_price_id": PRICE,
            "billing_key_id": KEY,
            "timezone": "Asia/Seoul",
            "started_on": date(2026, 1, 31) + timedelta(days=number),
            "anchored_on": date(2026, 1, 31),
            "state": "active",
            "ordinal": 0,
            "next_billing_at": AT,
            "catch_up_below": 0,
        },
        "skipped_period": {
            "subscription_id": SUBSCRIPTION,
            "first_ordinal": number,
            "last_ordinal": number,
            "reason": "catch_up",
        },
    }


def _of_what_is_owed(number: int, own: UUID) -> dict[str, dict[str, Any]]:
    return {
        "invoice": {
            "id": own,
            "subscription_id": SUBSCRIPTION,
            "purpose": "period",
            "ordinal": number,
            "period_start": AT,
            "period_end": AT + timedelta(days=28),
            "amount": 9_900,
            "state": "open",
            "is_catch_up": False,
            "next_attempt_at": AT,
            "next_trigger": "schedule",
            "ladder_step": 0,
            "attempt_count": 0,
            "opened_at": AT,
        },
        "charge_attempt": {
            "id": own,
            "invoice_id": INVOICE,
            "attempt_no": number,
            "merchant_uid": f"uid{number}",
            "amount": 9_900,
            "trigger": "schedule",
            "state": "approved",
            "send_no": 1,
            "fence": 1,
            "absent_count": 0,
            "first_sent_at": AT,
            "started_at": AT,
        },
        "send": {
            "attempt_id": ATTEMPT,
            "send_no": number,
            "billing_key_id": KEY,
            "amount": 9_900,
            "token_digest": "digest",
            "fence": 1,
            "committed_at": AT,
            "send_before": AT,
            "lease_until": AT,
        },
        "payment": {
            "id": own,
            "invoice_id": INVOICE,
            "attempt_id": ATTEMPT,
            "channel": "default",
            "imp_uid": f"imp_{number}",
            "amount": 9_900,
            "cancelled_amount": 0,
            "counts": False,
            "recorded_at": AT,
        },
        "evidence": {
            "attempt_id": ATTEMPT,
            "send_no": 1,
            "source": "find_all",
            "said": "absent",
            "began_at": AT,
            "token_digest": "digest",
            "body": {},
        },
    }


def insert(connection: psycopg.Connection, table: str, values: dict[str, Any]) -> None:
    """Insert one row."""
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() for _ in values),
        ),
        [json.dumps(value) if isinstance(value, dict) else value for value in values.values()],
    )


def furnish(connection: psycopg.Connection) -> None:
    """The rows that every other row hangs on: one of each, with an open attempt and a payment that counts."""
    named: dict[str, dict[str, Any]] = {
        "plan": {"id": PLAN, "code": "basic"},
        "plan_price": {"id": PRICE, "effective_from": AT},
        "customer": {"id": CUSTOMER, "customer_ref": "c1"},
        "billing_key": {"id": KEY, "customer_uid": "card-1"},
        "subscription": {"id": SUBSCRIPTION, "started_on": date(2026, 1, 31)},
        "invoice": {"id": INVOICE, "ordinal": 0},
        "invoice_line": {"invoice_id": INVOICE},
        "charge_attempt": {"id": ATTEMPT, "attempt_no": 1, "merchant_uid": "uid1", "state": "in_flight"},
        "send": {"send_no": 1},
        "payment": {"id": PAYMENT, "imp_uid": "imp_1", "counts": True},
        "evidence": {},
        "skipped_period": {"first_ordinal": 0, "last_ordinal": 0},
        "audit_entry": {},
        "outbox_event": {},
        "installation": {},
    }
    for table, names in named.items():
        insert(connection, table, row(table) | names)
    insert(connection, "subscription", row("subscription") | {"id": ADOPTED})
    insert(connection, "invoice", row("invoice") | {"id": OTHER_INVOICE})
    for table, names in (
        *FURNISHED_FOREIGN.items(),
        *FURNISHED_REFUND,
        *FURNISHED_TOLD.items(),
        *FURNISHED_BESIDE,
        *FURNISHED_CONSENT.items(),
        *FURNISHED_FORECAST.items(),
        ("proration", {}),
    ):
        insert(connection, table, row(table) | names)
