"""SQL of opening periods: which subscriptions are due, what is written for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.subscription import BILLABLE
from models.base import listed
from models.invoice import Invoice
from models.queries.bulk import insert_rows, update_rows
from models.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_DUE: Final = f"s.state IN ({listed(BILLABLE)}) AND s.set_aside_reason IS NULL AND s.next_billing_at <= :now"

#: No second sort key: everything begins at the same instant, and sorting that would read all of it for every batch.
_LOCK_DUE: Final = text(
    "SELECT s.id, s.customer_id, s.timezone, s.started_on, s.ordinal, s.catch_up_below, s.next_billing_at,"
    " p.every, p.cron, p.catch_up, pp.amount"
    " FROM subscription s JOIN plan p ON p.id = s.plan_id JOIN plan_price pp ON pp.id = s.plan_price_id"
    f" WHERE {_DUE} AND (CAST(:only AS uuid) IS NULL OR s.id = :only)"
    " ORDER BY s.next_billing_at LIMIT :limit FOR UPDATE OF s SKIP LOCKED"
)


def lock_due_subscriptions(tx: Transaction, *, limit: int, only: UUID | None = None) -> Sequence[Row[Any]]:
    """Subscriptions whose next period has begun, oldest first, that nobody else is at."""
    return tx.connection.execute(_LOCK_DUE, {"now": tx.now, "limit": limit, "only": only}).all()


def write_opened(
    tx: Transaction, *, invoices: Sequence[Mapping[str, Any]], subscriptions: Sequence[Mapping[str, Any]]
) -> None:
    """Write invoices, and how far their subscriptions came."""
    insert_rows(tx, Invoice, invoices)
    update_rows(tx, Subscription, subscriptions)


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
            f" WHERE s.state IN ({listed(BILLABLE)}) AND s.set_aside_reason IS NULL) AS next_period_at,"
            " (SELECT min(i.next_attempt_at) FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
            f" WHERE i.next_attempt_at > :now AND i.set_aside_reason IS NULL AND s.state IN ({listed(BILLABLE)}))"
            " AS next_attempt_at"
        ),
        {"now": tx.now},
    ).one()
