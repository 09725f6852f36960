"""SQL of moving a subscription's billing day: what its next invoices are reckoned from, and its new anchor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from models.queries.bulk import update_rows
from models.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_TERMS: Final = text(
    "SELECT s.id, s.customer_id, s.quantity, s.carried, s.carried_tax_free, p.code AS plan, p.name AS plan_name,"
    " coalesce(p.every, p.cron) AS schedule, p.billed, pp.amount, pp.tax_free, pp.vat, pp.card_quota, pp.setup_fee"
    " FROM subscription s JOIN plan p ON p.id = s.plan_id JOIN plan_price pp ON pp.id = s.plan_price_id"
    " WHERE s.id = :id"
)


def terms_of(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """What a subscription, locked, is agreed on: its plan, price and quantity, and what it carries."""
    return tx.connection.execute(_TERMS, {"id": subscription_id}).one()


def write_anchor(
    tx: Transaction, subscription_id: UUID, *, anchor: Mapping[str, Any], term_ends_at: datetime | None
) -> None:
    """Count a locked subscription's periods from another anchor, by which its term ends at another instant, too."""
    update_rows(tx, Subscription, [{"id": subscription_id, **anchor, "term_ends_at": term_ends_at}])
