"""SQL of changing a subscription's plan: what it has, what it is to have, and the writing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from models.queries.bulk import update_rows
from models.queries.periods import PLAN_CALENDAR
from models.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: With its price of now, if one is in force.
_PLAN: Final = text(
    f"SELECT p.id, p.code, p.name, {PLAN_CALENDAR}, p.periods, p.minimum_periods, p.usage, pp.id AS plan_price_id,"
    " pp.amount, pp.tax_free, pp.vat FROM plan p LEFT JOIN LATERAL (SELECT v.* FROM plan_price v WHERE v.plan_id = p.id"
    " AND v.effective_from <= :now ORDER BY v.effective_from DESC LIMIT 1) pp ON true WHERE p.code = :code"
)
_AGREED: Final = text(
    "SELECT s.plan_id, s.quantity, p.code AS plan, p.usage, pp.amount FROM subscription s"
    " JOIN plan p ON p.id = s.plan_id JOIN plan_price pp ON pp.id = s.plan_price_id WHERE s.id = :id"
)


def plan_to_have(tx: Transaction, code: str) -> Row[Any] | None:
    """A plan, with its price of now."""
    return tx.connection.execute(_PLAN, {"code": code, "now": tx.now}).one_or_none()


def agreed(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """What a locked subscription has."""
    return tx.connection.execute(_AGREED, {"id": subscription_id}).one()


def coupons_of(tx: Transaction, subscription_id: UUID, plan_id: UUID) -> Sequence[Row[Any]]:
    """The coupon that a subscription has, if any, and whether it is for other plans than one."""
    return tx.connection.execute(
        text(
            "SELECT c.code, r.periods, EXISTS (SELECT FROM coupon_plan o WHERE o.coupon_id = c.id) AND NOT EXISTS"
            " (SELECT FROM coupon_plan o WHERE o.coupon_id = c.id AND o.plan_id = :plan_id) AS is_for_others"
            " FROM redemption r JOIN coupon c ON c.id = r.coupon_id"
            " WHERE r.subscription_id = :id AND r.ended_at IS NULL"
        ),
        {"id": subscription_id, "plan_id": plan_id},
    ).all()


def has_that_too(tx: Transaction, subscription_id: UUID, plan_id: UUID) -> UUID | None:
    """Another subscription of the same customer, plan and first day: there can be one."""
    found: UUID | None = tx.connection.execute(
        text(
            "SELECT o.id FROM subscription o JOIN subscription s ON s.id = :id WHERE o.id <> s.id"
            " AND o.customer_id = s.customer_id AND o.started_on = s.started_on AND o.plan_id = :plan_id"
        ),
        {"id": subscription_id, "plan_id": plan_id},
    ).scalar_one_or_none()
    return found


def write_plan(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Give a locked subscription another plan, with what hangs on that."""
    update_rows(tx, Subscription, [row])
