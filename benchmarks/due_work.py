"""Subscriptions that are due, made in bulk, and the check that each of them was charged once."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from billing.calendars import schedule_of
from billing.open_period import open_due_periods
from domain.billing_period import Calendar, CatchUp
from domain.identity import subscription_id
from domain.instants import civil_date
from domain.subscription import SubscriptionState
from models.ids import new_id
from models.queries.bulk import insert_rows
from models.subscription import BillingKey, Customer, Plan, PlanPrice, Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Row

    from billing.ports import Ports
    from models.session import Database

AMOUNT: Final = 9_900
_ZONE: Final = "Asia/Seoul"
_EVERY: Final = "1 month"
_PLAN: Final = "monthly"
_AT_ONCE: Final = 2_000
_ONE_EACH: Final = {
    "sends": "SELECT count(*) FROM send WHERE answered_at IS NOT NULL AND result = 'approved'",
    "attempts": "SELECT count(*) FROM charge_attempt WHERE state = 'approved' AND ended_at IS NOT NULL",
    "payments": "SELECT count(*) FROM payment WHERE counts",
    "invoices": "SELECT count(*) FROM invoice WHERE state = 'paid' AND attempt_count = 1 AND next_attempt_at IS NULL",
    "events": "SELECT count(*) FROM outbox_event WHERE kind = 'invoice.paid'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The one plan that everybody has."""

    plan_id: Any
    price_id: Any
    started_on: Any
    first_due: datetime


def make_plan(database: Database) -> Terms:
    """One monthly plan; its first period began yesterday at ten."""
    with database.transaction() as tx:
        plan_id, price_id = new_id(tx.real), new_id(tx.real)
        plan = {"id": plan_id, "code": _PLAN, "name": "월간", "every": _EVERY, "cron": None}
        insert_rows(tx, Plan, [{**plan, "catch_up": CatchUp.LATEST}])
        price = {"id": price_id, "plan_id": plan_id, "amount": AMOUNT, "effective_from": tx.now}
        insert_rows(tx, PlanPrice, [price])
        started_on = civil_date(tx.now, _ZONE) - timedelta(days=1)
    calendar = Calendar(schedule=schedule_of(_EVERY, None), anchored_on=started_on, zone_name=_ZONE)
    return Terms(plan_id=plan_id, price_id=price_id, started_on=started_on, first_due=calendar.start(0))


def make_due(ports: Ports, terms: Terms, *, first: int, count: int) -> Sequence[Row[Any]]:
    """So many active subscriptions, each with a customer, a card and an open invoice that is due; the invoices."""
    for start in range(first, first + count, _AT_ONCE):
        _subscribe(ports, terms, range(start, min(start + _AT_ONCE, first + count)))
    while open_due_periods(ports).subscriptions:
        pass
    with ports.database.transaction() as tx:
        # As autovacuum would have it in a table that has lived for a while.
        tx.connection.execute(text("ANALYZE"))
        return tx.connection.execute(
            text("SELECT id, subscription_id, ordinal FROM invoice WHERE next_attempt_at <= :now"), {"now": tx.now}
        ).all()


def _subscribe(ports: Ports, terms: Terms, numbers: range) -> None:
    customers, keys, subscriptions = [], [], []
    with ports.database.transaction() as tx:
        for number in numbers:
            ref = f"c{number:08d}"
            customer_id, key_id = new_id(tx.real), new_id(tx.real)
            person = {"name": "김하나", "email": f"{ref}@shop.example", "tel": "010-0000-0000"}
            customers.append({"id": customer_id, "customer_ref": ref, **person})
            keys.append({"id": key_id, "customer_id": customer_id, "customer_uid": f"card-{ref}"})
            subscriptions.append(
                {
                    "id": subscription_id(
                        namespace=ports.namespace, customer_ref=ref, plan_code=_PLAN, started_on=terms.started_on
                    ),
                    "customer_id": customer_id,
                    "plan_id": terms.plan_id,
                    "plan_price_id": terms.price_id,
                    "billing_key_id": key_id,
                    "timezone": _ZONE,
                    "started_on": terms.started_on,
                    "anchored_on": terms.started_on,
                    "state": SubscriptionState.ACTIVE,
                    "ordinal": -1,
                    "next_billing_at": terms.first_due,
                    "catch_up_below": 0,
                }
            )
        insert_rows(tx, Customer, customers)
        insert_rows(tx, BillingKey, keys)
        insert_rows(tx, Subscription, subscriptions)


def is_done(database: Database) -> bool:
    """Nothing is due and nothing in flight; both questions are answered by an index that is empty then."""
    with database.reading() as tx:
        return bool(
            tx.connection.execute(
                text(
                    "SELECT NOT EXISTS (SELECT FROM invoice WHERE next_attempt_at IS NOT NULL"
                    "  AND set_aside_reason IS NULL)"
                    " AND NOT EXISTS (SELECT FROM charge_attempt WHERE state IN ('in_flight', 'unknown'))"
                )
            ).scalar_one()
        )


def clock(database: Database) -> datetime:
    """The database's own clock now, with which events are stamped."""
    with database.reading() as tx:
        now: datetime = tx.connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return now


def last_recorded_at(database: Database) -> datetime:
    """When the last charge was written down, by the database's clock."""
    with database.reading() as tx:
        at: datetime = tx.connection.execute(
            text("SELECT max(recorded_at) FROM outbox_event WHERE kind = 'invoice.paid'")
        ).scalar_one()
        return at


def check_each_charged_once(database: Database, gateway_url: str, *, count: int) -> None:
    """Sent = due = recorded, and no ``merchant_uid`` was sent twice.

    Raises:
        AssertionError: It is not so; the measurement is worth nothing.
    """
    found = counters(gateway_url)
    with database.reading() as tx:
        found |= {name: int(tx.connection.execute(text(query)).scalar_one()) for name, query in _ONE_EACH.items()}
    expected = {"charges": count, "repeated": 0, **dict.fromkeys(_ONE_EACH, count)}
    if found != expected:
        raise AssertionError(f"not every due charge was made and written down once: {found}, not {expected}")


def counters(gateway_url: str) -> dict[str, int]:
    """What the stand-in has counted."""
    with urllib.request.urlopen(f"{gateway_url}/counters", timeout=10) as answer:  # noqa: S310 - our own address
        counted: dict[str, int] = json.load(answer)
        return counted
