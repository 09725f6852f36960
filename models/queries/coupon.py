"""SQL of coupons: what they take off, for whom, and which subscriptions have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from models.beside import Coupon, CouponPlan, Redemption
from models.queries.bulk import insert_rows, update_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_COUPONS: Final = (
    "SELECT c.id, c.code, c.percent, c.won, c.periods, c.redeem_before, c.redemption_limit, c.redeemed, c.closed_at,"
    " coalesce((SELECT array_agg(p.code ORDER BY p.code) FROM coupon_plan cp JOIN plan p ON p.id = cp.plan_id"
    "  WHERE cp.coupon_id = c.id), '{}') AS plans FROM coupon c"
)


def add_coupon(tx: Transaction, row: Mapping[str, Any], plan_ids: Sequence[UUID]) -> bool:
    """A new coupon, and the plans that it is for; False: its code is another's."""
    if not insert_rows(tx, Coupon, [row], or_ignore=True):
        return False
    insert_rows(tx, CouponPlan, [{"coupon_id": row["id"], "plan_id": plan_id} for plan_id in plan_ids])
    return True


def plan_ids(tx: Transaction, codes: Sequence[str]) -> Mapping[str, UUID]:
    """Plans by their codes, as far as there are such."""
    rows = tx.connection.execute(text("SELECT code, id FROM plan WHERE code = ANY(:codes)"), {"codes": list(codes)})
    return {row.code: row.id for row in rows}


def lock_coupon(tx: Transaction, code: str) -> Row[Any] | None:
    """One coupon, locked, after any subscription."""
    return tx.connection.execute(text(f"{_COUPONS} WHERE c.code = :code FOR UPDATE OF c"), {"code": code}).one_or_none()


def close_coupon(tx: Transaction, coupon_id: UUID) -> None:
    """Nobody gets it any more."""
    tx.connection.execute(text("UPDATE coupon SET closed_at = :now WHERE id = :id"), {"id": coupon_id, "now": tx.now})


def agreed(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """A subscription's plan, and what its base costs a period."""
    return tx.connection.execute(
        text(
            "SELECT p.code AS plan, s.quantity * pp.amount AS amount FROM subscription s"
            " JOIN plan p ON p.id = s.plan_id"
            " JOIN plan_price pp ON pp.id = s.plan_price_id WHERE s.id = :id"
        ),
        {"id": subscription_id},
    ).one()


def redemptions_of(tx: Transaction, subscription_id: UUID) -> Sequence[Row[Any]]:
    """The coupons that a subscription has and had, the newest first."""
    return tx.connection.execute(
        text(
            "SELECT c.code, r.percent, r.won, r.periods, r.used, r.redeemed_at, r.ended_at FROM redemption r"
            " JOIN coupon c ON c.id = r.coupon_id WHERE r.subscription_id = :id ORDER BY r.id DESC"
        ),
        {"id": subscription_id},
    ).all()


def running(tx: Transaction, subscription_id: UUID) -> Row[Any] | None:
    """The coupon of some periods that a locked subscription has; None: it has none."""
    return tx.connection.execute(
        text(
            "SELECT r.id, r.periods, r.used FROM redemption r WHERE r.subscription_id = :id AND r.ended_at IS NULL"
            " AND r.periods IS NOT NULL"
        ),
        {"id": subscription_id},
    ).one_or_none()


def end(tx: Transaction, redemption_id: UUID, *, by: UUID) -> None:
    """A locked subscription has a coupon no more, by a change that was decided."""
    update_rows(tx, Redemption, [{"id": redemption_id, "ended_at": tx.now, "ended_by": by}])


def redeem(tx: Transaction, row: Mapping[str, Any]) -> None:
    """A locked subscription has a locked coupon from now on."""
    insert_rows(tx, Redemption, [row])
    tx.connection.execute(text("UPDATE coupon SET redeemed = redeemed + 1 WHERE id = :id"), {"id": row["coupon_id"]})


def list_coupons(tx: Transaction, *, over: bool, limit: int) -> Sequence[Row[Any]]:
    """Coupons, the newest first; ``over``: also those that nobody can get any more."""
    return tx.connection.execute(
        text(
            f"{_COUPONS} WHERE :over OR (c.closed_at IS NULL AND (c.redeem_before IS NULL OR c.redeem_before > :now)"
            " AND (c.redemption_limit IS NULL OR c.redeemed < c.redemption_limit)) ORDER BY c.id DESC LIMIT :limit"
        ),
        {"over": over, "now": tx.now, "limit": limit},
    ).all()
