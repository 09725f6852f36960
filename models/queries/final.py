"""SQL of final invoices: which ended subscriptions have one to be opened, and that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from models.queries.periods import CALENDAR
from models.queries.usage import IS_FINAL_KNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_TO_BE_OPENED: Final = f"s.final_at IS NOT NULL AND s.set_aside_reason IS NULL AND {IS_FINAL_KNOWN}"
_IDS: Final = text(
    f"SELECT s.id FROM subscription s JOIN plan p ON p.id = s.plan_id WHERE {_TO_BE_OPENED}"
    " ORDER BY s.final_at, s.id LIMIT :limit"
)
_LOCK: Final = text(
    "SELECT s.id, s.customer_id, s.ordinal, s.final_ordinal, s.final_at, s.quantity, s.plan_price_id, s.carried,"
    " s.carried_tax_free, (SELECT o.period_start FROM invoice o WHERE o.subscription_id = s.id"
    f"  AND o.purpose = 'period' AND o.ordinal = s.final_ordinal) AS opened_start, p.name AS plan_name, {CALENDAR},"
    " pp.amount, pp.tax_free, pp.vat, pp.card_quota, pp.setup_fee"
    " FROM subscription s JOIN plan p ON p.id = s.plan_id JOIN plan_price pp ON pp.id = s.plan_price_id"
    f" WHERE s.id = :id AND {_TO_BE_OPENED} FOR UPDATE OF s"
)


def to_be_opened(tx: Transaction, *, limit: int) -> Sequence[UUID]:
    """Ended subscriptions whose final invoice may be opened, those that ended first first."""
    return tx.connection.execute(_IDS, {"limit": limit}).scalars().all()


def lock_to_be_opened(tx: Transaction, subscription_id: UUID) -> Row[Any] | None:
    """One of them with all that it is reckoned by, locked; None: somebody was first."""
    return tx.connection.execute(_LOCK, {"id": subscription_id}).one_or_none()


def write_opened(tx: Transaction, subscription_id: UUID, *, carried: int, carried_tax_free: int) -> None:
    """Write down that nothing is left to be billed, and what its last invoice could not charge; won."""
    tx.connection.execute(
        text(
            "UPDATE subscription SET final_ordinal = NULL, final_at = NULL, carried = :carried,"
            " carried_tax_free = :tax_free WHERE id = :id"
        ),
        {"id": subscription_id, "carried": carried, "tax_free": carried_tax_free},
    )
