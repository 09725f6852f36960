"""SQL of opening periods: which subscriptions are due, what is written for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.business_day import Shift
from domain.subscription import BILLABLE, SubscriptionState
from models.base import listed
from models.consent import PriceChange
from models.invoice import Invoice
from models.invoice_line import InvoiceLine
from models.queries import beside, stop, usage
from models.queries.bulk import insert_rows, update_rows
from models.queries.periods import CALENDAR
from models.subscription import SkippedPeriod, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_DUE: Final = (
    f"s.state IN ({listed(BILLABLE)}) AND s.set_aside_reason IS NULL AND s.next_billing_at <= :now AND {stop.IS_OPENED}"
    f" AND {usage.IS_KNOWN}"
)

#: No second sort key: everything begins at the same instant, and sorting that would read all of it for every batch.
_LOCK_DUE: Final = text(
    "SELECT s.id, s.customer_id, s.ordinal, s.catch_up_below, s.next_billing_at, s.stops_before, s.changes_from,"
    " s.changes_at, s.quantity, s.plan_price_id, p.without_consent,"
    f" s.carried, s.carried_tax_free, p.name AS plan_name, {CALENDAR}, p.catch_up, p.after_outage,"
    " p.usage, pp.amount, pp.tax_free, pp.vat, pp.card_quota, pp.setup_fee"
    " FROM subscription s JOIN plan p ON p.id = s.plan_id JOIN plan_price pp ON pp.id = s.plan_price_id"
    f" WHERE {_DUE} AND (CAST(:only AS uuid) IS NULL OR s.id = :only)"
    " ORDER BY s.next_billing_at LIMIT :limit FOR UPDATE OF s SKIP LOCKED"
)
_OF_SHIFTING: Final = (
    f"SELECT s.id, s.ordinal, s.next_billing_at, {CALENDAR} FROM subscription s JOIN plan p ON p.id = s.plan_id"
    f" WHERE p.shift <> '{Shift.NONE}' AND s.state <> '{SubscriptionState.ENDED}'"
)
_SHIFTING: Final = text(_OF_SHIFTING)
_LOCK_SHIFTING: Final = text(f"{_OF_SHIFTING} AND s.id = ANY(:ids) ORDER BY s.id FOR UPDATE OF s")


def lock_due_subscriptions(tx: Transaction, *, limit: int, only: UUID | None = None) -> Sequence[Row[Any]]:
    """Subscriptions whose next period is due and may be opened, oldest first, that nobody else is at."""
    return tx.connection.execute(_LOCK_DUE, {"now": tx.now, "limit": limit, "only": only}).all()


def shifting_subscriptions(tx: Transaction) -> Iterator[Row[Any]]:
    """Subscriptions that are still billed some day, of plans that move charges to business days; streamed."""
    yield from tx.connection.execute(_SHIFTING.execution_options(stream_results=True, yield_per=1_000))


def lock_shifting(tx: Transaction, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Named ones of them, locked by id."""
    return tx.connection.execute(_LOCK_SHIFTING, {"ids": list(ids)}).all()


def write_due_times(tx: Transaction, subscriptions: Sequence[Mapping[str, Any]]) -> None:
    """Give subscriptions another ``next_billing_at``."""
    update_rows(tx, Subscription, subscriptions)


def write_opened(
    tx: Transaction,
    *,
    invoices: Sequence[Mapping[str, Any]],
    lines: Sequence[Mapping[str, Any]],
    subscriptions: Sequence[Mapping[str, Any]],
    skips: Sequence[Mapping[str, Any]],
    used: beside.Used,
    changes: Sequence[Mapping[str, Any]],
) -> None:
    """Write invoices with their lines, what they used up, what gets none, and how far their subscriptions came.

    ``changes``: ends of promotions that are planned from now on.
    """
    insert_rows(tx, PriceChange, changes)
    insert_rows(tx, Invoice, invoices)
    insert_rows(tx, SkippedPeriod, skips)
    insert_rows(tx, InvoiceLine, lines)
    beside.write_used(tx, used)
    update_rows(tx, Subscription, subscriptions)


def write_invoice(
    tx: Transaction,
    invoice: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    *,
    used: beside.Used | None = None,
) -> None:
    """Write an invoice that is no period's, with its lines and what it used up; it moves nothing on."""
    insert_rows(tx, Invoice, [invoice])
    insert_rows(tx, InvoiceLine, lines)
    if used is not None:
        beside.write_used(tx, used)


def set_subscription_aside(tx: Transaction, *, subscription_id: UUID, reason: str) -> None:
    """Take a subscription that cannot be opened out of the way, visibly."""
    tx.connection.execute(
        text("UPDATE subscription SET set_aside_reason = :reason WHERE id = :id"),
        {"id": subscription_id, "reason": reason},
    )


def earliest_due(tx: Transaction) -> Row[Any]:
    """When the next period begins and the next attempt falls due: billing time, either may be None."""
    return tx.connection.execute(
        text(
            "SELECT (SELECT min(s.next_billing_at) FROM subscription s"
            f" WHERE s.state IN ({listed(BILLABLE)}) AND s.set_aside_reason IS NULL AND {stop.IS_OPENED}"
            f" AND {usage.IS_NOT_HELD})"
            " AS next_period_at,"
            " (SELECT min(i.next_attempt_at) FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
            f" WHERE i.next_attempt_at > :now AND i.set_aside_reason IS NULL AND {stop.IS_BILLED})"
            " AS next_attempt_at"
        ),
        {"now": tx.now},
    ).one()
