"""What does a subscription owe a period, by the price that it is pinned to, and which rows tell of it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.invoice_line import Owed, base_item, reckon
from domain.price import Price, Vat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sqlalchemy import Row


def price_of(row: Row[Any]) -> Price:
    """The price in a row that has a version's columns."""
    return Price(amount=row.amount, tax_free=row.tax_free, vat=Vat(row.vat), card_quota=row.card_quota)


def owed_by(subscription: Row[Any], price: Price | None = None) -> Owed:
    """What each of its periods owes that is opened now, or would by another price.

    Raises:
        RuleBroken: Its quantity makes more than can be charged.
    """
    price = price or price_of(subscription)
    items = [base_item(description=subscription.plan_name, quantity=subscription.quantity, price=price)]
    return reckon(items, vat=price.vat, card_quota=price.card_quota)


def line_rows(invoice_id: UUID, owed: Owed) -> Iterator[dict[str, Any]]:
    """The rows of an invoice's lines."""
    for line in owed.lines:
        yield {
            "invoice_id": invoice_id,
            "line_no": line.line_no,
            "kind": line.kind,
            "description": line.description,
            "quantity": line.quantity,
            "unit_amount": line.unit_amount,
            "amount": line.amount,
            "tax_free": line.tax_free,
            "vat_amount": line.vat_amount,
        }
