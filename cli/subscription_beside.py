"""What stands beside a subscription's price, as ``jeonggi subscription show`` tells it."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from cli.output import as_dict
from domain.coupon import Discount
from models.queries import add_on, coupon, credit, hold, item, listing

if TYPE_CHECKING:
    from models.session import Transaction


def beside_of(tx: "Transaction", subscription_id: UUID, customer_ref: str) -> dict[str, Any]:
    """Its add-ons, the items that wait, its coupons, and its customer's credit in won."""
    found: dict[str, Any] = {"customer_ref": None, "over": False, "limit": listing.DETAILS}
    customer_id = hold.find_customer(tx, customer_ref)
    return {
        "add_ons": add_on.list_add_ons(tx, subscription_id=subscription_id, **found),
        "items": item.list_items(tx, subscription_id=subscription_id, **found),
        "coupons": coupon.redemptions_of(tx, subscription_id),
        "credit": 0 if customer_id is None else credit.balance_of(tx, customer_id),
    }


def as_documents(beside: dict[str, Any]) -> dict[str, Any]:
    """As JSON."""
    return {
        name: value if isinstance(value, int) else [as_dict(row) for row in value] for name, value in beside.items()
    }


def facts_of(beside: dict[str, Any], *, carried: int) -> dict[str, object]:
    """As a person reads it; None: there is nothing to say."""
    running = [row for row in beside["coupons"] if row.ended_at is None]
    return {
        "every period beside it": _listed(beside["add_ons"]),
        "on the next invoice": _listed(beside["items"]),
        "coupon": ", ".join(_coupon(row) for row in running) or None,
        "credit of its customer": f"{beside['credit']:,} won" if beside["credit"] else None,
        "carried to the next invoice": f"{carried:,} won" if carried else None,
    }


def _listed(rows: Any) -> str | None:  # noqa: ANN401 - rows
    return ", ".join(f"{row.description} {row.amount:,} won ({str(row.id)[:13]})" for row in rows) or None


def _coupon(row: Any) -> str:  # noqa: ANN401 - a row
    of = "for ever" if row.periods is None else f"of {row.periods} periods"
    told = f"{row.code}: {Discount(percent=row.percent, won=row.won).words}, {row.used} {of} used"
    is_used_up = row.periods is not None and row.used >= row.periods
    return f"{told}; it goes on until its customer agrees to its end" if is_used_up else told
