"""The row of a new invoice, whatever it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.invoice import INVOICE_TABLE, InvoiceEvent, InvoiceState, Purpose, Trigger
from domain.states import advance
from models.ids import new_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from domain.invoice_line import Owed
    from domain.proration import Share
    from models.session import Transaction


def new_invoice(  # noqa: PLR0913 - each is a column that differs
    tx: Transaction,
    subscription_id: UUID,
    owed: Owed,
    *,
    purpose: Purpose,
    ordinal: int,
    begin: datetime,
    end: datetime,
    quantity: int,
    plan_price_id: UUID,
    attempt_at: datetime,
    share: Share | None = None,
    is_delivered: bool = False,
    is_catch_up: bool = False,
) -> dict[str, Any]:
    """An invoice's row; one that owes nothing is paid, for there is nothing to charge.

    Args:
        tx: When it is opened.
        subscription_id: Whose.
        owed: What, in won.
        purpose: What for.
        ordinal: The period's, or a number of the purpose's own.
        begin: From when on what it is for is given, UTC.
        end: And until when.
        quantity: The terms that it is opened by: units.
        plan_price_id: And the price's version.
        attempt_at: From when on it may be charged, UTC.
        share: Of a partial period, its part of a whole one.
        is_delivered: What it is for was given already, and is owed whatever becomes of the subscription.
        is_catch_up: At most one such charge a customer and civil day.
    """
    state = InvoiceState.OPEN
    if owed.amount == 0:
        state = advance(INVOICE_TABLE, state, InvoiceEvent.PAID)
    return {
        "id": new_id(tx.real),
        "subscription_id": subscription_id,
        "purpose": purpose,
        "ordinal": ordinal,
        "period_start": begin,
        "period_end": end,
        "share_days": None if share is None else share.days,
        "share_of_days": None if share is None else share.of_days,
        "amount": owed.amount,
        "tax_free": owed.tax_free,
        "vat_amount": owed.vat_amount,
        "card_quota": owed.card_quota,
        "quantity": quantity,
        "plan_price_id": plan_price_id,
        "is_delivered": is_delivered,
        "state": state,
        "is_catch_up": is_catch_up,
        "next_attempt_at": attempt_at if owed.amount else None,
        "next_trigger": Trigger.SCHEDULE,
        "ladder_step": 0,
        "attempt_count": 0,
        "opened_at": tx.now,
    }
